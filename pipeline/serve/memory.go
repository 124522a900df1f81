package serve

import "slices"

// keepBars is how many closed bars a series keeps whatever the memory bound
// says: latest and snapshots need the newest, two make a price change.
const keepBars = 2

// weigh counts what the rows of g occupy after a change and keeps them within
// view_bars. The caller holds both locks.
func (h *Hub) weigh(g *group) {
	g.trim(h.cfg.ViewBars)
	size := g.size()
	h.memory.Add(size - g.stored)
	g.stored = size
}

// bound keeps all rows within view_memory: the least read series give up their
// oldest bars first. It frees a twentieth more than it has to, so that a full
// view does not sort its series at every bar.
func (h *Hub) bound() {
	if h.memory.Load() <= h.cfg.ViewMemory {
		return
	}
	goal := h.cfg.ViewMemory - h.cfg.ViewMemory/20
	var all []*group
	for _, s := range h.symbols {
		for _, g := range s.groups {
			if g != nil && g.bars.len() > keepBars {
				all = append(all, g)
			}
		}
	}
	reads := make(map[*group]int64, len(all))
	for _, g := range all {
		reads[g] = g.lastRead.Load()
		if g.listeners.Load() > 0 {
			reads[g] = h.now()
		}
	}
	slices.SortFunc(all, func(a, b *group) int {
		if c := order(reads[a], reads[b]); c != 0 {
			return c
		}
		return order(b.stored, a.stored)
	})
	for _, g := range all {
		if h.memory.Load() <= goal {
			return
		}
		h.shrink(g, h.memory.Load()-goal)
	}
}

// shrink frees about need bytes of g.
func (h *Hub) shrink(g *group, need int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := int64(g.bars.len())
	keep := int64(keepBars)
	if g.stored > need {
		keep = max(keep, n-n*need/g.stored-1)
	}
	g.trim(int(keep))
	g.bars.compact()
	g.sources.compact()
	for i := range g.values {
		g.values[i].rows.compact()
	}
	for _, x := range g.extras {
		x.values.rows.compact()
		for _, p := range x.nexts {
			p.rows.compact()
		}
	}
	h.weigh(g)
}
