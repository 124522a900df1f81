package serve

import (
	"iter"
	"slices"
)

// interestMS is how long a read counts as interest in a series, ms.
const interestMS = 15000

// Interested tells a worker whether somebody looks at the forming bar of a
// series: a stream, or a read in the last 15 s.
func (h *Hub) Interested(sym, itv string) bool {
	g := h.find(sym, itv)
	return g != nil && h.interested(g)
}

func (h *Hub) interested(g *group) bool {
	return g.listeners.Load() > 0 || h.now()-g.lastRead.Load() < interestMS
}

// InterestGen changes whenever new interest may have come up. Interest that
// only fades does not change it: ask again every 15 s.
func (h *Hub) InterestGen() uint64 { return h.gen.Load() }

// Wanted goes over the series that somebody looks at, of the partitions for
// which in returns true, as symbol and interval.
func (h *Hub) Wanted(in func(p int32) bool) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		h.mu.RLock()
		defer h.mu.RUnlock()
		for _, s := range h.symbols {
			if s.p < 0 || !in(s.p) {
				continue
			}
			for _, g := range s.groups {
				if g != nil && h.interested(g) && !yield(s.name, h.cfg.Intervals[g.itv]) {
					return
				}
			}
		}
	}
}

// PartitionOf is where a symbol was seen, false if nowhere.
func (h *Hub) PartitionOf(symbol string) (p int32, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	s := h.symbols[symbol]
	if s == nil || s.p < 0 {
		return 0, false
	}
	return s.p, true
}

// OnDemand sets what is called before a read of forming bars nobody was
// interested in so far, with the symbols of one request. It should call Forming
// before it returns, and must return soon: the reader waits.
func (h *Hub) OnDemand(f func(symbols []string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.demand = f
}

// want notes a read of one series and asks for its forming bar if it may be
// stale. The caller holds no lock.
func (h *Hub) want(sym, itv string) {
	if h.note(sym, itv) {
		h.ask([]string{sym})
	}
}

// wantAll is want for the series of one request.
func (h *Hub) wantAll(sel *Selection) {
	var stale []string
	for i := range sel.Pairs {
		if p := &sel.Pairs[i]; h.note(p.Symbol, p.Interval) && !slices.Contains(stale, p.Symbol) {
			stale = append(stale, p.Symbol)
		}
	}
	if len(stale) > 0 {
		h.ask(stale)
	}
}

// note tells whether nobody was interested in the series before.
func (h *Hub) note(sym, itv string) bool {
	g := h.find(sym, itv)
	if g == nil {
		if g = h.begin(sym, itv); g == nil {
			return false
		}
	}
	fresh := h.interested(g)
	g.lastRead.Store(h.now())
	return !fresh
}

// begin makes a group of a symbol that is known, but has no closed bar on this
// interval yet: its first week would otherwise show nothing. Symbols that nobody
// has traded get none, or strangers could fill the memory with names.
func (h *Hub) begin(sym, itv string) *group {
	i, ok := h.intervals[itv]
	if !ok {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.symbols[sym]; s != nil && s.p >= 0 { // those that streams name alone go with them
		return h.groupOf(s, i)
	}
	return nil
}

func (h *Hub) ask(symbols []string) {
	h.gen.Add(1)
	h.mu.RLock()
	f := h.demand
	h.mu.RUnlock()
	if f != nil {
		f(symbols)
	}
}
