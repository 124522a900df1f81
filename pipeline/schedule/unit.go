package schedule

// unit is what an idempotent publisher writes in order: outputs, all of them
// acknowledged, then the checkpoint, then the offset. The worker collects the
// next one meanwhile.
type unit struct {
	batches []batch
	next    int
	frames  []string // of the checkpoint, empty without one
	part    int
	full    int64
	to, jn  int64
	early   bool // the mutant has committed already
	inState bool // the mutant writes the checkpoint first
}

// batch is one produce request.
type batch struct {
	topic topic
	recs  []record
}

func (u *unit) where() Fault {
	switch {
	case u.next < len(u.batches) && u.next == 0:
		return CrashUnwritten
	case u.next < len(u.batches):
		return CrashBetweenOutputs
	case len(u.frames) > 0 && u.part == 0:
		return CrashBeforeState
	case u.part < len(u.frames):
		return CrashInState
	case len(u.frames) > 0:
		return CrashBeforeCommit
	}
	return CrashIdle
}

// publish does the next thing of the order of writes.
func (w *worker) publish() bool {
	if w.stage != running {
		return false
	}
	if w.unit == nil {
		return w.open()
	}
	u := w.unit
	if w.n.w.opt.Mutant.CommitEarly && !u.early && len(u.batches) > 0 {
		u.early = true
		w.commit(w.m.eng.Next())
		return true
	}
	stateFirst := u.inState && u.part < len(u.frames)
	switch {
	case u.next < len(u.batches) && !stateFirst:
		b := u.batches[u.next]
		if _, ok := w.n.send(b.topic, w.p, b.recs); ok {
			u.next++
		}
	case u.part < len(u.frames):
		first, ok := w.n.send(state, w.p, []record{w.frame(u.frames, u.part, u.full, u.to, u.jn)})
		if !ok {
			return true
		}
		if u.part == 0 {
			u.full = first
		}
		u.part++
	default:
		if len(u.frames) > 0 {
			w.to, w.jn = u.to, u.jn
			if !w.n.w.fails(LostCommit, 6) {
				w.commit(u.to)
			}
		}
		w.unit = nil
	}
	return true
}

// open begins the next unit, or writes a checkpoint if one is wanted and
// nothing is under way.
func (w *worker) open() bool {
	mutant := w.n.w.opt.Mutant
	if len(w.m.outs) > 0 {
		w.unit = &unit{batches: w.n.w.batches(w.m.take()), inState: mutant.StateBeforeAcks}
		if w.asked && mutant.StateBeforeAcks && w.deciding == nil && len(w.pending) == 0 {
			w.snapshot()
			w.asked = false
		}
		return true
	}
	if !w.asked || w.deciding != nil {
		return false
	}
	w.asked = false
	if len(w.pending) > 0 || w.m.eng.Next() == w.to && w.jnext == w.jn {
		return true
	}
	w.unit = &unit{}
	w.snapshot()
	return true
}

func (w *worker) snapshot() {
	w.unit.frames = w.n.w.frames(w.m.snapshot())
	w.unit.to, w.unit.jn = w.m.eng.Next(), w.jnext
}

// frame is one record of a checkpoint.
func (w *worker) frame(frames []string, part int, full, to, jn int64) record {
	l := &link{wr: w.n.inc, part: part + 1, of: len(frames), full: full, to: to, jn: jn}
	return record{time: w.n.w.now, value: frames[part], link: l}
}

func (w *worker) commit(next int64) {
	w.n.w.group.offset[w.p] = next
	w.n.w.trace.note(w.n.w.events, "commit", int64(w.p), next, 0)
}

// batches cuts outputs into produce requests: one per topic in any order, the
// klines perhaps in two.
func (w *world) batches(outs []output) []batch {
	var bs []batch
	for _, t := range [...]topic{journal, klines, late, dlq} {
		var recs []record
		for i := range outs {
			if outs[i].topic == t {
				recs = append(recs, outs[i].rec)
			}
		}
		if cut := len(recs) / 2; cut > 0 && w.rng.IntN(3) == 0 {
			bs = append(bs, batch{t, recs[:cut:cut]})
			recs = recs[cut:]
		}
		if len(recs) > 0 {
			bs = append(bs, batch{t, recs})
		}
	}
	if n := len(bs); n > 1 && bs[0].topic != bs[n-1].topic && w.rng.IntN(2) == 0 {
		// Topics are written side by side; the order within one stays.
		bs = append(bs[n-1:n:n], bs[:n-1]...)
		w.order(bs)
	}
	return bs
}

// order puts the requests of one topic back into their order after a rotation.
func (w *world) order(bs []batch) {
	for i := range bs {
		for j := i + 1; j < len(bs); j++ {
			if a, b := &bs[i], &bs[j]; a.topic == b.topic && a.recs[0].decision == nil && after(&a.recs[0], &b.recs[0]) {
				*a, *b = *b, *a
			}
		}
	}
}

func after(a, b *record) bool { return a.so > b.so || a.so == b.so && a.sk > b.sk }

// frames cuts a checkpoint into the parts that the plan wants.
func (w *world) frames(body []byte) []string {
	frame := seal(body)
	n := w.plan.parts
	var out []string
	for i := range n {
		out = append(out, string(frame[len(frame)*i/n:len(frame)*(i+1)/n]))
	}
	return out
}
