package wasmhost

// runPieces runs finite bars of one slot. Modules that the host trusts get them
// in one call. An upload gets as many as its fuel suggests; should the call end
// in a trap all the same, its bars are run again one by one from the state
// before them: whether a bar fails must not depend on which others were in its
// call, or restarts and nodes would differ.
func (s *Shard) runPieces(slot Slot, r *record, bars []Bar, dst rows) (int, error) {
	if r.kind.inst.Module.budget.call == 0 {
		return s.runBars(slot, r, bars, dst)
	}
	done := 0
	for done < len(bars) {
		n := min(r.kind.piece(), len(bars)-done)
		did, err := s.runPiece(slot, r, bars[done:done+n], rows{dst.out, dst.flags, dst.at + done})
		done += did
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// runPiece runs bars in one call, and one by one if that ends in a trap: to find
// whose it was, and to have the case.
func (s *Shard) runPiece(slot Slot, r *record, bars []Bar, dst rows) (int, error) {
	s.before = append(s.before[:0], r.state()...)
	g := r.slab.guest
	before := g.used
	n, err := s.runBars(slot, r, bars, dst)
	if err == nil {
		r.kind.learn(len(bars), g.used-before)
		return n, nil
	}
	f, ok := err.(*SlotError) //nolint:errorlint // made in this package, never wrapped
	switch {
	case !ok || f.Fault == FaultNone && !f.Shared:
		return n, err
	case len(bars) == 1 && !f.Shared:
		f.caseOf(r.kind, s.before, &bars[0])
		return n, err
	}
	s.restore(slot, r, s.before)
	for i := range bars {
		s.before = append(s.before[:0], r.state()...)
		_, err := s.runBars(slot, r, bars[i:i+1], rows{dst.out, dst.flags, dst.at + i})
		if f, ok := err.(*SlotError); ok { //nolint:errorlint // made in this package, never wrapped
			f.caseOf(r.kind, s.before, &bars[i])
		}
		if err != nil {
			return i, err
		}
	}
	return len(bars), nil
}

// firstPiece is how many bars are run before it is known what they use.
const firstPiece = 16

// piece is how many bars of the kind one call of an upload gets.
func (k *kind) piece() int {
	if k.fuel == 0 {
		return firstPiece
	}
	return int(min(max(fuelPiece/k.fuel, 1), maxChunk))
}

// learn notes what bars of the kind used. The dearest count: a piece that is too
// large costs a second run.
func (k *kind) learn(bars int, fuel int64) {
	k.fuel = max(k.fuel, fuel/int64(bars))
}
