package wasmhost

// Job is one bar for one slot, and its answer.
type Job struct {
	Slot Slot

	// Preview runs the bar on a copy of the state, as a bar that is still
	// forming, and changes nothing. Otherwise the bar is closed and advances
	// the slot.
	Preview bool

	// Degenerate tells that a denominator was zero and the values are stand-ins.
	Degenerate bool

	// RC is the result: [RCWarming], [RCReady], or below 0 for an error, when
	// all of Out is NoValue.
	RC int32

	// Bar is read until Apply returns, and must not change until then. Jobs one
	// after the other that point to the same bar hand it in once.
	Bar *Bar

	// Out receives one number per output of the instance, in manifest order and
	// without the degenerate flag; [NoValue] where there is none. Its length
	// must be len(Instance.Outputs).
	Out []float64

	// Carry takes the state out together with a closed bar; nil for most jobs.
	Carry *Carry
}

// Carry is a [Shard.Read] after a bar without a call of its own: states in the
// middle of a replay, or of many slots, come with one call.
type Carry struct {
	To []byte // receives the state after the bar in its capacity; empty if the slot failed
}

// check refuses what the caller got wrong, before anything is done.
func (j *Job) check(k *kind) error {
	switch {
	case j.Bar == nil:
		return errNoBar
	case len(j.Out) != k.values:
		return &sizeError{"values", len(j.Out), k.values, k.inst.Name}
	case j.Carry != nil && j.Preview:
		return errPreviewCarry
	default:
		return nil
	}
}

// refuse answers a job without values.
func (j *Job) refuse(r *record, rc int32) {
	j.RC, j.Degenerate = rc, false
	fillNoValue(j.Out)
	j.keep(r)
}

// keep gives the state of a slot that no guest call is working on.
func (j *Job) keep(r *record) {
	if j.Carry == nil {
		return
	}
	j.Carry.To = j.Carry.To[:0]
	if !r.failed {
		j.Carry.To = append(j.Carry.To, r.state()...)
	}
}
