package serve

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// queueTime is how long a question waits for its turn.
	queueTime = 500 * time.Millisecond
	// firstRest and longestRest bound how long a store that failed is left alone.
	firstRest, longestRest = time.Second, 15 * time.Second
)

var (
	// errResting: the store failed a moment ago and is left alone.
	errResting = errors.New("asking the store: it failed a moment ago")
	// errBusy: others ask already.
	errBusy = errors.New("asking the store: too many others do at the same time")
)

// gate is the way to one store. It bounds how many ask at a time and for how
// long, and leaves a store alone that failed: requests that come meanwhile are
// answered at once from what there is.
type gate struct {
	store Store
	id    int64 // differs from that of every other gate, also of the same name, of the hub; above 0
	cfg   StoreConfig
	clock clock.Clock
	slots slots

	mu       sync.Mutex // protects the rest
	failures int
	until    time.Time // the end of the rest
}

func newGate(s Store, id int64, cfg StoreConfig, c clock.Clock) *gate {
	return &gate{store: s, id: id, cfg: cfg, clock: c, slots: newSlots(cfg.Parallel, c)}
}

// ask puts one question. The error is for the operator.
func (g *gate) ask(ctx context.Context, q BarQuery, fn func(*wire.KlineRecord) error) error {
	if g.resting() {
		return errResting
	}
	if err := g.slots.enter(ctx, queueTime, errBusy); err != nil {
		return err
	}
	defer g.slots.leave()
	began := g.clock.Now()
	err := g.store.Bars(ctx, q, fn)
	if err == nil {
		err = ctx.Err() // a store that was cut short may not have noticed
	}
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return err // the client has gone: that says nothing about the store
	}
	g.took(err)
	if g.cfg.Observer != nil {
		g.cfg.Observer.StoreRead(g.store.Name(), g.clock.Now().Sub(began), err)
	}
	return err
}

// slots bound how many do something at a time.
type slots struct {
	taken chan struct{}
	clock clock.Clock
}

func newSlots(n int, c clock.Clock) slots { return slots{make(chan struct{}, n), c} }

// enter waits for a slot, for so long at most: the error is busy then.
func (s *slots) enter(ctx context.Context, wait time.Duration, busy error) error {
	select {
	case s.taken <- struct{}{}:
		return nil
	default:
	}
	timer := s.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.taken <- struct{}{}:
		return nil
	case <-timer.C():
		return busy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slots) leave() { <-s.taken }

func (g *gate) resting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.clock.Now().Before(g.until)
}

// took takes note of how a question ended.
func (g *gate) took(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.failures, g.until = 0, time.Time{}
		return
	}
	rest := min(firstRest<<min(g.failures, 4), longestRest)
	g.failures++
	g.until = g.clock.Now().Add(rest)
}
