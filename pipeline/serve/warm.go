package serve

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// leadTime bounds what a request waits for bars in front of memory, for all its
	// series together: without them it is answered with what memory gives.
	leadTime = 2 * time.Second
	// leadRest is how long none are read after they could not be: a log that is away
	// must not hold up each answer from memory.
	leadRest = 5 * time.Second
)

// warmAll sees to it that the rows of a range have values although memory begins right
// before them, where the log or a database holds the bars that these are computed from.
// Where they cannot be had in time the rows stay as they are: without values, or with
// some that are not marked stable. paged ranges are completed from behind memory anyway
// where a database is there, or where they reach behind it.
func (h *Hub) warmAll(ctx context.Context, pairs []Pair, q *Range, paged bool) {
	if paged && h.storing() {
		return
	}
	var cold []place
	for i := range pairs {
		p := &pairs[i]
		g := h.find(p.Symbol, p.Interval)
		if g == nil || paged && h.needsLog(g, q) {
			continue
		}
		for _, n := range p.inds {
			if x := h.cold(g, n, q); x != nil {
				cold = append(cold, place{g, n, x})
			}
		}
	}
	h.warm(ctx, cold, leadTime)
}

// newestBars are the newest n closed bars, one at least.
func newestBars(n int) *Range { return &Range{Limit: max(n, 1), Closed: true} }

// warm computes the places anew from bars in front of memory, for at most about so long.
func (h *Hub) warm(ctx context.Context, cold []place, limit time.Duration) {
	if len(cold) == 0 {
		return
	}
	// A store that takes longer has not failed: to its gate the client seems to have gone.
	bounded, cancel := context.WithTimeoutCause(ctx, limit, context.Canceled)
	defer cancel()
	bounded = context.WithValue(bounded, logTimeKey{}, &logLeft{queue: limit, read: limit})
	had := false
	for i, p := range cold {
		if i == 0 || cold[i-1].g != p.g {
			err := h.readLead(bounded, p.g)
			had = had || err == nil
			if !had && ctx.Err() == nil && !errors.Is(err, errSeam) {
				h.resting.Store(h.now() + leadRest.Milliseconds())
			}
		}
		if ctx.Err() != nil {
			return
		}
		h.warmOne(ctx, p)
	}
}

// storing tells whether databases are read.
func (h *Hub) storing() bool {
	gates := h.stores.Load()
	return gates != nil && len(*gates) > 0
}

// cold returns instance n of g where the oldest row of a range, or the newest of all, was
// computed from fewer bars than it takes and there may be more of them; else nil.
func (h *Hub) cold(g *group, n int, q *Range) *extra {
	if !h.isDynamic(n) {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	g.mu.RLock()
	defer g.mu.RUnlock()
	x, bars := g.extras[n], g.bars.len()
	if x == nil || bars == 0 || x.lapsed.Load() {
		return nil
	}
	need, have := leadBars(x.meta.Load()), len(g.lead.bars)
	w := g.window(q)
	row, _ := x.values.rows.find(g.bars.at(min(w.i, bars-1)))
	if rowFlags(row)&(wire.FlagStable|wire.FlagError|wire.FlagQuarantined) != 0 {
		return nil
	}
	if x.lead < min(have, need) || have < need && h.leadable(g) {
		return x
	}
	return nil
}

// warmOne computes the rows of p anew that were computed from too few bars, as one of few
// readers at a time that have a guest compute.
func (h *Hub) warmOne(ctx context.Context, p place) {
	if _, known := h.configured(p.n); !known {
		if h.fills.enter(ctx, fillTime, errFillBusy) != nil {
			return
		}
		defer h.fills.leave()
	}
	for try := 0; try < fillTries && ctx.Err() == nil; try++ {
		seen, over, v := p.lukewarm()
		if over.lead == 0 {
			return
		}
		f, err := h.computeOver(v, p.g.ms, over, fillTime)
		if err == nil {
			err = f.state.err
		}
		if err != nil {
			if !errors.Is(err, ErrTooSlow) { // memory alone may not be too much for it
				h.fault(v.program, p.g, err)
			}
			p.giveUp(over.lead)
			return
		}
		if h.adopt(p, seen, f) {
			return
		}
	}
}

// giveUp has rows not computed again from that many bars in front of memory.
func (p *place) giveUp(lead int) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.x.lead = lead
}

// lukewarm is what the rows of p are to be computed from up to the first one that is
// stable; nothing without bars in front of memory.
func (p *place) lukewarm() (seen point, over stretch, v *version) {
	p.g.mu.RLock()
	defer p.g.mu.RUnlock()
	v = p.x.dyn.at(p.g.lastT)
	if over = p.g.stretch().enough(v.program.Meta()); p.x.lead >= over.lead {
		return seen, stretch{}, nil
	}
	if i := p.x.values.rows.firstStable(); i < p.x.values.rows.len() {
		j, _ := slices.BinarySearchFunc(over.bars, p.x.values.rows.at(i), openOrder)
		over.bars = over.bars[:j]
	}
	return p.g.at, over, v
}

// firstStable is the number of the first row with a stable value; that of the rows if
// there is none.
func (r *rows) firstStable() int {
	for i := range r.n {
		if rowFlags(r.row(i))&wire.FlagStable != 0 {
			return i
		}
	}
	return r.n
}

// adopt shows the rows of f, unless the bars have changed since seen. A value that was
// stable stays what it was, and with it the state that goes on: nobody who has seen it
// sees another. Where none is, the state of f goes on, and streams are told the series
// anew; so they are where their snapshots had less.
func (h *Hub) adopt(p place, seen point, f *filled) bool {
	var old endings
	defer old.close()
	g, x := p.g, p.x
	turn := h.turn(h.partitionOf(g))
	turn.Lock()
	defer turn.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	g.mu.Lock()
	if over := g.extras[p.n] != x || x.lapsed.Load(); over || g.at != seen || x.state.version != f.state.version {
		over = over || g.at == seen // another version computes it soon
		g.mu.Unlock()
		old.add(f.state)
		return over
	}
	x.dropNexts(len(x.nexts), &old) // they were computed from as few bars
	anew := f.state.last == g.lastT
	again := anew || g.bars.len()-x.back < g.bars.search(f.state.last+1)
	if anew {
		x.end(&old)
		x.put(g, h.cfg.Intervals[g.itv], f)
	} else {
		old.add(f.state)
		x.warmUp(f)
	}
	if again {
		x.series.floor = h.behindAll(g)
	}
	h.weigh(g)
	g.mu.Unlock()
	if again && len(x.series.subs) > 0 {
		h.tellAnew(x)
	}
	h.wakes.tend()
	h.wakes.preview(g)
	return true
}

// warmUp puts rows that were computed from more bars into those that are shown. The caller
// holds all locks.
func (x *extra) warmUp(f *filled) {
	for i := range f.rows.len() {
		x.values.rows.put(f.rows.at(i), f.rows.row(i))
	}
	x.lead = f.lead
}

// warmListened computes anew what streams have been shown without values, where bars in
// front of memory could not be read until now.
func (h *Hub) warmListened(ctx context.Context) {
	var cold []place
	for _, p := range h.places() {
		if back := h.listenedBack(p.x); back >= 0 && h.cold(p.g, p.n, newestBars(back)) != nil {
			cold = append(cold, p)
		}
	}
	h.warm(ctx, cold, logTime)
}

// listenedBack is how many bars streams of x have had in a snapshot, -1 without a stream.
func (h *Hub) listenedBack(x *extra) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(x.series.subs) == 0 {
		return -1
	}
	return x.back
}
