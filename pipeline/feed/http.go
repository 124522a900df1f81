package feed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// HTTPConfig describes an HTTP feed.
type HTTPConfig struct {
	Live
	// Period is how often each symbol is asked for, give or take a tenth.
	// Default: 1 s.
	Period time.Duration
	// Parallel is how many requests run at once. Default: 8.
	Parallel int
}

// HTTP polls symbols for their trades. Of several nodes one asks for a symbol;
// a restart goes on behind the last trade on the topic.
type HTTP struct {
	*live
	cfg HTTPConfig

	fetch *fetcher
	out   *delivery
	turns *turns
	lease *leases
	beats *beats
}

// NewHTTP checks the configuration. It opens nothing.
func NewHTTP(cfg HTTPConfig) (*HTTP, error) {
	l, err := newLive(cfg.Live)
	if err != nil {
		return nil, err
	}
	if err := l.Fetch.complete(l.venue.REST); err != nil {
		return nil, err
	}
	switch {
	case l.Fetch.Base == "":
		return nil, fmt.Errorf("configuring feed http: the format %s has no address of its own: add `url <address>`", l.venue.Name)
	case l.venue.Name != "generic" && l.venue.Page == "":
		return nil, fmt.Errorf("configuring feed http: the format %s has no answers over HTTP", l.venue.Name)
	case cfg.Period < 0 || cfg.Parallel < 0:
		return nil, errors.New("configuring feed http: period and parallel must not be negative")
	}
	setDefault(&cfg.Period, time.Second)
	setDefault(&cfg.Parallel, 8)
	return &HTTP{live: l, cfg: cfg}, nil
}

// Name is the source of the trades.
func (h *HTTP) Name() string { return h.SourceName }

// Run polls until ctx ends.
func (h *HTTP) Run(ctx context.Context, out Topic) (err error) {
	h.begin()
	if h.fetch, err = newFetcher(h.live, out.Shared()); err != nil {
		return err
	}
	defer h.fetch.proxies.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if h.out, err = openDelivery(ctx, h.live, out); err != nil {
		return err
	}
	defer h.out.close() //nolint:errcheck // every batch in it was synced
	defer cancel()      // before close, which waits for the drain
	h.turns = newTurns(h.Clock)
	h.beats = newBeats(h.live, out, h.out)
	h.lease = newLeases(h.live, out.Shared(), h.Symbols, func(ctx context.Context, got []string) error { return h.gained(ctx, out, got) })
	defer h.lease.release()
	return h.all(ctx, cancel)
}

// all runs the goroutines of the feed and returns the first error of one.
func (h *HTTP) all(ctx context.Context, cancel context.CancelFunc) error {
	var (
		mu      sync.Mutex // protects first
		first   error
		handles []*safego.Handle
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil && err != nil && !errors.Is(err, context.Canceled) {
			first = err
		}
		cancel()
	}
	start := func(f func(context.Context) error) {
		handles = append(handles, safego.Go("feed http", fail, func() { fail(f(ctx)) }))
	}
	start(h.lease.keep)
	start(h.beatAll)
	start(func(ctx context.Context) error { h.beats.run(ctx); return nil })
	for range h.cfg.Parallel {
		start(h.work)
	}
	for _, one := range handles {
		one.Wait()
	}
	mu.Lock()
	defer mu.Unlock()
	return first
}

// gained looks up where symbols stand that are this node's now, and gives them
// their turns, spread over a period.
func (h *HTTP) gained(ctx context.Context, out Topic, symbols []string) error {
	last, err := h.lookup(ctx, out, symbols)
	if err != nil {
		return err
	}
	now := h.Clock.Now()
	for i, s := range symbols {
		t := &turn{symbol: s, due: now.Add(h.cfg.Period * time.Duration(i) / time.Duration(len(symbols)))}
		if l, found := last[s]; found {
			t.cursor.seed(l)
		}
		h.turns.add(t)
	}
	return nil
}

// work takes one turn after the other.
func (h *HTTP) work(ctx context.Context) error {
	p, err := newPuller(h.live, h.fetch, h.out)
	if err != nil {
		return err
	}
	for {
		t, err := h.turns.next(ctx)
		if err != nil {
			return err
		}
		if h.one(ctx, p, t) {
			h.turns.add(t)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// one asks for one symbol, and returns false when it is another node's now. No
// request outlives the lock of its symbol. What was answered does: a topic that
// is away for longer than a lock must not keep trades from the disk.
func (h *HTTP) one(ctx context.Context, p *puller, t *turn) bool {
	fence, until := h.lease.held(t.symbol)
	began := h.Clock.Now()
	if fence == 0 || !began.Before(until) {
		h.lease.lost(t.symbol)
		h.beats.forget(t.symbol)
		return false
	}
	asking, cancel := context.WithTimeout(ctx, until.Sub(began))
	defer cancel()
	done, err := p.pull(ctx, asking, t.symbol, &t.cursor, fence)
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil && errors.Is(err, asking.Err()) && !errors.As(err, new(*fetchError)):
		// The lock ends, and the venue has not failed. One that throttles or hangs
		// takes all the time there is, too, and has.
	case err != nil:
		t.failures++
		if t.failures == 1 || t.failures&(t.failures-1) == 0 {
			h.Log.Warn("a symbol cannot be asked for", "source", h.SourceName, "symbol", t.symbol, "failures", t.failures, "error", err)
		}
		h.beats.failed(t.symbol, t.failures)
		h.trouble(err.Error())
	default:
		if t.failures > 0 {
			h.trouble("")
		}
		t.failures = 0
		if done {
			h.beats.reached(t.symbol, began, t.cursor.eventNS/nanosPerMilli)
		}
	}
	t.due = h.due(began, done || err != nil)
	return true
}

// due is the next turn: at once for who has more to ask for, else after a
// period, give or take a tenth, so that nodes and symbols do not march in step.
func (h *HTTP) due(began time.Time, done bool) time.Time {
	if !done {
		return h.Clock.Now().Add(h.cfg.Period / 20)
	}
	next := began.Add(h.cfg.Period*9/10 + rand.N(h.cfg.Period/5+1))
	if now := h.Clock.Now(); next.Before(now) {
		return now
	}
	return next
}

func (h *HTTP) beatAll(ctx context.Context) error {
	for {
		if err := sleep(ctx, h.Clock, beatTime); err != nil {
			return err
		}
		n := h.lease.count()
		h.note(func(r *Report) { r.Symbols = n })
		h.beats.tell(n == len(h.Symbols), h.cfg.Period)
	}
}
