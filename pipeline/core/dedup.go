package core

import "math/bits"

// lookDuplicate tells whether the trade was seen before.
func (e *Engine) lookDuplicate(s *symbol, f *fill) sight {
	switch {
	case f.id.Kind == IDNone:
		return sightFresh
	case f.id.Kind == IDInt && !s.ids.sparse:
		return s.ids.look(f.id.Num, f.ms, f.check)
	}
	if seen := e.prints.look(fingerprint(s.hash, &f.id), f.check); seen != sightFresh {
		return seen
	}
	s.prints.align(e.prints.turn)
	if f.ms <= s.prints.lost {
		return sightForgotten
	}
	return sightFresh
}

// noteID remembers an accepted trade.
func (e *Engine) noteID(s *symbol, f *fill, ts int64) {
	switch {
	case f.id.Kind == IDNone:
		e.counters.NoID++
		return
	case f.id.Kind == IDInt && !s.ids.sparse:
		i, ok := s.ids.find(f.id.Num >> 12)
		if !ok {
			i, ok = e.addBlock(s, f, ts)
		}
		if ok {
			s.ids.note(i, f.id.Num, f.ms, f.check)
			return
		}
	}
	e.notePrint(s, fingerprint(s.hash, &f.id), f.ms, f.check, ts)
}

func (e *Engine) notePrint(s *symbol, fp uint64, ms int64, check uint16, ts int64) {
	e.prints.note(fp, check, ts)
	s.prints.align(e.prints.turn)
	s.prints.newest = max(s.prints.newest, ms)
}

// addBlock makes room for the block of f's id, or moves the symbol to the
// fingerprint table and returns false.
func (e *Engine) addBlock(s *symbol, f *fill, ts int64) (int, bool) {
	newest := max(s.event, s.moved, f.ms)
	free := s.ids.evict(newest-e.dedupWindow, newest-e.cfg.AllowedLateness-e.cfg.WatermarkDelay, e.cfg.DedupIDs)
	if s.ids.wasteful() {
		e.leaveBlocks(s, ts)
		return 0, false
	}
	return s.ids.insert(f.id.Num>>12, free), true
}

// leaveBlocks moves all ids of the symbol to the fingerprint table.
func (e *Engine) leaveBlocks(s *symbol, ts int64) {
	b := &s.ids
	for _, blk := range b.blocks {
		for w, word := range blk.bits {
			for ; word != 0; word &= word - 1 {
				id := blk.no<<12 | int64(w<<6|bits.TrailingZeros64(word))
				check := uint16(0)
				if uint64(b.high)-uint64(id) < checkIDs {
					check = b.checks[id&(checkIDs-1)]
				}
				t := TradeID{Kind: IDInt, Num: id}
				e.notePrint(s, fingerprint(s.hash, &t), blk.newest, check, ts)
			}
		}
	}
	s.prints.lost = max(s.prints.lost, b.lost)
	*b = newIDBlocks()
	b.sparse = true
}
