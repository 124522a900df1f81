package feed

import (
	"context"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

const (
	// reorderTime is how long a missing id may come after all, out of order.
	reorderTime = 250 * time.Millisecond
	// holdTime is how long trades wait behind a hole that cannot be asked for.
	holdTime = 30 * time.Second
	// maxHeld is how many trades of a feed wait behind holes.
	maxHeld = 10_000
	// fillers is how many holes are asked for at once.
	fillers = 4
	// tickTime is how often waiting trades are looked at.
	tickTime = 50 * time.Millisecond
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
	// failed is when it was last asked for in vain.
	failed time.Time
	// again tells to ask a second time: what happened between the first answer
	// and the beginning of the subscription stands in neither.
	again bool
}

// session is the state of a stream over its connections, under one lock.
type session struct {
	w      *WebSocket
	fence  int64
	reader *adapter.Reader

	streams map[string]*stream
	order   []*stream
	ready   []adapter.Trade // accepted and not delivered yet
	held    int
	heard   time.Time // when the venue last gave a sign of life

	jobs   chan *stream
	filled chan fillResult
	cancel context.CancelFunc
	work   []*safego.Handle
}

type fillResult struct {
	s    *stream
	done bool
	err  error
}

func newSession(w *WebSocket, fence int64, last map[string]LastTrade) (*session, error) {
	r, err := w.reader()
	if err != nil {
		return nil, err
	}
	s := &session{
		w: w, fence: fence, reader: r, streams: map[string]*stream{},
		jobs: make(chan *stream, len(w.Symbols)), filled: make(chan fillResult, len(w.Symbols)),
	}
	for _, symbol := range w.Symbols {
		one := &stream{symbol: symbol}
		if t, found := last[symbol]; found {
			one.cursor.seed(t)
		}
		s.streams[symbol] = one
		s.order = append(s.order, one)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if !w.fills() {
		return s, nil
	}
	for range fillers {
		p, err := newPuller(w.live, w.fetch, w.out)
		if err != nil {
			cancel()
			return nil, err
		}
		s.work = append(s.work, safego.Go("feed backfill", func(err error) { w.trouble(err.Error()) }, func() { s.fill(ctx, p) }))
	}
	return s, nil
}

func (s *session) close() {
	s.cancel()
	for _, h := range s.work {
		h.Wait()
	}
}

// fill asks for holes. A stream belongs to its filler until the result is out.
func (s *session) fill(ctx context.Context, p *puller) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-s.jobs:
			done, err := p.pull(ctx, ctx, one.symbol, &one.cursor, s.fence)
			s.filled <- fillResult{one, done, err}
		}
	}
}

// run reads one connection until it breaks.
func (s *session) run(ctx context.Context) error {
	c, err := s.w.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	s.heard = s.w.Clock.Now()
	s.connected()
	tick := s.w.Clock.NewTicker(tickTime)
	defer tick.Stop()
	end := time.Duration(1<<62 - 1)
	if s.w.venue.Rotate > 0 {
		end = s.w.venue.Rotate
	}
	rotate := s.w.Clock.NewTimer(end)
	defer rotate.Stop()
	beat := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-c.in:
			s.arrive(a)
		case r := <-s.filled:
			s.settle(r)
		case <-tick.C():
			if err := s.look(ctx); err != nil {
				return err
			}
		case <-rotate.C():
			return s.end(ctx, c, errRotate)
		case err := <-c.failed:
			return s.end(ctx, c, err)
		}
		if len(s.ready) >= maxBatch || len(c.in) == 0 {
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
		if now := s.w.Clock.Now(); len(c.in) == 0 && now.Sub(beat) >= beatTime {
			beat = now
			if err := s.beat(ctx); err != nil {
				return err
			}
		}
	}
}

// end takes in what had arrived before a connection broke.
func (s *session) end(ctx context.Context, c *socket, why error) error {
	for len(c.in) > 0 {
		s.arrive(<-c.in)
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	return why
}

// connected marks what may have been missed without a connection.
func (s *session) connected() {
	w := s.w
	w.beats.forget("")
	w.trouble("")
	for _, one := range s.order {
		one.again = true
		switch {
		case one.filling:
			// What it brings covers the time without a connection in part: it is
			// asked for again.
		case one.cursor.empty():
			// Nothing was ever there: its first trade is where it begins.
		case w.fills():
			s.ask(one)
		case !w.venue.Contiguous:
			w.gap(one.symbol, gapOutage, 0, 0)
		}
	}
}

// ask lets a filler look for what is behind the cursor.
func (s *session) ask(one *stream) {
	if one.filling || !s.w.fills() {
		return
	}
	one.filling = true
	s.jobs <- one // it has room for every stream once
}

func (s *session) arrive(a arrival) {
	if a.at.After(s.heard) {
		s.heard = a.at
	}
	if a.frame == nil {
		return
	}
	w := s.w
	m, err := s.reader.Frame(a.frame)
	switch {
	case err != nil:
		w.Observer.FeedError(w.SourceName, reasonFrame)
		return
	case m.Kind == adapter.KindRefused:
		w.Observer.FeedError(w.SourceName, reasonRefused)
		w.trouble("the venue refused: " + cut(m.Text))
		w.Log.Warn("the venue refused a subscription", "source", w.SourceName, "says", cut(m.Text))
		return
	case m.Kind == adapter.KindUnknown:
		w.Observer.FeedError(w.SourceName, reasonFrame)
		return
	}
	if one := s.streams[m.Symbol]; one != nil && m.LastID > one.expect {
		one.expect = m.LastID
	}
	for _, t := range w.usable(m.Trades) {
		one := s.streams[string(t.Symbol)]
		if one == nil && len(s.order) == 1 && string(t.Symbol) == adapter.Nameless {
			one = s.order[0] // the only symbol there is, and the venue does not name it
		}
		if one == nil {
			w.Observer.FeedRefused(w.SourceName, core.ReasonSymbol.String(), 1)
			continue
		}
		t.Symbol = []byte(one.symbol)
		s.accept(one, t)
	}
}

// accept takes a trade at its place, or holds it back behind a hole.
func (s *session) accept(one *stream, t adapter.Trade) {
	switch {
	case one.filling:
		s.hold(one, t)
	case !one.cursor.isNew(&t):
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

// settle takes a stream back from its filler.
func (s *session) settle(r fillResult) {
	one := r.s
	one.filling = false
	one.failed = time.Time{}
	if r.err != nil || !r.done || one.again {
		one.again = one.again && r.err != nil
		one.failed = s.w.Clock.Now()
	}
	if r.err != nil {
		s.w.trouble("filling a hole: " + r.err.Error())
	} else {
		s.w.trouble("")
	}
	s.unhold(one)
}

// look deals with holes that have become old. What was accepted goes out before
// anything is asked for: a filler writes for itself, and who dies with the trades
// behind a hole on the topic and those in front of it in memory has lost these.
func (s *session) look(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	now := s.w.Clock.Now()
	for _, one := range s.order {
		if one.filling {
			continue
		}
		if len(one.held) == 0 {
			s.lookAtWord(one, now)
			continue
		}
		age := now.Sub(one.since)
		if age < reorderTime {
			continue
		}
		if s.w.fills() && age < holdTime && s.held < maxHeld {
			if now.Sub(one.failed) >= time.Second {
				s.ask(one)
			}
			continue
		}
		s.giveUp(one)
	}
	return nil
}

// lookAtWord asks for trades that the venue says there are.
func (s *session) lookAtWord(one *stream, now time.Time) {
	if !one.cursor.hasID || one.expect <= one.cursor.lastID {
		one.since = time.Time{}
		if !one.failed.IsZero() && now.Sub(one.failed) >= time.Second {
			s.ask(one) // a fill that failed without a trade behind it
		}
		return
	}
	if one.since.IsZero() {
		one.since = now
	}
	if now.Sub(one.since) >= time.Second && now.Sub(one.failed) >= time.Second {
		one.since = now
		s.ask(one)
	}
}

// giveUp tells of the hole in front of the oldest held trade and goes on.
func (s *session) giveUp(one *stream) {
	first := one.held[0].First()
	if s.w.venue.Contiguous && one.cursor.hasID && first > one.cursor.lastID+1 {
		s.w.gap(one.symbol, gapSequence, one.cursor.lastID+1, first-1)
		one.cursor.lastID = first - 1
	}
	one.since = s.w.Clock.Now()
	s.unhold(one)
}

// flush delivers what was accepted. When it fails the lock is gone, and with it
// this session: the next owner begins where the topic ends.
func (s *session) flush(ctx context.Context) error {
	if len(s.ready) == 0 {
		return nil
	}
	err := s.w.send(ctx, s.w.out, s.ready, s.fence)
	s.ready = nil
	return err
}

// beat promises what was read, for symbols without a hole.
func (s *session) beat(ctx context.Context) error {
	for _, one := range s.order {
		if !one.filling && len(one.held) == 0 && one.failed.IsZero() {
			s.w.beats.reached(one.symbol, s.heard, one.cursor.eventNS/nanosPerMilli)
		}
	}
	return s.w.beats.tell(ctx, true, 0)
}
