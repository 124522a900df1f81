package serve

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

// OnDemand sets what is called before a read of a forming bar nobody was
// interested in so far. It may call Forming before it returns.
func (h *Hub) OnDemand(f func(sym, itv string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.demand = f
}

// want notes a read and asks for the forming bar if it may be stale. The caller
// holds no lock.
func (h *Hub) want(sym, itv string) {
	g := h.find(sym, itv)
	if g == nil {
		return
	}
	fresh := h.interested(g)
	g.lastRead.Store(h.now())
	if fresh {
		return
	}
	h.gen.Add(1)
	h.mu.RLock()
	f := h.demand
	h.mu.RUnlock()
	if f != nil {
		f(sym, itv)
	}
}
