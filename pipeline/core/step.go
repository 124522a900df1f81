package core

// Trades applies the trades of one record, in any order: bars close behind the
// last one. The only error is ErrRewind.
func (e *Engine) Trades(r *Record, ts []Trade, out *Outputs) error {
	if err := e.begin(r, out); err != nil {
		return err
	}
	e.counters.TradeRecords++
	for i := range ts {
		e.trade(r, &ts[i], i, out)
	}
	for _, s := range e.moved {
		s.event, s.moved = s.moved, never
		if wm := e.watermark(s, s.src); wm >= s.due {
			e.closeBars(s, wm, out)
		}
	}
	e.moved = e.moved[:0]
	e.finish(out)
	return nil
}

// Undecodable notes a record that no trade could be read from.
func (e *Engine) Undecodable(r *Record, reason Reason, field string, out *Outputs) error {
	if err := e.begin(r, out); err != nil {
		return err
	}
	e.counters.Undecodable++
	if reason == ReasonNone || reason >= reasonCount {
		reason = ReasonDecode
	}
	e.divert(reason, field, "", 0, out)
	e.finish(out)
	return nil
}

// Heartbeat raises the watermark of a source and closes what it passes. One
// that lies beyond max_future is refused: it would close every open bar.
func (e *Engine) Heartbeat(r *Record, hb Heartbeat, out *Outputs) error {
	if err := e.begin(r, out); err != nil {
		return err
	}
	e.counters.Heartbeats++
	src, ok := e.findSource(hb.Source)
	switch {
	case !ok:
		e.counters.BadHeartbeats++
		e.divert(ReasonDecode, "src", "", 0, out)
	case r.Timestamp >= 0 && hb.TS-e.cfg.MaxFuture > r.Timestamp, hb.TS <= never || hb.TS >= -never:
		e.counters.BadHeartbeats++
		e.divert(ReasonFuture, "ts", "", 0, out)
	default:
		if src == nil {
			src = e.addSource(hb.Source)
		}
		src.down = !hb.Up
		e.advance(src, hb.TS, out)
	}
	e.finish(out)
	return nil
}

// trade applies one trade or diverts it. Nothing is written to the state before
// the last check.
func (e *Engine) trade(r *Record, t *Trade, index int, out *Outputs) {
	e.counters.Trades++
	if t.Reject != ReasonNone {
		reason := t.Reject
		if reason >= reasonCount {
			reason = ReasonDecode
		}
		e.refuse(reason, t.Field, t, index, out)
		return
	}
	s, reason := e.lookup(t.Symbol)
	if reason != ReasonNone {
		e.refuse(reason, "symbol", t, index, out)
		return
	}
	var f fill
	if reason, field := e.checkTrade(r, t, s, &f); reason != ReasonNone {
		e.refuse(reason, field, t, index, out)
		return
	}
	e.place(r, t, s, &f, index, out)
}

// place is the second half of trade: duplicate test, lateness, room, and then
// the writes.
func (e *Engine) place(r *Record, t *Trade, s *symbol, f *fill, index int, out *Outputs) {
	src, room := e.findSource(r.Source)
	if src == nil && !room {
		e.refuse(ReasonSymbol, "src", t, index, out)
		return
	}
	owner := s.src
	if owner == nil {
		owner = src
	}
	seen := e.lookDuplicate(s, f)
	switch seen {
	case sightDuplicate:
		e.counters.DedupHits++
		e.counters.Duplicate++
		return
	case sightConflict:
		e.counters.DedupHits++
		e.refuse(ReasonConflict, "id", t, index, out)
		return
	case sightFresh, sightForgotten:
	}
	// A shorter delay after a restart may leave bars due that no event has
	// closed yet. They are open until one does.
	wm := min(e.watermark(s, owner), s.due-1)
	late := e.lateness(s, f.ms, wm)
	switch {
	case late == tooLate:
		e.refuse(ReasonTooLate, "ts", t, index, out)
		return
	case seen == sightForgotten:
		e.refuse(ReasonDedupHorizon, "id", t, index, out)
		return
	}
	if reason, field := e.makeRoom(s, f, wm); reason != ReasonNone {
		e.refuse(reason, field, t, index, out)
		return
	}
	if src == nil {
		src = e.addSource(r.Source)
	}
	e.write(r, t, s, src, f, index, wm, late, out)
}

// write puts an accepted trade into the state.
func (e *Engine) write(r *Record, t *Trade, s *symbol, src *source, f *fill, index int, wm int64, late lateness, out *Outputs) {
	if s.src == nil {
		e.register(s, src)
	}
	s.fixOrder(t)
	f.order = s.orderKey(t, r.Offset, index)
	s.fills++
	s.peakNotional = max(s.peakNotional, uint8(f.notional.bitLen()))
	s.peakSize = max(s.peakSize, uint8(bitLen64(f.size)))
	e.noteID(s, f, r.Timestamp)
	src.saw(f.ms, r.Timestamp)
	if f.side == SideUnknown {
		e.counters.UnknownSide++
	}
	e.touch(s, out)
	if late == inTime {
		e.counters.Applied++
	} else {
		e.counters.Restated++
	}
	e.spread(s, f, wm, late, out)
	if f.ms > s.event && f.ms > s.moved {
		if s.moved == never {
			e.moved = append(e.moved, s)
		}
		s.moved = f.ms
	}
}

// refuse diverts a trade and counts it as late or rejected.
func (e *Engine) refuse(reason Reason, field string, t *Trade, index int, out *Outputs) {
	if reason.Dead() {
		e.counters.Rejected++
	} else {
		e.counters.Late++
	}
	name := ""
	if s := e.index.find(t.Symbol); s != nil {
		name = s.name
	} else if ValidSymbol(t.Symbol) {
		name = string(t.Symbol)
	}
	e.divert(reason, field, name, index, out)
}

// lookup returns the symbol called name, or a new one that is not registered.
func (e *Engine) lookup(name []byte) (*symbol, Reason) {
	s := e.index.find(name)
	if s == nil {
		if !ValidSymbol(name) || len(e.symbols) >= e.cfg.MaxSymbols {
			return nil, ReasonSymbol
		}
		s = e.newSymbol(name)
	}
	if s.misplaced {
		return nil, ReasonWrongPartition
	}
	return s, ReasonNone
}

// register makes a new symbol part of the state. It belongs to the source of
// its first trade.
func (e *Engine) register(s *symbol, src *source) {
	s.id, s.src = uint32(len(e.symbols)), src
	src.symbols++
	e.symbols = append(e.symbols, s)
	e.index.add(s)
}
