package feed

import (
	"context"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// stream is one symbol of a session.
type stream struct {
	symbol string
	cursor cursor
	// held are trades behind a hole, by id; or, while filling, in order.
	held  []adapter.Trade
	since time.Time // when the hole was seen
	// expect is the venue's word on the newest id.
	expect  int64
	filling bool
	stop    context.CancelFunc // ends the questions of its filler, nil while it waits for one
	work    *safego.Handle     // its latest filler
	heard   bool               // a trade came over this connection
	// failed is when it was last asked for in vain, polled because the stream may
	// not carry it.
	failed, polled time.Time
	// again tells to ask a second time: what happened between the first answer
	// and the beginning of the subscription stands in neither.
	again bool
}

// accept takes a trade at its place, or holds it back behind a hole.
func (s *session) accept(one *stream, t adapter.Trade) {
	one.heard = true
	switch {
	case one.filling:
		s.hold(one, t)
	case !one.cursor.isNew(&t):
		if one.cursor.wentBack(&t) {
			s.w.refuse(core.ReasonDecode, "id")
			s.restarted = one.symbol
		}
	case !s.w.venue.Contiguous || !one.cursor.hasID || t.First() <= one.cursor.lastID+1:
		s.take(one, t)
		s.unhold(one)
	default:
		s.hold(one, t)
	}
}

func (s *session) take(one *stream, t adapter.Trade) {
	one.cursor.done(&t)
	s.ready = append(s.ready, t)
}

func (s *session) hold(one *stream, t adapter.Trade) {
	if len(one.held) == 0 {
		one.since = s.w.Clock.Now()
	}
	at := len(one.held)
	if s.w.venue.Contiguous {
		var double bool
		at, double = slices.BinarySearchFunc(one.held, t.ID.Num, func(h adapter.Trade, id int64) int { return int(min(max(h.ID.Num-id, -1), 1)) })
		if double {
			return
		}
	}
	one.held = slices.Insert(one.held, at, t)
	s.held++
}

// unhold takes what follows without a hole now.
func (s *session) unhold(one *stream) {
	for len(one.held) > 0 {
		t := one.held[0]
		if one.cursor.isNew(&t) {
			if s.w.venue.Contiguous && one.cursor.hasID && t.First() > one.cursor.lastID+1 {
				return
			}
			s.take(one, t)
		}
		one.held = one.held[1:]
		s.held--
	}
	one.held, one.since = nil, time.Time{}
}

// giveUp tells of the hole in front of the oldest held trade and goes on. It is
// not asked for again, which would hold the stream back again: from the trades of
// this connection on the ids show what is missing. Without any of these nobody
// knows what happened while there was no connection, and that is asked for.
func (s *session) giveUp(one *stream) {
	s.lost(one, one.held[0].First())
	one.since, one.failed = s.w.Clock.Now(), s.w.Clock.Now()
	if one.heard {
		one.failed, one.again = time.Time{}, false
	}
	s.unhold(one)
}

// lost tells what is missing in front of the id that a stream goes on with: by
// their number, or where ids say nothing, that something may be.
func (s *session) lost(one *stream, next int64) {
	c := &one.cursor
	switch {
	case !s.w.venue.Contiguous || !c.hasID:
		s.w.gap(one.symbol, gapOutage, 0, 0)
	case next > c.lastID+1:
		s.w.gap(one.symbol, gapSequence, c.lastID+1, next-1)
		c.lastID = next - 1
	}
}
