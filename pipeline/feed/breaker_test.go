package feed

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func fails(b *breaker, n int) {
	for range n {
		b.saw(&fetchError{reason: reasonTimeout, retry: true, err: errors.New("no answer")})
	}
}

// A limit that other nodes use up makes the probe wait: it must still be the
// probe afterwards.
func TestAProbeThatWaitsForTheLimitDoesNotWaitForItself(t *testing.T) {
	c := clock.NewFake(time.Unix(1_700_000_000, 0))
	b := &breaker{clock: c}
	fails(b, breakAfter)
	if got := b.wait(); got != firstBreak {
		t.Fatalf("%s", got)
	}
	c.Advance(firstBreak)
	for range 10 {
		if got := b.wait(); got != 0 {
			t.Fatalf("nobody asks, and the breaker is open for %s", got)
		}
		c.Advance(50 * time.Millisecond) // the limit said no
	}
	if !b.enter() {
		t.Fatal("there is no probe")
	}
	if b.enter() || b.wait() == 0 {
		t.Error("two probes at once")
	}
	b.saw(nil)
	if !b.enter() || b.wait() != 0 {
		t.Error("the venue answers and the breaker is open")
	}
}

// Requests that end because their lock does say nothing about the venue.
func TestRequestsThatWeEndDoNotCountAgainstTheVenue(t *testing.T) {
	e, out := newExchange(t), newLog(t)
	l, err := newLive(e.config(newCounts()))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Fetch.complete(""); err != nil {
		t.Fatal(err)
	}
	f, err := newFetcher(l, out.Shared())
	if err != nil {
		t.Fatal(err)
	}
	defer f.proxies.close()
	for range 2 * breakAfter {
		ctx, cancel := context.WithCancel(t.Context())
		e.onPage(func() { cancel() })
		if _, err := f.get(ctx, e.server.URL+"/api/v3/historicalTrades?symbol=A&limit=1"); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
	}
	if !f.breaker.enter() {
		t.Errorf("the breaker opened after %d requests that were taken back", 2*breakAfter)
	}
}
