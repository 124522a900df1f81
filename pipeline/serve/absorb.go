package serve

import (
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// A log may be far longer than what readers need at once, so a Hub may begin to
// follow it near its end. What stands before is read piece by piece, the newest
// first, into other hubs, and absorbed: readers see series grow to the past.

// Partial says whether the log was followed from near its end, and what is
// before it has not been absorbed yet.
func (h *Hub) Partial(partial bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.partial.Store(partial)
	if !partial {
		h.unplaced = nil
	}
}

// Sibling makes an empty hub for a piece of the same log.
func (h *Hub) Sibling() *Hub {
	h.mu.RLock()
	cfg := h.cfg
	h.mu.RUnlock()
	cfg.RingBytes = 1 // nobody resumes from it
	s := NewHub(cfg)
	s.partial.Store(true)
	return s
}

// Absorb takes over what stands in a piece of the log right before everything
// that h has followed or absorbed. old is h's from then on.
func (h *Hub) Absorb(old *Hub) {
	h.mu.RLock()
	later := slices.Clone(h.unplaced)
	h.mu.RUnlock()
	// In the order of the log: they changed the rows of this piece, and those of
	// h have changed since.
	for i := range later {
		old.redo(&later[i])
	}
	for _, s := range old.symbols {
		h.absorbSymbol(s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unplaced = append(old.unplaced, h.unplaced...)
	for p := range h.parts { // nothing may have been followed yet, or markers alone
		h.parts[p].end = max(h.parts[p].end, old.parts[p].end)
	}
	h.bound()
}

// absorbSymbol holds the lock for one symbol only: streams go on in between.
func (h *Hub) absorbSymbol(old *symbol) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.symbolOf(old.name)
	if !h.owns(s, old.p) {
		return
	}
	for i, from := range old.groups {
		if from == nil {
			continue
		}
		g := h.groupOf(s, i)
		g.mu.Lock()
		if g.absorb(from) {
			g.pos = h.id
		}
		h.weigh(g)
		g.mu.Unlock()
		g.seq = max(g.seq, from.seq)
	}
}

// absorb puts the rows of an older piece in front, behind what either has given up: its
// rows before that are no neighbours of those in memory. It reports whether g was empty
// before and has its newest bar from there.
func (g *group) absorb(old *group) (all bool) {
	all = g.lastT == never
	if old.left.any {
		g.trim(g.bars.len() - g.bars.search(old.left.gone+1)) // some were restated in front of a bar that is gone
	}
	g.lead.forget()
	low := never
	if g.left.any {
		low = g.left.gone + 1
	}
	g.bars.prepend(&old.bars, low)
	g.sources.prepend(&old.sources, low)
	for n := range g.values {
		g.values[n].rows.prepend(&old.values[n].rows, low)
		if all {
			g.values[n].closed, g.values[n].seq = old.values[n].closed, old.values[n].seq
		}
	}
	if all {
		g.lastT, g.at, g.wm = old.lastT, old.at, old.wm
	}
	if g.first == never || old.first != never && old.first < g.first {
		g.first = old.first
	}
	g.index.prepend(&old.index, old.lastT)
	g.inherit(old)
	return all
}

// prepend adds the rows of an older piece of the log from low on. Of a bar that both
// have, the newer piece has the last word.
func (r *rows) prepend(old *rows, low int64) {
	for i := old.len() - 1; i >= 0 && old.at(i) >= low; i-- {
		t := old.at(i)
		if _, ok := r.find(t); !ok {
			r.put(t, old.row(i))
		}
	}
}

// redo applies restated values whose rows are here.
func (h *Hub) redo(r *Record) {
	var x wire.RestatedRecord
	if wire.DecodeRestated(r.Value, &x) != nil {
		return
	}
	g := h.target(r.P, x.Sym, x.Itv)
	n, ok := h.instances[x.Ind]
	if g == nil || !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.restate(n, &h.cfg.Instances[n], &x)
}

// maxUnplaced bounds the records of restated values that wait for their rows.
const maxUnplaced = 100_000

// unplace keeps a record whose rows are in a part of the log that was not read
// yet.
func (h *Hub) unplace(p int32, r *Record) {
	if !h.partial.Load() || len(h.unplaced) == maxUnplaced {
		return
	}
	kept := *r
	kept.P = p
	h.unplaced = append(h.unplaced, kept)
}
