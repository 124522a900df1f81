package serve

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// largeBundle is a hub, and a query whose answer is built in turn.
func largeBundle(t *testing.T) (*Hub, BundleQuery) {
	t.Helper()
	cfg := testConfig(1)
	cfg.Clock = clock.Real()
	h := NewHub(cfg)
	h.Loaded()
	var syms []string
	for k := range int64(8) {
		syms = append(syms, fmt.Sprint("S", k))
		for i := range int64(1000) {
			n := k*1000 + i
			h.Apply(0, []Record{testBar(syms[k], i+1, i+1).record(n, n, 0)})
		}
	}
	q, p := h.ParseBundle(t.Context(), map[string][]string{"s": {strings.Join(syms, ",") + "@1m:kline,ema(3)"}, "limit": {"5000"}}, 0)
	if p != nil {
		t.Fatal(p)
	}
	return h, q
}

// building is a bundle that is being built until it may go on.
type building struct {
	inside bool
	goOn   chan struct{}
	done   chan error
}

// build begins to build a bundle for a client.
func build(ctx context.Context, h *Hub, q BundleQuery, client string) *building {
	b := &building{goOn: make(chan struct{}), done: make(chan error, 1)}
	q.Selection.Client = client
	q.Selection.Reserve = func(int) error {
		b.inside = true
		<-b.goOn
		return nil
	}
	go func() {
		_, err := h.Bundle(ctx, q, "")
		b.done <- err
	}()
	synctest.Wait()
	return b
}

func (b *building) end() error {
	close(b.goOn)
	return <-b.done
}

func TestOneLargeBundleOfAClientIsBuiltAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, q := largeBundle(t)
		first, second := build(t.Context(), h, q, "a"), build(t.Context(), h, q, "a")
		if !first.inside || second.inside {
			t.Fatalf("the first is built: %v, the second: %v", first.inside, second.inside)
		}
		small := q
		small.Limit = 10
		if tiny := build(t.Context(), h, small, "a"); !tiny.inside || tiny.end() != nil {
			t.Error("a small bundle waits")
		}
		if err := first.end(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !second.inside || second.end() != nil {
			t.Error("the second is not built after the first")
		}
		if len(h.builds.clients) != 0 || len(h.builds.all.taken) != 0 {
			t.Errorf("%v and %d slots are still taken", h.builds.clients, len(h.builds.all.taken))
		}
	})
}

func TestLargeBundlesLeaveHalfOfTheProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, q := largeBundle(t)
		most := max(1, runtime.GOMAXPROCS(0)/2)
		var all []*building
		inside := 0
		for i := range most + 2 {
			all = append(all, build(t.Context(), h, q, fmt.Sprint("client", i)))
			if all[i].inside {
				inside++
			}
		}
		if inside != most {
			t.Errorf("%d bundles are built at a time, want %d", inside, most)
		}
		for _, b := range all {
			if err := b.end(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestALargeBundleWaitsForItsTurnNotLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, q := largeBundle(t)
		first, second := build(t.Context(), h, q, "a"), build(t.Context(), h, q, "a")
		gone, hangUp := context.WithCancel(t.Context())
		third := build(gone, h, q, "a")
		hangUp()
		if err := <-third.done; !errors.Is(err, context.Canceled) {
			t.Errorf("a client that has gone: %v", err)
		}
		began := time.Now()
		var p *Problem
		if err := <-second.done; !errors.As(err, &p) || p.Status != 503 || p.Code != CodeBusy || p.RetryAfter == 0 || time.Since(began) != buildQueue {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := first.end(); err != nil {
			t.Fatal(err)
		}
		if len(h.builds.clients) != 0 || len(h.builds.all.taken) != 0 {
			t.Errorf("%v and %d slots are still taken", h.builds.clients, len(h.builds.all.taken))
		}
	})
}

// The wait for the client's own slot and that for one of all are one wait.
func TestALargeBundleWaitsForBothTurnsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, q := largeBundle(t)
		var inside []*building
		for i := range max(1, runtime.GOMAXPROCS(0)/2) {
			inside = append(inside, build(t.Context(), h, q, fmt.Sprint("client", i)))
		}
		began := time.Now()
		again, other := build(t.Context(), h, q, "client0"), build(t.Context(), h, q, "other")
		time.Sleep(buildQueue / 2)
		if err := inside[0].end(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if again.inside || !other.inside {
			t.Fatalf("who waits for the second slot is built: %v, who came before: %v", again.inside, other.inside)
		}
		var p *Problem
		if err := <-again.done; !errors.As(err, &p) || p.Code != CodeBusy || time.Since(began) != buildQueue {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		for _, b := range append(inside[1:], other) {
			if err := b.end(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A log that answers slowly must not hold up bundles that need none of it.
func TestABundleThatReadsBehindMemoryLeavesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, q := largeBundle(t)
		read, goOn := false, make(chan struct{})
		h.SetArchive(&awayLog{read: func(context.Context) error {
			read = true
			<-goOn
			return nil
		}})
		for i := range int64(500) { // bars of S0 leave memory
			n := 8000 + i
			h.Apply(0, []Record{testBar("S0", 1001+i, 1001+i).record(n, n, 0)})
		}
		slow := build(t.Context(), h, q, "a")
		close(slow.goOn)
		synctest.Wait()
		if !read {
			t.Fatal("the log was not read")
		}
		q.Limit = 900
		fast := build(t.Context(), h, q, "a")
		if !fast.inside {
			t.Error("a bundle of memory waits for the log")
		}
		if err := fast.end(); err != nil {
			t.Error(err)
		}
		close(goOn)
		if err := <-slow.done; err != nil {
			t.Error(err)
		}
	})
}
