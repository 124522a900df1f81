package schedule

// node is one process. It has at most one incarnation: a client with the
// workers of its partitions, from the restore to the first failed send.
type node struct {
	w  *world
	id int

	rules   int // that the process runs with
	up      bool
	stopped bool // SIGSTOP: it does nothing and knows of nothing
	deaf    int  // events until it hears from the group again

	connected          bool
	inc                int // nonce of the incarnation
	member, generation int
	workers            []*worker

	inited      bool
	epoch       int // of the producer
	txn         *transaction
	closing     bool // a commit is under way: no unit gets in
	sealed      bool // its offsets are added
	decidedLast bool // the last thing it did was a decision

	have []int64 // where the follower of the view believes it stands
}

func (n *node) alive() bool { return n.up && !n.stopped }

// start brings a dead process back, without anything in memory.
func (n *node) start() bool {
	if n.up {
		return false
	}
	n.up, n.stopped = true, false
	if n.w.plan.reconfigures && n.w.rng.IntN(3) == 0 && !n.w.healing {
		n.rules = 1 - n.rules
	}
	return true
}

// connect builds a new incarnation.
func (n *node) connect() bool {
	if !n.alive() || n.connected {
		return false
	}
	n.w.nonces++
	n.connected, n.inc, n.inited, n.txn, n.closing, n.sealed = true, n.w.nonces, false, nil, false, false
	n.workers = make([]*worker, n.w.plan.partitions)
	n.member = n.w.group.join(n.id)
	n.w.trace.note(n.w.events, "connect", int64(n.id), int64(n.member), 0)
	n.sync()
	return true
}

// sync is what a member hears from the group: a new generation, partitions, or
// that it is none.
func (n *node) sync() bool {
	if !n.alive() || !n.connected || n.deaf > n.w.events && !n.w.healing {
		return false
	}
	g := n.w.group
	if g.member[n.id] != n.member {
		n.drop("expelled")
		return true
	}
	changed := n.generation != g.generation
	n.generation = g.generation
	for p := range n.workers {
		switch w := n.workers[p]; {
		case g.owner[p] == n.id && w == nil:
			n.workers[p] = &worker{n: n, p: p}
			changed = true
		case g.owner[p] != n.id && w != nil:
			n.drop("lost")
			return true
		case g.owner[p] == n.id && g.target[p] >= 0 && !w.releasing:
			changed = true
			if w.stage != running {
				n.release(w)
			} else {
				w.releasing, w.asked = true, true
			}
		}
	}
	if changed {
		n.w.trace.note(n.w.events, "sync", int64(n.id), int64(n.generation), 0)
	}
	return changed
}

// release gives a partition to whom the group has chosen.
func (n *node) release(w *worker) {
	n.workers[w.p] = nil
	n.w.group.handOver(w.p)
	n.w.hit(Reassigned)
}

// drop ends the incarnation: nothing more of it is written. What it has open at
// the broker is given up now, or by its successor, or by the coordinator.
func (n *node) drop(why string) {
	if !n.connected {
		return
	}
	n.w.trace.note(n.w.events, "drop: "+why, int64(n.id), 0, 0)
	if t := n.txn; t != nil && t.status == open && n.w.coord.epoch[n.id] == n.epoch && n.w.rng.IntN(2) == 0 {
		n.abortedDecisions()
		t.end(aborted)
	}
	n.forget()
}

// forget loses everything in memory.
func (n *node) forget() {
	n.connected, n.workers, n.txn, n.closing = false, nil, nil, false
}

func (n *node) abortedDecisions() {
	for _, w := range n.workers {
		if w != nil && (w.share.decided || w.unit != nil && w.unit.decides()) {
			n.w.hit(DecisionAborted)
			return
		}
	}
}

// crash kills the process.
func (n *node) crash() bool {
	if !n.up {
		return false
	}
	n.w.hit(n.where())
	n.abortedDecisions()
	n.forget()
	n.up, n.stopped = false, false
	for p := range n.have {
		n.have[p] = 0
	}
	return true
}

// where tells at which point of the order of writes the node stands.
func (n *node) where() Fault {
	if n.closing && n.sealed {
		return CrashBeforeEnd
	}
	for _, w := range n.workers {
		if w == nil {
			continue
		}
		if f := w.where(); f != CrashIdle {
			return f
		}
	}
	return CrashIdle
}

// send appends records to a topic the way the client does. False: the outcome
// is unknown to the client, and its incarnation has ended.
func (n *node) send(t topic, p int, recs []record) (first int64, ok bool) {
	w := n.w
	log := w.logs[t][p]
	if w.plan.transactional && n.txn != nil && w.coord.epoch[n.id] != n.epoch {
		w.hit(ProducerFenced)
		n.drop("fenced")
		return 0, false
	}
	if w.fails(LostReplyVoid, 12) {
		return log.end, n.unknown()
	}
	rarity := 8
	if t == state {
		rarity = 2 // it is rare, and what it overtakes is interesting
	}
	if !w.plan.transactional && w.chance(rarity) {
		w.delayed = append(w.delayed, delayedSend{topic: t, p: p, recs: recs})
		return log.end, n.unknown()
	}
	first = log.end
	for i := range recs {
		log.append(recs[i], n.txn)
	}
	w.trace.note(w.events, "write "+topicNames[t], int64(p), first, int64(len(recs)))
	if w.fails(LostReplyApplied, 12) {
		return first, n.unknown()
	}
	if !w.plan.transactional && w.chance(8) {
		w.delayed = append(w.delayed, delayedSend{topic: t, p: p, recs: recs, copy: true})
	}
	return first, true
}

// unknown is the end of an incarnation after a send without an answer.
func (n *node) unknown() bool {
	if n.w.opt.Mutant.GoOn {
		return true
	}
	n.drop("unknown outcome")
	return false
}
