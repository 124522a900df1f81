package serve

// Renew makes all bars of a module's instances anew, at once: what they were
// computed with does not count any more, nor what was to take over. With an error
// they have no values for that reason, such as [ErrQuarantined]; without one they
// are computed as the Computer says now. Listeners get a reset. A call into an old
// program that is under way ends by itself.
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
		var turns []Turn
		err := stopped
		if err == nil {
			turns, err = turnsOf(computer, d.name)
		}
		plan := versions(d.name, nil, turns)
		if err != nil {
			plan = []*version{{program: &refused{d.versions()[0].program.Meta(), err}, from: never}}
		}
		d.plan.Store(&plan)
		renewed[d] = true
	}
	for _, p := range h.places() {
		if renewed[p.x.dyn] {
			p.x.lapsed.Store(true)
		}
	}
	h.wakes.tend()
}
