package schedule

// unit is what a publisher writes in order: outputs, all of them acknowledged,
// then perhaps the checkpoint that contains them. Without transactions the
// offset is committed behind it. The worker collects the next one meanwhile.
type unit struct {
	batches []batch
	next    int
	frames  []string // of the checkpoint, empty without one
	part    int
	full    int64
	to, jn  int64 // of the checkpoint
	rules   int
	behind  int64 // input offset behind all that the outputs were made from; below 0: the rest follows
	entered bool  // transactional: it is in the open transaction
	early   bool  // the mutant has committed already
	inState bool  // the mutant writes the checkpoint first
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

// decides tells whether a decision is in the unit.
func (u *unit) decides() bool {
	for _, b := range u.batches {
		if b.topic == journal {
			return true
		}
	}
	return false
}

// ask wants a checkpoint as soon as nothing is under way.
func (w *worker) ask() bool {
	if w.stage != running || w.asked {
		return false
	}
	w.asked = true
	return true
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
	transactional := w.n.w.plan.transactional
	if transactional && !u.entered {
		return w.enter(u)
	}
	if w.n.w.opt.Mutant.CommitEarly && !transactional && !u.early && len(u.batches) > 0 {
		u.early = true
		w.commit(w.m.eng.Next())
		return true
	}
	stateFirst := u.inState && u.part < len(u.frames)
	switch {
	case u.next < len(u.batches) && !stateFirst:
		w.write(u)
	case u.part < len(u.frames):
		w.writePart(u)
	case transactional:
		w.leave(u)
	default:
		if len(u.frames) > 0 && !w.n.w.fails(LostCommit, 6) {
			w.commit(u.to)
		}
		w.unit = nil
	}
	return true
}

// write sends the next batch of outputs.
func (w *worker) write(u *unit) {
	b := u.batches[u.next]
	first, ok := w.n.send(b.topic, w.p, b.recs)
	if !ok {
		return
	}
	if b.topic == journal {
		w.jnext = first + int64(len(b.recs))
	}
	u.next++
}

// writePart sends the next part of the checkpoint. The parts behind the first
// name its offset, so they are sent when it is known.
func (w *worker) writePart(u *unit) {
	if u.part == 0 && w.n.w.plan.transactional {
		u.jn = w.jnext
	}
	l := &link{wr: w.n.inc, part: u.part + 1, of: len(u.frames), full: u.full, to: u.to, jn: u.jn, rules: u.rules}
	first, ok := w.n.send(state, w.p, []record{{time: w.n.w.now, value: u.frames[u.part], link: l}})
	if !ok {
		return
	}
	if u.part == 0 {
		u.full = first
	}
	if u.part++; u.part == len(u.frames) {
		w.to, w.snapN = u.to, w.m.n
	}
}

// open begins the next unit, or writes a checkpoint if one is wanted and
// nothing is under way.
func (w *worker) open() bool {
	world := w.n.w
	mutant := world.opt.Mutant
	if len(w.m.outs) > 0 {
		w.unit = &unit{behind: w.m.eng.Next(), inState: mutant.StateBeforeAcks}
		outs := w.m.take()
		if n := len(outs); n > 1 && world.plan.transactional && world.rng.IntN(8) == 0 {
			// A unit is full in the middle of a position.
			w.m.outs = append(w.m.outs, outs[n/2:]...)
			outs, w.unit.behind = outs[:n/2], -1
		}
		w.unit.batches = world.batches(outs)
		if w.asked && mutant.StateBeforeAcks && w.deciding == nil && !w.replaying() {
			w.snapshot()
			w.asked = false
		}
		return true
	}
	if !w.asked || w.deciding != nil {
		return false
	}
	w.asked = false
	if w.replaying() || w.m.eng.Next() == w.to && w.m.n == w.snapN {
		return true
	}
	w.unit = &unit{behind: w.m.eng.Next()}
	w.snapshot()
	return true
}

func (w *worker) snapshot() {
	w.unit.frames = w.n.w.frames(w.m.snapshot())
	w.unit.to, w.unit.jn, w.unit.rules = w.m.eng.Next(), w.jnext, w.m.rules
}

func (w *worker) commit(next int64) {
	w.n.w.group.offset[w.p] = next
	w.n.w.trace.note(w.n.w.events, "commit", int64(w.p), next, 0)
}

// batches cuts outputs into produce requests: one per topic in any order, the
// klines perhaps in two.
func (w *world) batches(outs []output) []batch {
	var bs []batch
	topics := [...]topic{journal, klines, late, dlq}
	w.rng.Shuffle(len(topics), func(i, j int) { topics[i], topics[j] = topics[j], topics[i] })
	for _, t := range topics {
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
	return bs
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
