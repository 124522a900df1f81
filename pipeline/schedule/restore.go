package schedule

// restore does the next step between an assignment and the first record. False:
// it waits for the broker.
func (w *worker) restore() bool {
	switch w.stage {
	case loading:
		return w.load()
	case announcing:
		return w.announce()
	case reading:
		return w.readStart()
	case running, stuck:
	}
	return false
}

// load reads the newest checkpoint and what stands in the journal behind it.
func (w *worker) load() bool {
	world := w.n.w
	if world.plan.transactional && !w.n.inited {
		return false
	}
	if world.unstable(w.p) {
		return false
	}
	log := world.logs[state][w.p]
	end := log.end
	if stable := log.stable(); stable < end {
		if log.markerIsLate() {
			world.hit(LateMarker)
		}
		if !world.opt.Mutant.StateUpToStable {
			return false
		}
		end = stable
	}
	if j := world.logs[journal][w.p]; j.stable() < j.end && !world.opt.Mutant.StateUpToStable {
		return false
	}
	cp, damaged := world.checkpoint(w.p, end)
	rules := w.n.rules
	if cp != nil && !world.opt.Mutant.NewRulesAtOnce {
		rules = cp.rules // until what was published by them is behind us
	}
	m, err := world.machine(w.p, rules, world.opt.Mutant)
	if err != nil {
		world.violate("building a partition: %w", err)
		return false
	}
	w.m = m
	from := int64(0)
	w.to, w.snapN = -1, -1
	switch group := world.group.offset[w.p]; {
	case cp == nil && (damaged || group >= 0):
		world.hit(StateLost)
		if !world.damaged[w.p] {
			world.violate("partition %d has no checkpoint, the group stands at %d", w.p, group)
		}
		w.stage, world.failed[w.p] = stuck, true
		return true
	case cp == nil:
		if world.opt.Mutant.StartAtEnd {
			w.begin(world.logs[ticks][w.p].end)
		}
	default:
		w.checkGroup(cp, group)
		if err := m.restore(cp.body); err != nil {
			world.violate("restoring partition %d: %w", w.p, err)
			w.stage = stuck
			return true
		}
		from, w.silent, w.committed = cp.jn, cp.published, cp.published.to
		w.to, w.snapN, w.changed = cp.to, m.n, cp.rules != w.n.rules
	}
	w.readJournal(from)
	return true
}

func (w *worker) begin(offset int64) {
	if err := w.m.eng.Begin(offset); err != nil {
		w.n.w.violate("beginning partition %d: %w", w.p, err)
	}
}

// checkGroup compares what the state says with the offset of the group. Ahead of
// what is published it never stands, unless state was damaged or overtaken by an
// old send; in a transaction both are committed together.
func (w *worker) checkGroup(cp *saved, group int64) {
	world := w.n.w
	to := cp.published.to
	if group > to && !world.damaged[w.p] && !world.late[w.p] || world.plan.transactional && max(group, 0) != to {
		world.violate("partition %d: the group stands at %d, by its state it is published up to %d", w.p, group, to)
	}
}

func (w *worker) readJournal(from int64) {
	world := w.n.w
	log := world.logs[journal][w.p]
	w.count = counter{last: w.m.n}
	w.journalEnd = log.end
	log.committed(from, log.end, w.count.take)
	if w.jumped() {
		return
	}
	if !world.plan.transactional && !world.opt.Mutant.NoStart {
		w.stage = announcing
		return
	}
	if n := len(w.count.recs); world.plan.transactional && n > 0 && w.count.recs[n-1].offset >= w.silent.jn {
		world.violate("partition %d: the journal holds decision %d, of whose effects its state does not know", w.p, w.count.recs[n-1].n)
	}
	w.run()
}

func (w *worker) jumped() bool {
	if w.count.jump {
		w.n.w.violate("partition %d: a number is missing in the journal", w.p)
		w.stage = stuck
	}
	return w.count.jump
}

// announce appends our start under the next number.
func (w *worker) announce() bool {
	d := decision{
		at: w.m.eng.Next(), n: w.count.last + 1, lo: w.m.last.offset, lc: w.m.last.sum, body: `[{"op":"start"}]`, time: w.n.w.now,
	}
	if first, ok := w.n.send(journal, w.p, []record{{time: d.time, value: d.body, decision: &d}}); ok {
		w.startAt, w.stage = first, reading
	}
	return true
}

// readStart reads up to our start: if it is the record that counts, all that
// stands before it is known, and what lands later is void.
func (w *worker) readStart() bool {
	log := w.n.w.logs[journal][w.p]
	void := w.count.void
	log.committed(w.journalEnd, w.startAt+1, w.count.take)
	w.journalEnd = w.startAt + 1
	if w.jumped() {
		return true
	}
	if w.count.void > void {
		w.n.w.hit(VoidDecision)
	}
	if n := len(w.count.recs); n == 0 || w.count.recs[n-1].offset != w.startAt {
		w.stage = announcing
		return true
	}
	w.run()
	return true
}

// run is the end of a restore.
func (w *worker) run() {
	w.stage = running
	w.m.n, w.jnext = w.count.last, w.journalEnd
	for _, d := range w.count.recs {
		if d.at > w.n.w.logs[ticks][w.p].end {
			w.n.w.violate("partition %d: a decision acts beyond the end of the input", w.p)
		}
		w.pending.insert(d)
	}
	w.pos, w.since = w.m.eng.Next(), w.n.w.now
	w.judgedAt = -1
	w.heard, w.decided = map[string]int64{}, map[string]int64{}
	w.n.w.trace.note(w.n.w.events, "running", int64(w.n.id), int64(w.p), w.pos)
	if w.n.w.plan.transactional && w.to < 0 {
		// What is committed from here on says how far it got, not from where.
		w.asked = true
		return
	}
	w.actPending(w.m.eng.Next())
}

// unstable tells whether the offset of p is part of a transaction that is not
// over: the broker does not answer then.
func (w *world) unstable(p int) bool {
	for _, t := range w.coord.current {
		if t == nil || t.status == aborted || t.visible && t.status == committed {
			continue
		}
		for _, m := range t.offsets {
			if m.p == p {
				w.hit(UnstableOffset)
				return true
			}
		}
	}
	return false
}

// markerIsLate tells whether a transaction is committed and its offsets are
// visible, while this partition still lacks its marker.
func (p *partition) markerIsLate() bool {
	for i := range p.open {
		if t := p.open[i].txn; t.status == committed && t.visible && len(t.offsets) > 0 {
			return true
		}
	}
	return false
}

// checkpoint looks at the end of state[p] first and steps back as far as it
// must: the last record, 64 offsets, ever more.
func (w *world) checkpoint(p int, end int64) (cp *saved, damaged bool) {
	low := end
	for step := int64(1); low > 0; step *= 64 {
		low = max(0, end-step)
		recs := w.links(p, low, end)
		if n := len(recs); n > 0 && recs[n-1].link.part > 1 && recs[n-1].link.full < low {
			low = recs[n-1].link.full
			recs = w.links(p, low, end)
		}
		cp, bad := newest(recs)
		damaged = damaged || bad
		if cp != nil {
			return cp, damaged
		}
	}
	return nil, damaged
}

func (w *world) links(p int, from, to int64) []*record {
	var recs []*record
	w.logs[state][p].committed(from, to, func(r *record) { recs = append(recs, r) })
	return recs
}
