package serve

import "context"

// Renew makes all bars of a module's instances anew, at once: what they were
// computed with does not count any more, nor what was to take over. With an error
// they have no values for that reason, such as [ErrQuarantined]; without one they
// are computed as the Computer says now, which is asked about each and may take long;
// with an error nobody is asked, also while another call waits for the Computer.
// Listeners get a reset. A call into an old program that is under way ends by itself.
func (h *Hub) Renew(module string, stopped error) {
	h.dyn.mu.Lock()
	h.dyn.changes++
	computer, list := h.dyn.computer, h.dyn.ofModule(module)
	h.dyn.mu.Unlock()
	if computer == nil {
		return
	}
	renewed := map[*dynamic]bool{}
	for _, d := range list {
		if stopped != nil {
			d.stop(stopped)
		} else {
			d.renew(computer)
		}
		renewed[d] = true
	}
	h.noteRenewal()
	for _, p := range h.places() {
		if renewed[p.x.dyn] {
			p.x.lapsed.Store(true)
		}
	}
	h.wakes.tend()
}

// stop leaves nothing of the plan.
func (d *dynamic) stop(why error) {
	d.plan.Store(&[]*version{{program: &refused{d.versions()[0].program.Meta(), why}, from: never}})
}

// renew makes the plan as the Computer says now, unless it was stopped meanwhile.
func (d *dynamic) renew(c Computer) {
	before := d.plan.Load()
	turns, err := turnsOf(context.Background(), c, d.name)
	plan := versions(d.name, nil, turns)
	if err != nil {
		plan = []*version{{program: &refused{(*before)[0].program.Meta(), err}, from: never}}
	}
	d.plan.CompareAndSwap(before, &plan)
}

// noteRenewal notes what was handed out until now. A series that begins later was
// shown by another node, or by this one before it was forgotten, to streams that are
// away: they would come back and keep values that do not count any more.
func (h *Hub) noteRenewal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewed = make([]point, len(h.at))
	for p := range h.at {
		h.renewed[p] = h.at[p].after()
	}
}

// floorOf is the position from which a series on demand that begins now has all its
// events. The caller holds both locks.
func (h *Hub) floorOf(g *group) point {
	p := int(g.symbol.p)
	if p < 0 || p >= len(h.renewed) || h.renewed[p].compare(g.at) < 0 {
		return g.at
	}
	return h.renewed[p]
}
