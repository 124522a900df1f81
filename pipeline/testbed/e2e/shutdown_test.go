package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// crowd are streams that are opened once and never come back, so that how each
// of them ends can be told.
type crowd struct {
	t    *testing.T
	done sync.WaitGroup

	mu    sync.Mutex // protects the rest
	open  int
	ends  map[string]int // by the reason of the bye, "cut" without one
	first time.Time      // of the first end
	last  time.Time      // of the last end
}

// add opens n more streams and returns when each of them has sent something.
func (c *crowd) add(b *bed, n int) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(func() { cancel(); c.done.Wait() })
	started := make(chan struct{}, n)
	for i := range n {
		address := fmt.Sprintf("%s/v1/stream?s=S%04d@1s,1m:kline", b.http, i%5)
		c.done.Go(func() {
			var last oracle.Event
			var once sync.Once
			_, err := oracle.Stream(ctx, http.DefaultClient, address, "", func(e oracle.Event) error {
				last = e
				once.Do(func() { started <- struct{}{} })
				return nil
			})
			c.ended(last, err)
		})
	}
	limit, stop := context.WithTimeout(c.t.Context(), patience)
	defer stop()
	for i := range n {
		select {
		case <-started:
		case <-limit.Done():
			c.t.Fatalf("%d of %d streams sent nothing within %v", n-i, n, patience)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
}

func (c *crowd) ended(last oracle.Event, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	how := ending(last)
	if err != nil {
		how = err.Error()
	}
	if c.ends == nil {
		c.ends, c.first = map[string]int{}, time.Now()
	}
	c.ends[how]++
	c.last = time.Now()
}

// toldDrain requires that every stream has ended by bye drain, and returns over
// what time.
func (c *crowd) toldDrain() time.Duration {
	c.t.Helper()
	c.done.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends["drain"] != c.open || len(c.ends) != 1 {
		c.t.Errorf("%d streams ended by %v, want drain each", c.open, c.ends)
	}
	return c.last.Sub(c.first)
}

// signalled sends s and requires that the node ends by itself with code before
// limit has passed.
func signalled(t *testing.T, b *bed, s syscall.Signal, code int, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	if err := b.node.Signal(s); err != nil {
		t.Fatal(err)
	}
	return exited(t, b, began, code, limit)
}

func exited(t *testing.T, b *bed, began time.Time, code int, limit time.Duration) time.Duration {
	t.Helper()
	got, err := b.node.ExitCode(limit)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if got != code {
		t.Errorf("the exit code is %d, want %d", got, code)
	}
	t.Logf("the end took %s", took.Round(time.Millisecond))
	return took
}

// goOn starts the node again and holds the whole log against the oracle.
func goOn(t *testing.T, b *bed, f *flow, streams []*client) {
	t.Helper()
	b.node.Restart()
	b.ready()
	time.Sleep(2 * time.Second)
	finish(t, b, f, streams)
}

func TestEmbeddedStopsWithinTheDrainTimeAndGoesOn(t *testing.T) {
	t.Parallel()
	const drain = 4 * time.Second
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			g := newGuest(t, "drain_timeout 4s")
			streams := threeStreams(t, g.bed)
			all := &crowd{t: t}
			all.add(g.bed, 60)
			f := startFlow(t, g.bed, 400, 11)
			time.Sleep(3 * time.Second)
			signalled(t, g.bed, sig, 0, drain+patience)
			// All at once would send all clients to the other nodes at once.
			if spread := all.toldDrain(); spread < drain/4 {
				t.Errorf("the streams ended within %s, want them spread over %s", spread, drain)
			}
			for _, c := range streams {
				for _, how := range c.endings() {
					if how != "drain" {
						t.Errorf("a stream ended by %q, want drain", how)
					}
				}
			}
			goOn(t, g.bed, f, streams)
		})
	}
}

// Streams of two generations: those opened before a reload that keeps the
// engine, and those opened behind it.
func TestEmbeddedStopsWithStreamsOfTwoConfigurations(t *testing.T) {
	t.Parallel()
	const drain = time.Second
	g := newGuest(t, "drain_timeout 1h")
	all := &crowd{t: t}
	all.add(g.bed, 20)
	g.reload(g.config("drain_timeout 1s", ""))
	all.add(g.bed, 20)
	signalled(t, g.bed, syscall.SIGTERM, 0, drain+patience)
	all.toldDrain()
}

// Just after a changed key the old engine's streams are still saying goodbye
// while the new one is coming up.
func TestEmbeddedStopsWhileTwoEnginesExist(t *testing.T) {
	t.Parallel()
	const drain = 3 * time.Second
	for _, wait := range []time.Duration{0, 300 * time.Millisecond} {
		t.Run(wait.String(), func(t *testing.T) {
			g := newGuest(t, "drain_timeout 3s")
			streams := threeStreams(t, g.bed)
			all := &crowd{t: t}
			all.add(g.bed, 30)
			f := startFlow(t, g.bed, 400, 12)
			time.Sleep(1500 * time.Millisecond)
			changed := g.config("drain_timeout 3s\n\t\tallowed_lateness 62s", "")
			g.node.SetConfig(changed) // what the restart is given
			g.reload(changed)
			time.Sleep(wait)
			signalled(t, g.bed, syscall.SIGTERM, 0, drain+patience)
			all.toldDrain()
			goOn(t, g.bed, f, streams)
		})
	}
}

// A SIGTERM that comes while the reload is still at work waits for it.
func TestEmbeddedStopsInTheMiddleOfAReload(t *testing.T) {
	t.Parallel()
	g := newGuest(t, "drain_timeout 1s")
	all := &crowd{t: t}
	all.add(g.bed, 30)
	f := startFlow(t, g.bed, 400, 13)
	time.Sleep(1500 * time.Millisecond)
	changed := g.config("drain_timeout 1s\n\t\tallowed_lateness 62s", "")
	g.node.SetConfig(changed)
	var reload sync.WaitGroup
	reload.Go(func() {
		// Either answer will do, also none: the node is on its way out.
		status, body, err := g.tryLoad(changed)
		t.Logf("the reload was answered with %d %.100s, %v", status, body, err)
	})
	time.Sleep(20 * time.Millisecond)
	signalled(t, g.bed, syscall.SIGTERM, 0, time.Second+patience)
	reload.Wait()
	all.toldDrain()
	goOn(t, g.bed, f, nil)
}

// A supervisor that loses patience sends SIGTERM again; that must not cut the
// drain short. A second Ctrl-C is a person who wants the prompt back: the end is
// at once, and what is lost is what a kill loses: nothing.
func TestEmbeddedSignalledTwice(t *testing.T) {
	t.Parallel()
	t.Run("SIGTERM", func(t *testing.T) {
		g := newGuest(t, "drain_timeout 2s")
		all := &crowd{t: t}
		all.add(g.bed, 30)
		began := time.Now()
		for range 2 {
			if err := g.node.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		exited(t, g.bed, began, 0, patience)
		all.toldDrain()
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		g := newGuest(t, "drain_timeout 1h")
		streams := threeStreams(t, g.bed)
		f := startFlow(t, g.bed, 400, 14)
		time.Sleep(2 * time.Second)
		if err := g.node.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		g.node.WaitLog("shutting down", patience) // the first one is taken: of two that wait the system makes one
		const forced = 2                          // Caddy's code for a quit that was forced
		signalled(t, g.bed, syscall.SIGINT, forced, patience)
		goOn(t, g.bed, f, streams)
	})
}

func TestEmbeddedStopsOnRequest(t *testing.T) {
	t.Parallel()
	g := newGuest(t, "drain_timeout 1s")
	all := &crowd{t: t}
	all.add(g.bed, 10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	if _, err := g.node.Command(ctx, "stop", "--address", g.admin); err != nil {
		t.Fatal(err)
	}
	exited(t, g.bed, began, 0, patience)
	all.toldDrain()
}
