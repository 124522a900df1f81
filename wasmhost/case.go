package wasmhost

// Case is an update that ended in a trap, whole: with the module's bytes it can
// be done again anywhere. It holds nothing of other series or modules, but the
// bar, whose source may be another indicator's value.
type Case struct {
	Instance   *Instance
	IntervalMS int64
	State      []byte // before the update
	Bar        Bar
}

// caseOf keeps what a single bar of a slot has failed on.
func (f *SlotError) caseOf(k *kind, state []byte, bar *Bar) {
	if f.Fault != FaultNone && f.Case == nil {
		f.Case = &Case{Instance: k.inst, IntervalMS: k.series.IntervalMS, State: append([]byte(nil), state...), Bar: *bar}
	}
}
