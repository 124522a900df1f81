package serve

// A configured instance has values beside the bars that closed while it was
// configured: one added yesterday lacks those of all days before, and begins with
// as many without a number as it takes to warm up, days of long bars. Whoever
// wrote the same expression without configuring it would get them all. So as
// long as bars in memory lack a value, readers get the instance as it is computed on
// demand, under the same name and by the same module. What is published stays as
// it is.

// lacks tells whether some bar in memory has no value of configured instance n.
func (g *group) lacks(n int) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	bars, r := g.bars.len(), &g.values[n].rows
	return bars > 0 && r.len()-r.search(g.bars.at(0)) < bars
}

// standIn returns the number of what answers for configured instance n on a
// series: n, or the same on demand. Instances that nobody configured keep half of
// the room.
func (h *Hub) standIn(sym string, itv, n int) int {
	if h.isDynamic(n) {
		return n
	}
	g := h.find(sym, h.cfg.Intervals[itv])
	if g == nil || !g.lacks(n) {
		return n
	}
	h.dyn.mu.RLock()
	able := h.dyn.computer != nil
	h.dyn.mu.RUnlock()
	h.mu.RLock()
	able = able && g.symbol.p >= 0 && len(h.claims.all) < maxExtras/2
	h.mu.RUnlock()
	if !able {
		return n
	}
	m := &h.cfg.Instances[n]
	k, p := h.enroll("ind", m.Name)
	if p != nil || h.dynamic(k).at(g.newest()).program.Meta().Version != m.Version {
		return n
	}
	return k
}

// configured returns the number of the configured instance that instance n on
// demand stands in for. It counts for no client, and waits for nobody's uploads.
func (h *Hub) configured(n int) (int, bool) {
	if n < len(h.cfg.Instances) {
		return 0, false
	}
	k, ok := h.instances[h.dynamic(n).name]
	return k, ok
}
