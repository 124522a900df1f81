package wasmhost

import (
	"encoding/binary"
	"errors"
	"fmt"
)

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

// Mistakes of a caller of Apply.
var (
	errNoBar        = errors.New("a job has no bar")
	errPreviewCarry = errors.New("a preview changes no state, it has none to carry")
)

// sizeError is a slice of the wrong length.
type sizeError struct {
	what      string
	got, want int
	name      string
}

func (e *sizeError) Error() string {
	return fmt.Sprintf("room for %d %s, %s has %d", e.got, e.what, e.name, e.want)
}

func (s *Shard) apply(jobs []Job) error {
	for i := range jobs {
		r, err := s.slots.get(jobs[i].Slot)
		if err == nil {
			err = jobs[i].check(r.kind)
		}
		if err != nil {
			return fmt.Errorf("applying job %d: %w", i, err)
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
	g := r.slab.guest
	if g.mustFlush(r, job) {
		s.flush(g)
		g = r.slab.guest
	}
	if g.broken != nil {
		if g = s.mend(g); g.broken != nil {
			job.refuse(r, RCTrap)
			return
		}
	}
	if r.failed {
		job.refuse(r, s.failures[job.Slot.index].Code)
		return
	}
	source := r.kind.source
	src := job.Bar.Close
	if source != Close {
		src = source.Of(job.Bar)
	}
	if !g.stage.has(job.Bar, source) && (!job.Bar.finite() || !finite(src)) {
		job.refuse(r, RCInput)
		return
	}
	if !g.stage.listed {
		g.stage.listed = true
		s.staged = append(s.staged, g)
	}
	if g.single || s.lonely(g, i) {
		s.alone(g, r, job, src)
		return
	}
	g.put(i, r, job, src)
}

// lonely tells whether a job would be the only one of its call: nothing is
// staged, and what follows is a bar of the same slot.
func (s *Shard) lonely(g *guest, i uint32) bool {
	next := int(i) + 1
	return len(g.stage.jobs) == 0 && next < len(s.jobs) && s.jobs[next].Slot == s.jobs[i].Slot
}

// flush runs the staged jobs in one guest call and answers them.
func (s *Shard) flush(g *guest) {
	st := &g.stage
	n := len(st.jobs)
	if n == 0 {
		return
	}
	if st.preview {
		g.count.previews += uint64(n)
	} else {
		g.count.bars += uint64(n)
	}
	err := g.runStaged(n)
	row := g.io.outs
	for i, at := range st.jobs {
		job := &s.jobs[at]
		r := s.slots.at(job.Slot.index)
		_, rc := jobResult(g.view[g.io.jobs+uint32(i)*jobSize:])
		s.answer(g, result{rc: rc, row: row, err: err, shared: n > 1}, r, job)
		row += uint32(r.kind.outputs) * 8
	}
	st.jobs, st.bar = st.jobs[:0], nil
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
		if err := g.runUpdate(g.batch, g.module.budget.of(n)); err != nil {
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
	rc, err := g.callUpdate(binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), bar, out)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(g.view[job+28:], uint32(rc))
	return nil
}

// callUpdate runs kl_update on the state, bar and row at these addresses.
func (g *guest) callUpdate(ind, state, bar, out uint32) (int32, error) {
	g.stack[0], g.stack[1], g.stack[2], g.stack[3] = uint64(ind), uint64(state), uint64(bar), uint64(out)
	if err := g.runUpdate(g.update, g.module.budget.bar); err != nil {
		return 0, err
	}
	return int32(uint32(g.stack[0])), nil
}

// result is how a job ended: with a result code of the guest and a row of
// outputs, or with an error of the call, which may have had other jobs in it.
type result struct {
	rc     int32
	row    uint32
	err    error
	shared bool
}

// answer fills in a job. The address of the row is the host's: the one in the
// job record may have been written by the guest.
func (s *Shard) answer(g *guest, res result, r *record, job *Job) {
	if res.err == nil {
		if res.rc == RCReady || res.rc == RCWarming {
			k := r.kind
			job.RC = res.rc
			outs := g.view[res.row:]
			readRow(job.Out, outs, &g.count)
			job.Degenerate = k.outputs > k.values && degenerateAt(outs, k.outputs-1)
			if job.Carry != nil {
				job.keep(r)
			}
			return
		}
		res.err = g.resultError(res.rc, !res.shared && !job.Preview)
	}
	f := slotError(res.err, res.shared)
	if g.broken == nil {
		g.count.errors++
	}
	if !job.Preview {
		s.fail(job.Slot, r, f)
	}
	job.refuse(r, f.Code)
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

// slotError gives an error of a guest call its code. A call that was shared
// had more than one bar.
func slotError(err error, shared bool) *SlotError {
	switch e := err.(type) { //nolint:errorlint // made in this package, never wrapped
	case *SlotError:
		return e
	case *trapError:
		return &SlotError{Code: RCTrap, Fault: e.fault, Text: e.text, Shared: shared}
	default:
		return &SlotError{Code: RCProtocol, Text: err.Error()}
	}
}
