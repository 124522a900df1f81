package serve

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// away are the ways in which a store does not answer.
var away = map[string]func(*fakeStore){
	"fails":        func(s *fakeStore) { s.failWith(errors.New("secret-user: no route to host")) },
	"hangs":        func(s *fakeStore) { s.hang = make(chan struct{}) },
	"other symbol": func(s *fakeStore) { s.spoil = func(_ BarQuery, k *wire.KlineRecord) { k.Sym = "B" } },
	"no number":    func(s *fakeStore) { s.spoil = func(_ BarQuery, k *wire.KlineRecord) { k.C = []byte(`1,"x":2`) } },
	"no id":        func(s *fakeStore) { s.spoil = func(_ BarQuery, k *wire.KlineRecord) { k.FirstID = []byte(`{}`) } },
	"out of range": func(s *fakeStore) { s.spoil = func(q BarQuery, k *wire.KlineRecord) { k.T = q.To } },
	"no order":     func(s *fakeStore) { s.spoil = func(q BarQuery, k *wire.KlineRecord) { k.T = max(q.From, 60000) } },
}

func TestAStoreThatIsAwayIsSaidAndHidesNothing(t *testing.T) {
	for name, spoil := range away {
		t.Run(name, func(t *testing.T) {
			b := seamBed(20)
			b.h.SetStores([]Store{b.store}, StoreConfig{Timeout: 50 * time.Millisecond})
			spoil(b.store)
			_, text := b.get(t, "from=0&limit=5") // behind memory alone
			p := decode[struct {
				Type, Detail string
				Status       int
			}](t, text)
			if p.Status != 503 || !strings.HasSuffix(p.Type, CodeHistoryAway) || strings.Contains(text, "secret") {
				t.Errorf("behind memory: %s", text)
			}
			if _, text = b.get(t, "from=960000&limit=9"); !strings.Contains(text, CodeHistoryAway) {
				t.Errorf("across the seam, from the old end: %s", text)
			}
			a, text := b.get(t, "limit=9")
			if body := decode[deepBody](t, text); len(body.Bars) != 4 || len(body.Missing) != 1 || body.Missing[0][0] != nil || *body.Missing[0][1] != 17*minute {
				t.Errorf("the newest: %s", text)
			}
			if a.Source() != "memory" || a.MissingText() != "-1020000" || a.Cache != CacheLive {
				t.Errorf("the newest are from %q, missing %q, cache %v", a.Source(), a.MissingText(), a.Cache)
			}
			if a, _ = b.get(t, "limit=4"); a.Source() != "memory" || a.Missing != nil {
				t.Errorf("what memory holds is from %q, missing %v", a.Source(), a.Missing)
			}
		})
	}
}

// The log stands in for a store that is away, as far as it goes.
func TestTheLogStandsInForAStoreThatIsAway(t *testing.T) {
	b := seamBed(20)
	b.store.failWith(errors.New("away"))
	b.log.recs = b.all[8:] // minutes 9 and later
	a, text := b.get(t, "from=660000&limit=20")
	if body := decode[deepBody](t, text); len(body.Bars) != 10 || body.Missing != nil || a.Source() != "log, memory" {
		t.Errorf("%s from %s", text, a.Source())
	}
	if _, text = b.get(t, "from=300000&limit=20"); !strings.Contains(text, CodeHistoryAway) {
		t.Errorf("the log begins later: %s", text)
	}
	a, text = b.get(t, "limit=20")
	if body := decode[deepBody](t, text); len(body.Bars) != 12 || len(body.Missing) != 1 || *body.Missing[0][1] != 660000 {
		t.Errorf("%s from %s", text, a.Source())
	}
}

// A store that failed is left alone for a moment, and asked again afterwards.
func TestAStoreThatFailedRests(t *testing.T) {
	b := seamBed(20)
	b.store.failWith(errors.New("away"))
	for range 20 {
		b.get(t, "from=0&limit=5")
	}
	if n := b.store.asked.Load(); n != 1 {
		t.Errorf("a store that failed was asked %d times within its rest", n)
	}
	b.store.failWith(nil)
	fake(b.h).Advance(firstRest)
	if a, text := b.get(t, "from=0&limit=5"); a.Source() != "postgres" {
		t.Errorf("after the rest: %s", text)
	}
}

// Slow questions take up as many slots as there are; the others are answered at
// once, and those of memory never ask.
func TestASlowStoreHoldsUpNobodyElse(t *testing.T) {
	b := seamBed(20)
	b.store.hang = make(chan struct{})
	b.h.SetStores([]Store{b.store}, StoreConfig{Timeout: time.Minute, Parallel: 2})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { b.get(t, "from=0&limit=5") })
	}
	for b.store.open.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	busy := make(chan string)
	go func() {
		_, text := b.get(t, "from=0&limit=5")
		busy <- text
	}()
	for waiting := true; waiting; {
		if a, _ := b.get(t, "limit=4"); a.Source() != "memory" {
			t.Error("memory was not asked")
		}
		fake(b.h).Advance(queueTime)
		select {
		case text := <-busy:
			if !strings.Contains(text, CodeHistoryAway) || !strings.Contains(text, "busy") {
				t.Errorf("the third one: %s", text)
			}
			waiting = false
		case <-time.After(5 * time.Millisecond):
		}
	}
	close(b.store.hang)
	all.Wait()
	if n := b.store.most.Load(); n != 2 {
		t.Errorf("%d questions at a time, want 2", n)
	}
}

// A client that goes away says nothing about the store.
func TestAClientThatLeavesIsNoFailureOfTheStore(t *testing.T) {
	b := seamBed(20)
	b.store.hang = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for b.store.open.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	q := KlinesQuery{Symbol: "A", Interval: "1m", Format: FormatNative, Range: Range{HasFrom: true, Limit: 5}}
	if _, err := b.h.Klines(ctx, q); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(b.store.hang)
	if a, text := b.get(t, "from=0&limit=5"); a.Source() != "postgres" {
		t.Errorf("the next one: %s", text)
	}
}

// The second database answers while the first does not.
func TestTheNextStoreAnswers(t *testing.T) {
	b := seamBed(20)
	second := newFakeStore()
	second.name = "clickhouse"
	second.take(b.all...)
	b.h.SetStores([]Store{b.store, second}, StoreConfig{Timeout: time.Minute})
	if a, _ := b.get(t, "from=0&limit=5"); a.Source() != "postgres" {
		t.Errorf("both are there: %q", a.Source())
	}
	b.store.failWith(errors.New("away"))
	if a, _ := b.get(t, "from=0&limit=50"); a.Source() != "clickhouse, memory" || a.Missing != nil {
		t.Errorf("the first is away: %q %v", a.Source(), a.Missing)
	}
}
