package e2e

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// threeStreams are open while the configuration changes.
func threeStreams(t *testing.T, b *bed) []*client {
	return []*client{
		stream(t, b, "s=S0000,S0001@1s,1m:kline,ema(20)", nil),
		stream(t, b, "s=S0002,S0003@1s:kline", nil),
		stream(t, b, "s=S0004@1s,5m:kline", nil),
	}
}

// finish stops the trades and holds everything against the oracle.
func finish(t *testing.T, b *bed, f *flow, streams []*client) {
	t.Helper()
	f.stop()
	f.done.Wait()
	if f.err != nil {
		t.Errorf("flushing the producer: %v", f.err)
	}
	b.settle(patience)
	time.Sleep(4 * time.Second) // the clock closes the last seconds
	if l := b.check(allIntervals, false, streams...); int64(len(l.input.Trades)) < f.acked.Load() {
		t.Errorf("the topic holds %d trades, %d were acknowledged", len(l.input.Trades), f.acked.Load())
	}
}

func TestEmbeddedReloadsKeepStreamsAndBars(t *testing.T) {
	t.Parallel()
	g := newGuest(t, "")
	streams := threeStreams(t, g.bed)
	f := startFlow(t, g.bed, 400, 1)
	same := g.config("", "")
	for range 5 { // the first ones also open what stays
		g.reload(same)
	}
	before := g.weigh()
	began := time.Now()
	for range 50 {
		g.reload(same)
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("50 reloads, each with a pause of 100 ms, took %s", time.Since(began).Round(time.Millisecond))
	after := g.lighter(before.goroutines+10, "50 reloads")
	t.Logf("goroutines %d before, %d after; heap %d KiB before, %d KiB after", before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
	if after.heap > before.heap+32<<20 { // an engine that stays holds more, and 50 would
		t.Errorf("a heap of %d KiB before, %d KiB after 50 reloads", before.heap>>10, after.heap>>10)
	}
	for _, c := range streams {
		if ends := c.endings(); len(ends) > 0 {
			t.Errorf("reloads ended a stream: %v", ends)
		}
	}
	finish(t, g.bed, f, streams)
}

// rejectAll loads five configurations that cannot start. Apps start in random
// order, so a port that is taken is found before our own start or behind it.
func (g *guest) rejectAll(busy string) {
	g.t.Helper()
	for config, want := range map[string]string{
		g.config("drain_timeout 5m", busy):                          "address already in use",
		g.config("drain_timeout 5m\n\t\tallowed_lateness 9s", busy): "address already in use",
		g.config("drain_timout 5m", ""):                             `unrecognized subdirective \"drain_timout\" (allowed: `,
		g.config("drain_timeout 5m\n\t\tintervals 7x", ""):          "7x",
		g.config("node {env.KLINE_UNSET_NAME}", ""):                 "KLINE_UNSET_NAME",
	} {
		if status, body := g.load(config); status != http.StatusBadRequest || !strings.Contains(body, want) {
			g.t.Fatalf("the reload was answered with %d %s, want 400 and %q", status, body, want)
		}
	}
	g.ready()
}

func TestEmbeddedRejectedReloadsChangeNothing(t *testing.T) {
	t.Parallel()
	g := newGuest(t, "drain_timeout 1s")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	streams := threeStreams(t, g.bed)
	f := startFlow(t, g.bed, 400, 2)
	busy := fmt.Sprintf("http://%s {\n\trespond ok\n}\n", taken.Addr())
	g.rejectAll(busy)
	before := g.weigh() // behind the first ones: the producer and its connections are up
	for range 10 {
		g.rejectAll(busy)
	}
	g.lighter(before.goroutines+10, "50 rejected reloads")
	for _, c := range streams {
		if ends := c.endings(); len(ends) > 0 {
			t.Errorf("rejected reloads ended a stream: %v", ends)
		}
	}
	finish(t, g.bed, f, streams)
	// The drain of the rejected configurations would take minutes.
	if err := g.node.Stop(patience); err != nil {
		t.Errorf("the settings of a rejected configuration are in use: %v", err)
	}
}

func TestEmbeddedChangedKeyHandsOver(t *testing.T) {
	t.Parallel()
	g := newGuest(t, "drain_timeout 500ms")
	streams := threeStreams(t, g.bed)
	f := startFlow(t, g.bed, 400, 3)
	const changes = 5
	for i := range changes {
		time.Sleep(1500 * time.Millisecond)
		g.reload(g.config(fmt.Sprintf("drain_timeout 500ms\n\t\tallowed_lateness %ds", 61+i), ""))
		g.ready()
		for n, c := range streams { // who is not back at the next change is not told of it
			if !eventually(func() bool { return c.back(i + 1) }) {
				t.Errorf("stream %d is not back behind change %d: %v", n, i+1, c.endings())
			}
		}
	}
	finish(t, g.bed, f, streams)
	for _, c := range streams {
		// A stream that came back between the old engine and the new one is
		// told twice; nothing else ends one.
		ends := c.endings()
		if slices.ContainsFunc(ends, func(how string) bool { return how != "drain" }) || len(ends) < changes {
			t.Errorf("%d changes of the key ended a stream by %v, want drain each time", changes, ends)
		}
	}
	// A new one is an engine of its own, with a hub that knows the whole log.
	late := stream(t, g.bed, "s=S0000@1s:kline", nil)
	if late.endings() != nil {
		t.Errorf("a stream behind the last change ended by %v", late.endings())
	}
}
