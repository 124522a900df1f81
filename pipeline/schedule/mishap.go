package schedule

// The mishaps are what goes wrong between two actions; what goes wrong inside
// one stands there.

// stop pauses a process, half of the time one that has nothing left to do.
func (w *world) stop(n *node, _ int) bool {
	if !w.plan.zombies || !n.working() {
		return false
	}
	if w.rng.IntN(2) == 0 {
		w.rest(n)
	}
	n.stopped = n.connected
	return true
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
func (w *world) wake(n *node, _ int) bool {
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

// expire ends the session of a process that is dead or paused.
func (w *world) expire(n *node, _ int) bool {
	if !w.plan.transactional || w.group.member[n.id] == 0 || n.alive() {
		return false
	}
	if !n.stopped && w.rng.IntN(w.plan.calm) > 0 {
		return false // it comes back before
	}
	w.now += w.rng.Int64N(20_000) // a session is long
	w.group.expire(n.id)
	w.hit(Expired)
	return true
}

// timeout lets the coordinator give up the open transaction of a node.
func (w *world) timeout(n *node, _ int) bool {
	if n.alive() && w.rng.IntN(10) > 0 || !w.coord.timeout(n.id) {
		return false
	}
	w.hit(TransactionTimeout)
	return true
}

func (w *world) landSend(*node, int) bool {
	if len(w.delayed) == 0 {
		return false
	}
	w.land(w.rng.IntN(len(w.delayed)))
	return true
}

func (w *world) landEnd(*node, int) bool {
	if len(w.coord.delayed) == 0 {
		return false
	}
	if w.coord.landEnd(w.rng.IntN(len(w.coord.delayed))) {
		w.hit(EndLate)
	}
	return true
}

// damage flips a byte of the newest checkpoint of a partition, once in a
// schedule.
func (w *world) damage(*node, int) bool {
	p := w.rng.IntN(w.plan.partitions)
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
	if firsts == 0 || w.damaged[p] {
		return false
	}
	if firsts == 1 && w.rng.IntN(20) > 0 {
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

func (w *world) flushView(*node, int) bool {
	w.hit(ViewFlushed)
	w.view.flush()
	return true
}

func (w *world) saveView(*node, int) bool {
	w.view.save()
	return true
}

// regressView puts an older view back, as a fail-over to a lagging replica does.
func (w *world) regressView(*node, int) bool {
	if len(w.view.saves) == 0 {
		return false
	}
	w.hit(ViewRegressed)
	w.view.regress(w.rng.IntN(len(w.view.saves)))
	return true
}
