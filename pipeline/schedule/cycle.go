package schedule

// begin opens the node's transaction. False: the client waits for the broker.
func (n *node) begin() bool {
	if n.txn != nil {
		return true
	}
	if !n.inited {
		epoch, ok := n.w.coord.initProducer(n.id)
		if !ok {
			return false
		}
		n.epoch, n.inited = epoch, true
	}
	t, ok := n.w.coord.begin(n.id)
	if ok {
		n.txn = t
	}
	return ok
}

// publishOne sends one batch of a worker into the transaction.
func (n *node) publishOne(w *worker) bool {
	if w == nil || w.stage != running || len(w.m.outs) == 0 || !n.begin() {
		return false
	}
	bs := n.w.batches(w.m.outs)
	if _, ok := n.send(bs[0].topic, w.p, bs[0].recs); !ok {
		return true
	}
	if bs[0].topic == journal {
		w.jnext = n.w.logs[journal][w.p].end
	}
	rest := w.m.outs[:0]
	for i := range w.m.outs {
		if o := &w.m.outs[i]; o.topic != bs[0].topic || !contains(bs[0].recs, &o.rec) {
			rest = append(rest, *o)
		}
	}
	w.m.outs = rest
	return true
}

func contains(recs []record, r *record) bool {
	for i := range recs {
		if recs[i].decision == r.decision && recs[i].so == r.so && recs[i].sk == r.sk {
			return true
		}
	}
	return false
}

// commit does the next step of the end of the transaction: the workers meet at
// a batch boundary, their outputs are written, then the checkpoints of those
// that have moved, then the offsets with the metadata of the group, then it is
// ended.
func (n *node) commit() bool {
	if !n.alive() || !n.connected {
		return false
	}
	if !n.meeting {
		return n.meet()
	}
	if n.w.fails(Abort, 15) {
		n.drop("abort")
		return true
	}
	early := n.w.opt.Mutant.CommitEarly && !n.sealed
	for _, w := range n.workers {
		if w != nil && !early && w.stage == running && len(w.m.outs) > 0 {
			return n.publishOne(w)
		}
	}
	for _, w := range n.workers {
		if w == nil || w.stage != running || !w.dirty || early {
			continue
		}
		if !w.framed {
			w.frames, w.part, w.framed = n.w.frames(w.m.snapshot()), 0, true
			w.snapTo, w.snapJN = w.m.eng.Next(), w.jnext
		}
		if w.part < len(w.frames) {
			return n.checkpoint(w)
		}
	}
	if !n.begin() {
		return false
	}
	if !n.sealed {
		return n.addOffsets()
	}
	return n.end()
}

// meet begins the end of a transaction if there is something to write.
func (n *node) meet() bool {
	any := false
	for _, w := range n.workers {
		if w == nil || w.stage != running {
			continue
		}
		if len(w.pending) > 0 && w.dirty {
			return false
		}
		any = any || w.dirty
	}
	if !any {
		for _, w := range n.workers {
			if w != nil && w.releasing {
				n.release(w)
				return true
			}
		}
		return false
	}
	if n.decidedLast {
		n.w.hit(DecisionAtCommit)
	}
	n.meeting, n.sealed = true, false
	return true
}

func (n *node) checkpoint(w *worker) bool {
	if !n.begin() {
		return false
	}
	first, ok := n.send(state, w.p, []record{w.frame(w.frames, w.part, w.full, w.snapTo, w.snapJN)})
	if !ok {
		return true
	}
	if w.part == 0 {
		w.full = first
	}
	w.part++
	return true
}

// addOffsets is the place where a zombie is refused.
func (n *node) addOffsets() bool {
	world := n.w
	var marks []offsetMark
	polled := false
	for _, w := range n.workers {
		if w == nil || !w.dirty || world.opt.Mutant.DecisionWithoutOffset && !w.polled {
			continue
		}
		polled = polled || w.polled
		marks = append(marks, offsetMark{w.p, w.m.eng.Next()})
	}
	if len(marks) == 0 {
		n.sealed = true // kgo sends nothing then, and nothing is checked
		return true
	}
	if world.coord.epoch[n.id] != n.epoch {
		world.hit(ProducerFenced)
		n.drop("fenced")
		return true
	}
	g := world.group
	if g.member[n.id] == n.member && n.generation != g.generation && world.rng.IntN(2) == 0 {
		n.generation = g.generation // the client has heard of it in time
	}
	if !g.accepts(n.id, n.member, n.generation) && !world.opt.Mutant.NoFence {
		world.hit(StaleGeneration)
		if !polled {
			world.hit(FencedDecision)
		}
		n.drop("stale generation")
		return true
	}
	n.txn.offsets = append(n.txn.offsets, marks...)
	n.sealed = true
	return true
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
	case w.rng.IntN(w.plan.calm*8) == 0 && w.allowed(EndLate):
		w.coord.delayed = append(w.coord.delayed, lateEnd{n.txn, n.epoch})
		n.forgetOpen()
		return true
	}
	n.txn.end(committed)
	w.trace.note(w.events, "committed", int64(n.id), 0, 0)
	n.ended()
	return true
}

// forgetOpen drops the incarnation while its request to commit is under way.
func (n *node) forgetOpen() {
	n.w.trace.note(n.w.events, "drop: end under way", int64(n.id), 0, 0)
	n.forget()
}

// ended goes on behind a commit.
func (n *node) ended() {
	early := false
	for _, w := range n.workers {
		if w == nil || w.stage != running {
			continue
		}
		if len(w.m.outs) > 0 {
			early = true
			continue
		}
		w.dirty, w.polled, w.decidedOnly, w.framed, w.frames, w.part = false, false, false, false, nil, 0
	}
	n.txn, n.meeting, n.sealed = nil, false, false
	if early {
		n.meeting, n.sealed = true, true // the mutant writes its outputs now
		return
	}
	for _, w := range n.workers {
		if w != nil && w.releasing {
			n.release(w)
		}
	}
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
