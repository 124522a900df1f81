package schedule

// share is one partition's part in the open transaction of its node.
type share struct {
	in              bool
	to              int64 // input offset behind the last complete unit; below 0: in the middle of one
	stateTo, stateJ int64 // what the newest record of the state topic in it says; -1: none
	marked          bool  // its mark is written
	decided         bool  // a decision is in it
}

// enter brings a unit into the open transaction and begins one if there is none.
// False: the transaction is being closed, or the broker is not ready.
func (w *worker) enter(u *unit) bool {
	n := w.n
	if n.closing && (!w.share.in || w.share.to >= 0) || !n.begin() {
		return false
	}
	if !w.share.in {
		w.share = share{in: true, stateTo: -1, stateJ: -1}
	}
	w.share.to, u.entered = -1, true
	return true
}

// leave is the end of a unit: it is acknowledged, and nobody sees it before the
// commit.
func (w *worker) leave(u *unit) {
	w.share.to = u.behind
	w.share.decided = w.share.decided || u.decides()
	if len(u.frames) > 0 {
		w.share.stateTo, w.share.stateJ = u.to, u.jn
	}
	w.unit = nil
}

// begin opens the node's transaction. False: the client waits for the broker.
func (n *node) begin() bool {
	if n.txn != nil {
		return true
	}
	t, ok := n.w.coord.begin(n.id)
	if ok {
		n.txn = t
	}
	return ok
}

// init asks for a producer id: whoever had our transactional id before is
// refused from then on. It comes before the restore.
func (n *node) init() bool {
	if !n.alive() || !n.connected || n.inited || !n.w.plan.transactional {
		return false
	}
	fenced := n.w.coord.epoch[n.id]
	epoch, ok := n.w.coord.initProducer(n.id)
	if n.w.coord.epoch[n.id] != fenced {
		n.w.trace.note(n.w.events, "init", int64(n.id), int64(n.w.coord.epoch[n.id]), 0)
	}
	n.epoch, n.inited = epoch, ok
	return ok
}

// commit does the next step of the end of the transaction: nobody gets in, the
// units on their way are completed, the marks of the partitions are written,
// then the offsets with the metadata of the group, then it is ended.
func (n *node) commit() bool {
	if !n.alive() || !n.connected {
		return false
	}
	shares := n.shares()
	if len(shares) == 0 {
		return n.letGo()
	}
	if !n.closing {
		if n.decidedLast {
			n.w.hit(DecisionAtCommit)
		}
		n.closing, n.sealed = true, false
		return true
	}
	if n.w.fails(Abort, 15) {
		n.drop("abort")
		return true
	}
	for _, w := range shares {
		if w.unit != nil && w.unit.entered || w.share.to < 0 {
			return false // its publisher goes on
		}
	}
	for _, w := range shares {
		if !w.share.marked {
			w.mark()
			return true
		}
	}
	if !n.sealed {
		return n.addOffsets(shares)
	}
	return n.end()
}

// shares are the workers that are in the open transaction.
func (n *node) shares() []*worker {
	var in []*worker
	for _, w := range n.workers {
		if w != nil && w.share.in {
			in = append(in, w)
		}
	}
	return in
}

// mark writes how far the partition is published, unless its checkpoint in this
// transaction says so.
func (w *worker) mark() {
	s := &w.share
	if w.n.w.opt.Mutant.CommitEarly {
		s.to = w.m.eng.Next() // what was read instead of what was written
	}
	if s.stateTo != s.to || s.stateJ != w.jnext {
		l := &link{wr: w.n.inc, to: s.to, jn: w.jnext}
		if _, ok := w.n.send(state, w.p, []record{{time: w.n.w.now, link: l}}); !ok {
			return
		}
	}
	s.marked = true
}

// addOffsets is the place where a zombie is refused.
func (n *node) addOffsets(shares []*worker) bool {
	world := n.w
	var marks []offsetMark
	for _, w := range shares {
		if world.opt.Mutant.DecisionWithoutOffset && w.share.to == w.committed {
			continue
		}
		marks = append(marks, offsetMark{w.p, w.share.to})
	}
	if len(marks) == 0 {
		n.sealed = true // nothing is sent then, and nothing is checked
		return true
	}
	if world.coord.epoch[n.id] != n.epoch {
		world.hit(ProducerFenced)
		n.drop("fenced")
		return true
	}
	if !n.admitted(shares) {
		return true
	}
	n.txn.offsets = append(n.txn.offsets, marks...)
	n.sealed = true
	return true
}

// admitted tells whether the coordinator takes the offsets. A member that has
// not heard of the next generation asks again with it; one that was expelled is
// refused, and everything else with its offsets.
func (n *node) admitted(shares []*worker) bool {
	world, g := n.w, n.w.group
	if g.member[n.id] == n.member {
		n.generation = g.generation
	}
	if world.opt.Mutant.MetadataLate && !g.accepts(n.id, n.member, n.generation) {
		n.member = g.join(n.id)
		n.generation = g.generation
	}
	if g.accepts(n.id, n.member, n.generation) || world.opt.Mutant.NoFence {
		return true
	}
	world.hit(StaleGeneration)
	moved, decided := false, false
	for _, w := range shares {
		moved, decided = moved || w.share.to != w.committed, decided || w.share.decided
	}
	if !moved && decided {
		world.hit(FencedDecision)
	}
	n.drop("stale generation")
	return false
}

// end asks the coordinator to commit.
func (n *node) end() bool {
	w := n.w
	if w.coord.epoch[n.id] != n.epoch || n.txn.status != open {
		w.hit(ProducerFenced)
		n.drop("fenced")
		return true
	}
	switch {
	case w.fails(EndUnknownVoid, 8):
		n.drop("end unknown")
		return true
	case w.fails(EndUnknownApplied, 8):
		n.txn.end(committed)
		n.drop("end unknown")
		return true
	case w.chance(8):
		w.coord.delayed = append(w.coord.delayed, lateEnd{n.txn, n.epoch})
		w.trace.note(w.events, "drop: end under way", int64(n.id), 0, 0)
		n.forget()
		return true
	}
	n.txn.end(committed)
	w.trace.note(w.events, "committed", int64(n.id), 0, 0)
	for _, x := range n.shares() {
		x.committed, x.share = x.share.to, share{}
	}
	n.txn, n.closing, n.sealed = nil, false, false
	return true
}

// letGo hands over what was asked for, once nothing of it is in memory only.
func (n *node) letGo() bool {
	for _, w := range n.workers {
		if w != nil && w.releasing && !w.asked && w.unit == nil && w.m != nil && len(w.m.outs) == 0 {
			n.release(w)
			return true
		}
	}
	return false
}

// landEnd lets a request to commit arrive that was given up.
func (c *coordinator) landEnd(i int) bool {
	d := c.delayed[i]
	c.delayed = append(c.delayed[:i], c.delayed[i+1:]...)
	if c.epoch[d.txn.node] != d.epoch || d.txn.status != open {
		return false
	}
	d.txn.end(committed)
	return true
}
