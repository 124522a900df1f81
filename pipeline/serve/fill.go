package serve

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// fillTime is how long a request waits for a program at most.
	fillTime = 2 * time.Second
	// fillTries is how often the bars may change under a fill.
	fillTries = 20
)

// errChanging: a series changes faster than its values are computed.
var errChanging = errors.New("computing on demand: the bars change faster than the indicator is computed")

// turn is the lock of a partition: whoever holds it is the only one that
// changes closed bars of the partition and the states computed from them.
// Guests run under it, so nothing that a worker or a stream needs waits for it.
func (h *Hub) turn(p int32) *sync.Mutex { return &h.turns[max(p, 0)%int32(len(h.turns))] }

// ensure computes the instances on demand among inds for a series, so that a
// read or a snapshot finds them.
func (h *Hub) ensure(ctx context.Context, sym, itv string, inds []int) error {
	for _, n := range inds {
		if !h.isDynamic(n) {
			continue
		}
		g := h.find(sym, itv)
		if g == nil {
			if g = h.begin(sym, itv); g == nil {
				return nil // a symbol that nobody has traded
			}
		}
		if h.dyn.extras.Load() >= maxExtras && !g.computes(n) {
			return &Problem{Status: 429, Code: CodeTooMany, Param: "ind", Value: echo(h.meta(n).Name), Limit: maxExtras,
				Detail: "too many series are computed on demand just now; try again later"}
		}
		if err := h.fill(ctx, g, n, false); err != nil {
			return notNow(h.meta(n).Name, err)
		}
	}
	return nil
}

// notNow is the answer for a client whose indicator could not be computed.
func notNow(name string, err error) error {
	switch {
	case errors.Is(err, ErrTooSlow):
		return &Problem{Status: 503, Code: CodeTooSlow, Param: "ind", Value: echo(name),
			Detail: "the indicator takes longer than " + fillTime.String() + " for the bars in memory"}
	case errors.Is(err, errChanging):
		return &Problem{Status: 503, Code: CodeTooSlow, Param: "ind", Value: echo(name), Detail: "the bars change faster than the indicator is computed; try again"}
	}
	return err
}

// ensureAll is ensure for the series of one request.
func (h *Hub) ensureAll(ctx context.Context, sel *Selection) error {
	for i := range sel.Pairs {
		p := &sel.Pairs[i]
		if err := h.ensure(ctx, p.Symbol, p.Interval, p.inds); err != nil {
			return err
		}
	}
	return nil
}

// computes tells whether instance n is there.
func (g *group) computes(n int) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.extras[n] != nil
}

// whole tells whether the rows of instance n begin where the bars do and go to
// the newest.
func (g *group) whole(n int) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	x := g.extras[n]
	if x == nil || x.lapsed.Load() {
		return false
	}
	r := &x.values.rows
	return g.bars.len() == 0 || r.len() > 0 && r.at(0) <= g.bars.at(0)
}

// fill computes instance n over the bars in memory and installs it. With anew
// it does so for listeners, who are told to start the series anew.
func (h *Hub) fill(ctx context.Context, g *group, n int, anew bool) error {
	if !anew && g.whole(n) {
		g.extraUsed(n, h.now())
		return nil
	}
	for range fillTries {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.mu.RLock()
		seen, bars, lastT := g.at, g.closedBars(), g.lastT
		g.mu.RUnlock()
		now := h.dynamic(n).at(lastT)
		f, err := h.compute(now, g.ms, bars, fillTime)
		if err != nil {
			return err
		}
		if f.state.err != nil {
			h.fault(now.program, g, f.state.err)
		}
		if f.state.count == 0 {
			f.state.last = lastT // its bars left memory: a gap is not to be seen as one
		}
		if h.install(g, n, seen, f) {
			return nil
		}
		f.state.close()
	}
	return errChanging
}

// extraUsed notes a read.
func (g *group) extraUsed(n int, now int64) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if x := g.extras[n]; x != nil {
		x.used.Store(now)
		x.dyn.used.Store(now)
	}
}

// install makes f what is shown of instance n, unless the bars have changed
// since seen.
func (h *Hub) install(g *group, n int, seen point, f *filled) bool {
	var old endings
	defer old.close()
	turn := h.turn(h.partitionOf(g))
	turn.Lock()
	defer turn.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	g.mu.Lock()
	x, told := g.extras[n], false
	if g.at != seen || h.dynamic(n).at(g.lastT) != f.state.version {
		g.mu.Unlock()
		return false
	}
	if x == nil {
		x = g.newExtra(n, h.dynamic(n), g.at)
		h.dyn.extras.Add(1)
		h.computed[g] = struct{}{}
	} else {
		told = x.lapsed.Load() && len(x.series.subs) > 0
		x.end(&old)
	}
	x.put(g, h.cfg.Intervals[g.itv], f)
	x.used.Store(h.now())
	h.weigh(g)
	g.mu.Unlock()
	if told && g.symbol.p >= 0 {
		h.enc.partition(h.cfg.LogID, h.at, int(g.symbol.p))
		h.publishReset(&x.series, h.at[g.symbol.p])
		h.commit()
	}
	h.wakes.preview(g)
	return true
}

// put installs f. The caller holds all locks.
func (x *extra) put(g *group, itv string, f *filled) {
	x.begin(f.state)
	x.values = valueRows{rows: f.rows}
	if i := g.bars.len(); i > 0 && f.state.count > 0 {
		k := wire.KlineRecord{Sym: g.symbol.name, Itv: itv, T: f.state.last, Final: true}
		k.Rev, k.Seq = rowRevision(g.bars.row(i - 1))
		f.newest.Seq = k.Seq
		x.values.seq = k.Seq
		x.values.closed = appendValue(nil, f.state.meta, &k, &f.newest)
	}
}

// partitionOf is where the symbol of g is, -1 if nowhere yet.
func (h *Hub) partitionOf(g *group) int32 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return g.symbol.p
}

// fault tells the computer that a program failed on a series.
func (h *Hub) fault(p Program, g *group, err error) {
	if c, ok := h.dyn.computer.(Faults); ok {
		c.Fault(p, g.symbol.name, h.cfg.Intervals[g.itv], err)
	}
}
