package schedule

// healRounds is how often everybody may go on after the last fault before the
// world counts as stuck.
const healRounds = 300

// heal ends all faults, lets the producers write a last heartbeat that closes
// every bar, and lets everybody finish.
func (w *world) heal() {
	w.healing = true
	for len(w.delayed) > 0 {
		if w.rng.IntN(2) == 0 {
			w.delayed = w.delayed[1:] // it never arrives
			continue
		}
		w.land(0)
	}
	w.now += 200_000
	w.market.finish(w.now)
	for range healRounds {
		busy := false
		for _, n := range w.nodes {
			busy = w.healNode(n) || busy
		}
		if w.err != nil || !busy {
			break
		}
	}
	if w.err == nil {
		w.settled()
	}
}

// healNode lets one node do all that it can, and the broker what concerns it.
func (w *world) healNode(n *node) bool {
	n.start()
	w.wake(n, 0)
	busy := false
	for w.marker(n.id) {
		busy = true
	}
	if t := w.coord.current[n.id]; t != nil && t.status == open && n.txn != t {
		w.coord.timeout(n.id)
		busy = true
	}
	if n.connect() || n.sync() || n.init() {
		busy = true
	}
	for p := range w.plan.partitions {
		for x := n.worker(p); x != nil && w.err == nil && healWorker(x); x = n.worker(p) {
			busy = true
		}
		for n.have[p] != w.logs[klines][p].stable() && w.err == nil {
			n.follow(p, 1<<20)
			busy = true
		}
	}
	for w.plan.transactional && w.err == nil && n.commit() {
		busy = true
	}
	return busy
}

func healWorker(x *worker) bool {
	if x.restore() || x.finishDecision() || x.fetch(1<<20) {
		return true
	}
	if x.publish() {
		return true
	}
	if x.stage == running && !x.asked && !x.replaying() && (x.m.eng.Next() != x.to || x.m.n != x.snapN) {
		return x.ask()
	}
	return false
}

// settled checks that after the last fault everything is read, written and
// committed: no partition without an owner, no lag.
func (w *world) settled() {
	for p := range w.plan.partitions {
		if w.failed[p] {
			continue
		}
		x := w.finalWorker(p)
		switch {
		case x == nil || x.stage != running:
			w.violate("I8: partition %d has no running worker after the healing", p)
		case w.behind(x):
			w.violate("I8: partition %d is at %d of %d after the healing", p, x.m.eng.Next(), w.logs[ticks][p].end)
		case len(x.m.outs) > 0 || x.share.in || x.unit != nil || len(x.pending) > 0:
			w.violate("I8: partition %d has unwritten outputs after the healing", p)
		case x.m.eng.Next() > 0 && w.group.offset[p] != x.m.eng.Next():
			w.violate("I8: partition %d was read to %d and committed to %d", p, x.m.eng.Next(), w.group.offset[p])
		}
	}
}

func (w *world) behind(x *worker) bool {
	log := w.logs[ticks][x.p]
	return len(log.recs) > 0 && x.m.eng.Next() <= log.recs[len(log.recs)-1].offset
}

// finalWorker is the worker of the owner of p.
func (w *world) finalWorker(p int) *worker {
	o := w.group.owner[p]
	if o < 0 || w.nodes[o].workers == nil {
		return nil
	}
	return w.nodes[o].workers[p]
}
