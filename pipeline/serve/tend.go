package serve

import (
	"context"
	"time"
)

// tendEvery is how often what is on demand is looked after.
const tendEvery = 5 * time.Second

// Tend looks after the instances on demand until ctx ends: it computes anew what
// has lapsed, prepares versions that are to take over, and forgets what nobody
// looks at.
func (h *Hub) Tend(ctx context.Context) {
	ticker := h.cfg.Clock.NewTicker(tendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-h.wakes.lapsed:
			h.mend(ctx)
		case <-ticker.C():
			h.mend(ctx)
			h.warmListened(ctx)
			h.forgetIdle()
		case <-ctx.Done():
			return
		}
	}
}

// place is an instance on demand on a group.
type place struct {
	g *group
	n int
	x *extra
}

// places lists what is computed on demand.
func (h *Hub) places() []place {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []place
	for g := range h.computed {
		for n, x := range g.extras {
			out = append(out, place{g, n, x})
		}
	}
	return out
}

// mend computes anew what has lapsed, and prepares what takes over.
func (h *Hub) mend(ctx context.Context) {
	for _, p := range h.places() {
		if ctx.Err() != nil {
			return
		}
		if h.partitionOf(p.g) < 0 {
			continue // nothing to compute, and the turn of the first bar is not known
		}
		if p.x.lapsed.Load() {
			if err := h.fill(ctx, p.g, p.n); err != nil {
				h.abandon(p, err)
			}
			continue
		}
		h.prepare(ctx, p)
	}
}

// abandon gives up a series whose program is too slow for it: its values are
// null, with the flag of an error, until somebody looks anew.
func (h *Hub) abandon(p place, err error) {
	p.g.mu.RLock()
	seen, v := p.g.at, p.x.dyn.at(p.g.lastT)
	p.g.mu.RUnlock()
	h.fault(v.program, p.g, err)
	f := &filled{state: &running{version: v, program: v.program, meta: v.program.Meta(), seed: never, last: never}}
	f.state.fail(err)
	h.install(p.g, p.n, seen, f)
}

// forgetIdle ends what nobody has listened to or read for a while.
func (h *Hub) forgetIdle() {
	now := h.now()
	before := now - idleAfter.Milliseconds()
	for _, p := range h.places() {
		if p.x.used.Load() < before {
			h.forget(p)
		} else if h.listened(p.x) {
			p.x.used.Store(now)
			p.x.dyn.used.Store(now)
		}
	}
	h.dischargeIdle(before)
	h.dyn.sweep(before, now)
}

func (h *Hub) listened(x *extra) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(x.series.subs) > 0
}

// forget ends one series on demand, unless somebody listens. That of a symbol that
// nobody has traded waits for a stream, with which it goes.
func (h *Hub) forget(p place) {
	var old endings
	defer old.close()
	partition := h.partitionOf(p.g)
	if partition < 0 {
		return // its first bar would be in the turn of a partition that nobody knows yet
	}
	turn := h.turn(partition)
	turn.Lock()
	defer turn.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if len(p.x.series.subs) > 0 || p.g.extras[p.n] != p.x {
		return
	}
	p.x.end(&old)
	h.displace(p)
}
