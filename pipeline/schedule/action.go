package schedule

// The actions are what happens without any fault.

func (w *world) produce(*node, int) bool {
	w.market.produce(w.now)
	return true
}

func (w *world) tickClock(*node, int) bool {
	w.now += w.rng.Int64N([...]int64{400, 3_000, 12_000}[w.rng.IntN(3)])
	return true
}

func (w *world) fetch(n *node, p int) bool {
	x := n.worker(p)
	return x != nil && x.fetch(1+w.rng.IntN(8))
}

func (n *node) tick(p int) bool {
	x := n.worker(p)
	if x == nil || !x.tick() {
		return false
	}
	n.decidedLast = true
	return true
}

// silence lets a worker read everything and then hear nothing for a while.
func (w *world) silence(n *node, p int) bool {
	x := n.worker(p)
	if x == nil || x.stage != running {
		return false
	}
	for x.fetch(8) && n.worker(p) == x {
		continue
	}
	w.now += idleTimeout + w.rng.Int64N(20_000)
	n.decidedLast = n.worker(p) == x && x.tick()
	return true
}

// tickAndCommit takes a decision on the edge of a commit: its unit is the last
// one that gets into the transaction.
func (w *world) tickAndCommit(n *node, p int) bool {
	if !w.plan.transactional || !n.tick(p) {
		return false
	}
	for x := n.worker(p); x != nil && x.publish() && x.unit != nil; x = n.worker(p) {
		continue
	}
	n.commit()
	return true
}

// publish does some steps of the order of writes: a crash may come between any
// two.
func (w *world) publish(n *node, p int) bool {
	did := false
	for range 1 + w.rng.IntN(4) {
		x := n.worker(p)
		did = x != nil && x.publish() || did
	}
	return did
}

func (w *world) commit(n *node, _ int) bool {
	did := false
	for range 1 + w.rng.IntN(4) {
		did = w.plan.transactional && n.commit() || did
	}
	return did
}

func (w *world) follow(n *node, _ int) bool {
	return n.follow(w.rng.IntN(w.plan.partitions), 1+w.rng.IntN(6))
}

// move asks the owner of a partition to hand it over to n.
func (w *world) move(n *node, _ int) bool {
	g, p := w.group, w.rng.IntN(w.plan.partitions)
	if g.member[n.id] == 0 || g.owner[p] < 0 || g.owner[p] == n.id || g.target[p] >= 0 {
		return false
	}
	g.target[p] = n.id
	return true
}

// markers writes some of the markers that the node's transaction lacks.
func (w *world) markers(n *node, _ int) bool {
	did := false
	for range 1 + w.rng.IntN(3) {
		did = w.marker(n.id) || did
	}
	return did
}

// marker writes one of them: of a partition, or of the offsets.
func (w *world) marker(id int) bool {
	t := w.coord.current[id]
	if t == nil || t.status == open || t.over() {
		return false
	}
	missing := len(t.parts)
	if !t.visible {
		missing++
	}
	i := w.rng.IntN(missing)
	if i == len(t.parts) {
		for _, m := range t.offsets {
			w.group.offset[m.p] = m.next
		}
		t.visible = true
		return true
	}
	t.parts[i].mark(t)
	t.parts = append(t.parts[:i], t.parts[i+1:]...)
	return true
}
