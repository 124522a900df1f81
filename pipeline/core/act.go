package core

import "fmt"

// Act applies a decision at its offset. Its outputs stand at position at,
// before those of the record with that offset. The error is ErrAhead, or an
// operation this release does not know.
func (e *Engine) Act(at int64, op Op, out *Outputs) error {
	if e.begun && at > e.next {
		return fmt.Errorf("%w: at %d, next %d", ErrAhead, at, e.next)
	}
	switch op.Kind {
	case OpStart:
		e.counters.Starts++
		return nil
	case OpIdle, OpHistorical, OpLive, OpConfig:
	case OpNone:
		return fmt.Errorf("acting: operation is missing")
	default:
		return fmt.Errorf("acting: operation %d is unknown, run the release that wrote it", op.Kind)
	}
	e.counters.Decisions++
	e.open(at, out)
	if op.Kind == OpConfig {
		e.closeDue(out)
		e.finish(out)
		return nil
	}
	src, ok := e.findSource(op.Source)
	if src == nil {
		if !ok {
			return nil
		}
		src = e.addSource(op.Source)
	}
	switch op.Kind {
	case OpIdle:
		e.advance(src, op.TS, out)
	case OpHistorical:
		src.historical = true
	default:
		src.historical = false
	}
	e.finish(out)
	return nil
}

// closeDue closes the bars that a shorter watermark delay has made due: Restore
// has changed the rules, but has no place to put bars.
func (e *Engine) closeDue(out *Outputs) {
	for _, s := range e.symbols {
		if wm := e.watermark(s, s.src); wm >= s.due {
			e.closeBars(s, wm, out)
		}
	}
}

// IdleOp returns the decision that takes the place of a heartbeat of src at the
// time nowMS, and whether there is one to take: the source must be live and not
// down, and a bar must close by it. That the source has been silent, and that
// nothing waits at the end of the partition, is for the caller to know.
func (e *Engine) IdleOp(src string, nowMS int64) (Op, bool) {
	s := e.sourceByName[src]
	if s == nil || s.down {
		return Op{}, false
	}
	if st := s.state(); !st.Live() {
		return Op{}, false
	}
	// How far the source is behind its records, never ahead of them, and ahead of the
	// clock neither: one trade of a producer whose clock is an hour fast, and then a
	// pause, would close an hour of bars that have not been of all its source's symbols.
	ts := nowMS + min(0, s.event-s.timestamp) - e.cfg.IdleDelay
	first := s.due.top()
	if ts <= s.watermark || first == nil || first.due > ts-e.cfg.WatermarkDelay {
		return Op{}, false
	}
	return Op{Kind: OpIdle, Source: src, TS: ts, Now: nowMS}, true
}

// LivenessOp returns the decision that a record of src with the Kafka timestamp
// calls for at the time nowMS, if any. A record that was fetched while waiting
// at the end of the partition, and still is old, comes from a replay that
// stamps the event time: the source becomes historical, until the first record
// that is young again.
func (e *Engine) LivenessOp(src string, timestamp, nowMS int64, waiting bool) (Op, bool) {
	s := e.sourceByName[src]
	historical := s != nil && s.historical
	old := nowMS-timestamp > liveWithin
	switch {
	case old && waiting && !historical:
		return Op{Kind: OpHistorical, Source: src, Now: nowMS}, true
	case !old && historical:
		return Op{Kind: OpLive, Source: src, Now: nowMS}, true
	}
	return Op{}, false
}

// Horizon is what the state remembers, for tests of its bounds and for the
// metric state_bytes.
type Horizon struct {
	OpenBars     int
	KeptBars     int
	IDBlocks     int
	Fingerprints int
}

// ClosedHorizon counts the bars and ids the state holds.
func (e *Engine) ClosedHorizon() Horizon {
	var h Horizon
	for _, s := range e.symbols {
		h.IDBlocks += len(s.ids.blocks)
		for i := range s.series {
			h.OpenBars += len(s.series[i].open)
			h.KeptBars += s.series[i].kept.n
		}
	}
	h.Fingerprints = e.prints.gens[0].n + e.prints.gens[1].n
	return h
}
