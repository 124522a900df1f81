package wasmhost

import (
	"encoding/binary"
	"fmt"
)

// Job is one bar for one slot, and its answer.
type Job struct {
	Slot Slot
	Bar  Bar

	// Preview runs the bar on a copy of the state, as a bar that is still
	// forming, and changes nothing. Otherwise the bar is closed and advances
	// the slot.
	Preview bool

	// Out receives one number per output of the instance, in manifest order and
	// without the degenerate flag; [NoValue] where there is none. Its length
	// must be len(Instance.Outputs).
	Out []float64

	// RC is the result: [RCWarming], [RCReady], or below 0 for an error, when
	// all of Out is NoValue.
	RC int32

	// Degenerate tells that a denominator was zero and the values are stand-ins.
	Degenerate bool
}

// Apply does all jobs and fills in their answers. Jobs of one slot are done in
// the order of the slice, so a slot may have several bars in it. What goes
// wrong in a module is an answer of the job ([Job.RC], [Shard.Failure]); the
// error of Apply is a closed host, a slot that is not open or an Out of the
// wrong length, and then nothing was done.
func (s *Shard) Apply(jobs []Job) error {
	c := s.take(opApply)
	c.jobs = jobs
	return s.finish(c)
}

// stage holds the jobs of one guest that wait for the next call of it. Their
// bars, job records and preview copies are in the I/O slab already. Previews
// and closed bars never share a call: which previews a node is asked for is
// chance, and a trap in one of them must not reach a state.
type stage struct {
	jobs    []uint32 // indices into Shard.jobs; pointers would cost a write barrier each
	preview bool
	scratch uint32 // next free byte for copies
	pass    uint32 // counts calls; a wrap only makes one batch shorter
	listed  bool   // in Shard.staged
}

func (s *Shard) apply(jobs []Job) error {
	for i := range jobs {
		r, err := s.slots.get(jobs[i].Slot)
		if err != nil {
			return fmt.Errorf("applying job %d: %w", i, err)
		}
		if len(jobs[i].Out) != r.kind.values {
			return fmt.Errorf("applying job %d: room for %d values, %s has %d", i, len(jobs[i].Out), r.kind.inst.Name, r.kind.values)
		}
	}
	s.jobs = jobs
	for i := range jobs {
		s.put(uint32(i))
	}
	for i, g := range s.staged {
		s.flush(g)
		g.module.stats.add(&g.count)
		g.stage.listed = false
		s.staged[i] = nil
	}
	s.staged, s.jobs = s.staged[:0], nil
	return nil
}

// put answers a job at once or stages it.
func (s *Shard) put(i uint32) {
	job := &s.jobs[i]
	r := s.slots.at(job.Slot.index)
	src := r.kind.source.Of(&job.Bar)
	if !job.Bar.finite() || src-src != 0 {
		job.refuse(RCInput)
		return
	}
	g := r.slab.guest
	if g.mustFlush(r, job) {
		s.flush(g)
		g = r.slab.guest
	}
	if g.broken != nil {
		if g = s.mend(g); g.broken != nil {
			job.refuse(RCTrap)
			return
		}
	}
	if r.failed {
		job.refuse(s.failures[job.Slot.index].Code)
		return
	}
	if !g.stage.listed {
		g.stage.listed = true
		s.staged = append(s.staged, g)
	}
	g.stage.jobs = append(g.stage.jobs, i)
	g.put(r, job, src)
}

// refuse answers a job without values.
func (j *Job) refuse(rc int32) {
	j.RC, j.Degenerate = rc, false
	fillNoValue(j.Out)
}

// mustFlush tells whether the staged jobs must be done before this one can be
// staged: no state occurs twice in one call, and a copy for a preview has to
// see the closed bars before it.
func (g *guest) mustFlush(r *record, job *Job) bool {
	st := &g.stage
	switch n := len(st.jobs); {
	case n == 0:
		return false
	case n == maxBatch || g.batch == nil || st.preview != job.Preview:
		return true
	case job.Preview:
		return st.scratch+r.kind.room > g.io.end
	default:
		return r.pass == st.pass
	}
}

// put writes the job staged last into the I/O slab.
func (g *guest) put(r *record, job *Job, src float64) {
	st, k := &g.stage, r.kind
	n := uint32(len(st.jobs) - 1)
	if n == 0 {
		st.preview, st.scratch = job.Preview, g.io.scratch
	}
	state := r.slab.base + r.off
	if job.Preview {
		copy(g.view[st.scratch:st.scratch+k.size], g.view[state:state+k.size])
		state = st.scratch
		st.scratch += k.room
	} else {
		r.pass = st.pass
	}
	bar, out := g.io.bars+n*barSize, g.io.outs+n*rowSize
	putBar(g.view[bar:], &job.Bar, src, !job.Preview)
	prefill(g.view[out:], k.outputs)
	putJob(g.view[g.io.jobs+n*jobSize:], k.id, state, bar, 1, out, 0)
}

// flush runs the staged jobs in one guest call and answers them.
func (s *Shard) flush(g *guest) {
	st := &g.stage
	n := len(st.jobs)
	if n == 0 {
		return
	}
	err := g.runStaged(n)
	for i, job := range st.jobs {
		s.answer(g, uint32(i), &s.jobs[job], err)
	}
	st.jobs = st.jobs[:0]
	st.pass++
	if g.broken != nil {
		s.mend(g)
	}
}

// runStaged calls kl_update for one job and kl_update_batch for more. The
// result of a single call is stored where a batch would leave it.
func (g *guest) runStaged(n int) error {
	if n > 1 {
		g.stack[0], g.stack[1] = uint64(g.io.jobs), uint64(n)
		if err := g.run(g.batch); err != nil {
			return err
		}
		if rc := int32(uint32(g.stack[0])); rc != 0 {
			return fmt.Errorf("kl_update_batch returned %d, which must be 0", rc)
		}
		return nil
	}
	return g.updateOnce(g.io.jobs, g.io.bars, g.io.outs)
}

// updateOnce runs kl_update with the indicator and the state of the KlJob at
// job, and leaves the result in it.
func (g *guest) updateOnce(job, bar, out uint32) error {
	b := g.view[job : job+jobSize : job+jobSize]
	g.stack[0], g.stack[1] = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
	g.stack[2], g.stack[3] = uint64(bar), uint64(out)
	if err := g.run(g.update); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(g.view[job+28:], uint32(g.stack[0]))
	return nil
}

// answer reads the result of staged job i.
func (s *Shard) answer(g *guest, i uint32, job *Job, err error) {
	r := s.slots.at(job.Slot.index)
	k := r.kind
	if job.Preview {
		g.count.previews++
	} else {
		g.count.bars++
	}
	if err == nil {
		_, rc := jobResult(g.view[g.io.jobs+i*jobSize:])
		if rc == RCReady || rc == RCWarming {
			row := g.view[g.io.outs+i*rowSize:]
			job.RC = rc
			readRow(job.Out, row, &g.count)
			job.Degenerate = k.outputs > k.values && degenerateAt(row, k.outputs-1)
			return
		}
		err = g.resultError(rc, len(g.stage.jobs) == 1 && !job.Preview)
	}
	f := slotError(err)
	if g.broken == nil {
		g.count.errors++
	}
	job.refuse(f.Code)
	if !job.Preview {
		s.fail(job.Slot, r, f)
	}
}

// fail marks a slot: its state is no longer what its bars would make of it.
func (s *Shard) fail(slot Slot, r *record, f *SlotError) {
	r.failed = true
	s.failures[slot.index] = f
}

// resultError makes an error of a result that is neither 0 nor 1. The words of
// the module are about the last bad result only, so they are asked for when
// there was no other.
func (g *guest) resultError(rc int32, ask bool) error {
	switch {
	case rc == rcUnset:
		return &SlotError{Code: RCProtocol, Text: "the module left a job of a batch undone"}
	case rc > 0:
		return &SlotError{Code: RCProtocol, Text: fmt.Sprintf("the module returned %d, which is reserved", rc)}
	case ask:
		return &SlotError{Code: rc, Text: "the module returned an error: " + g.explain(rc)}
	default:
		return &SlotError{Code: rc, Text: fmt.Sprintf("the module returned an error: code %d", rc)}
	}
}

// slotError gives an error of a guest call its code.
func slotError(err error) *SlotError {
	switch e := err.(type) { //nolint:errorlint // made in this package, never wrapped
	case *SlotError:
		return e
	case *trapError:
		return &SlotError{Code: RCTrap, Text: e.text}
	default:
		return &SlotError{Code: RCProtocol, Text: err.Error()}
	}
}
