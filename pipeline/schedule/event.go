package schedule

// event is something that may happen next, to a node and a partition that are
// drawn with it. do reports false if it could not happen.
type event struct {
	name   string
	weight int
	fault  bool
	do     func(w *world, n *node, p int) bool
}

func events() []event {
	return append(work(), faults()...)
}

// work is what happens without any fault.
func work() []event {
	return []event{
		{"produce", 14, false, func(w *world, _ *node, _ int) bool {
			w.market.produce(w.now)
			return true
		}},
		{"clock", 20, false, func(w *world, _ *node, _ int) bool {
			w.now += w.rng.Int64N([...]int64{400, 3_000, 12_000}[w.rng.IntN(3)])
			return true
		}},
		{"fetch", 40, false, func(w *world, n *node, p int) bool {
			x := n.worker(p)
			return x != nil && x.fetch(1+w.rng.IntN(8))
		}},
		{"tick", 30, false, func(_ *world, n *node, p int) bool {
			x := n.worker(p)
			if x == nil || !x.tick() {
				return false
			}
			n.decidedLast = true
			return true
		}},
		{"silence", 16, false, func(w *world, n *node, p int) bool {
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
		}},
		{"tick and commit", 6, false, func(w *world, n *node, p int) bool {
			x := n.worker(p)
			if !w.plan.transactional || x == nil || !x.tick() {
				return false
			}
			n.decidedLast = true
			for x.publish() && n.connected && x.unit != nil {
				continue
			}
			n.commit()
			return true
		}},
		{"act", 20, false, func(_ *world, n *node, p int) bool {
			x := n.worker(p)
			return x != nil && x.finishDecision()
		}},
		{"publish", 70, false, func(w *world, n *node, p int) bool {
			did := false
			for range 1 + w.rng.IntN(4) {
				x := n.worker(p)
				did = x != nil && x.publish() || did
			}
			return did
		}},
		{"checkpoint", 8, false, func(_ *world, n *node, p int) bool {
			x := n.worker(p)
			if x == nil || x.stage != running || x.asked {
				return false
			}
			x.asked = true
			return true
		}},
		{"init", 20, false, func(_ *world, n *node, _ int) bool { return n.init() }},
		{"commit", 60, false, func(w *world, n *node, _ int) bool {
			did := false
			for range 1 + w.rng.IntN(4) {
				did = w.plan.transactional && n.commit() || did
			}
			return did
		}},
		{"restore", 40, false, func(_ *world, n *node, p int) bool {
			x := n.worker(p)
			return x != nil && x.restore()
		}},
		{"connect", 20, false, func(_ *world, n *node, _ int) bool { return n.connect() }},
		{"sync", 20, false, func(_ *world, n *node, _ int) bool { return n.sync() }},
		{"marker", 40, false, func(w *world, n *node, _ int) bool {
			did := false
			for range 1 + w.rng.IntN(6) {
				did = w.marker(n.id) || did
			}
			return did
		}},
		{"start", 20, false, func(w *world, n *node, _ int) bool { return w.start(n) }},
		{"move", 2, false, func(w *world, n *node, _ int) bool { return w.move(n, w.rng.IntN(w.plan.partitions)) }},
		{"follow", 12, false, func(w *world, n *node, _ int) bool {
			return n.follow(w.rng.IntN(w.plan.partitions), 1+w.rng.IntN(6))
		}},
	}
}

func (w *world) start(n *node) bool {
	if n.up {
		return false
	}
	n.up, n.stopped = true, false
	return true
}

// move asks the owner of p to hand it over to n.
func (w *world) move(n *node, p int) bool {
	g := w.group
	if g.member[n.id] == 0 || g.owner[p] < 0 || g.owner[p] == n.id || g.target[p] >= 0 {
		return false
	}
	g.target[p] = n.id
	return true
}

// marker writes one marker of the node's transaction, wherever one is missing.
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

// worker is the running worker of p, if the node can do anything.
func (n *node) worker(p int) *worker {
	if !n.alive() || !n.connected {
		return nil
	}
	return n.workers[p]
}

// faults is what goes wrong.
func faults() []event {
	return []event{
		{"crash", 5, true, func(w *world, n *node, _ int) bool {
			return n.up && w.allowed(n.where()) && n.crash()
		}},
		{"stop", 8, false, func(w *world, n *node, _ int) bool {
			if !w.plan.zombies || !n.working() || !w.allowed(Zombie) {
				return false
			}
			if w.rng.IntN(2) == 0 {
				w.rest(n)
			}
			n.stopped = n.connected
			return true
		}},
		{"wake", 6, false, func(w *world, n *node, _ int) bool { return w.wake(n) }},
		{"expire", 16, false, func(w *world, n *node, _ int) bool {
			if w.group.member[n.id] == 0 || n.alive() || !n.stopped && w.rng.IntN(w.plan.calm) > 0 || !w.plan.transactional || !w.allowed(Expired) {
				return false
			}
			w.now += w.rng.Int64N(20_000) // a session is long
			w.group.expire(n.id)
			w.hit(Expired)
			return true
		}},
		{"timeout", 6, true, func(w *world, n *node, _ int) bool {
			if !w.allowed(TransactionTimeout) || n.alive() && w.rng.IntN(10) > 0 || !w.coord.timeout(n.id) {
				return false
			}
			w.hit(TransactionTimeout)
			return true
		}},
		{"land", 8, false, func(w *world, _ *node, _ int) bool {
			if len(w.delayed) == 0 {
				return false
			}
			w.land(w.rng.IntN(len(w.delayed)))
			return true
		}},
		{"land end", 8, false, func(w *world, _ *node, _ int) bool {
			if len(w.coord.delayed) == 0 {
				return false
			}
			if w.coord.landEnd(w.rng.IntN(len(w.coord.delayed))) {
				w.hit(EndLate)
			}
			return true
		}},
		{"damage", 2, true, func(w *world, _ *node, _ int) bool {
			return w.allowed(StateDamaged) && w.damage(w.rng.IntN(w.plan.partitions))
		}},
		{"flush", 1, true, func(w *world, _ *node, _ int) bool {
			if !w.allowed(ViewFlushed) {
				return false
			}
			w.hit(ViewFlushed)
			w.view.flush()
			return true
		}},
		{"save", 3, true, func(w *world, _ *node, _ int) bool {
			w.view.save()
			return true
		}},
		{"regress", 2, true, func(w *world, _ *node, _ int) bool {
			if len(w.view.saves) == 0 || !w.allowed(ViewRegressed) {
				return false
			}
			w.hit(ViewRegressed)
			w.view.regress(w.rng.IntN(len(w.view.saves)))
			return true
		}},
	}
}

// rest lets the node read and commit everything: what wakes up then has nothing
// to do but what the clock tells it.
func (w *world) rest(n *node) {
	for range 4 {
		for p := range w.plan.partitions {
			for x := n.worker(p); x != nil && (x.fetch(1<<20) || x.publish()); x = n.worker(p) {
				continue
			}
		}
		for n.commit() {
			continue
		}
		for w.marker(n.id) {
			continue
		}
	}
}

// working tells whether the node holds a partition that it has published of.
func (n *node) working() bool {
	if !n.alive() || !n.connected {
		return false
	}
	for _, x := range n.workers {
		if x != nil && x.stage == running && x.to >= 0 {
			return true
		}
	}
	return false
}

// wake lets a paused process go on. If its session has ended it is a zombie
// beside the new owner, and does not know.
func (w *world) wake(n *node) bool {
	if !n.stopped {
		return false
	}
	n.stopped = false
	if w.group.member[n.id] == n.member {
		return true
	}
	for p, x := range n.workers {
		if x != nil && w.group.owner[p] >= 0 && w.group.owner[p] != n.id {
			w.hit(Zombie)
			n.deaf, w.ghost = w.events+w.rng.IntN(200), n
			break
		}
	}
	return true
}

// damage flips a byte of the newest checkpoint of p, once in a schedule.
func (w *world) damage(p int) bool {
	log := w.logs[state][p]
	firsts, newest := 0, -1
	for i := range log.recs {
		if log.recs[i].link.part == 1 {
			firsts++
		}
		if log.recs[i].link.part > 0 {
			newest = i
		}
	}
	if firsts == 0 || w.damaged[p] || firsts == 1 && w.rng.IntN(20) > 0 {
		return false // without an older one all there is to see is that the partition fails
	}
	r := &log.recs[newest]
	b := []byte(r.value)
	b[w.rng.IntN(len(b))] ^= 1 << w.rng.IntN(8)
	r.value = string(b)
	w.damaged[p] = true
	w.hit(StateDamaged)
	return true
}
