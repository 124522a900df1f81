package feed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

const (
	// reorderTime is how long a missing id may come after all, out of order.
	reorderTime = 250 * time.Millisecond
	// holdTime is how long trades wait behind a hole that cannot be asked for, or
	// that is asked for while the venue answers nothing: one that bans us from its
	// answers goes on with its stream.
	holdTime = 30 * time.Second
	// maxHeld is how many trades of a feed wait behind holes, asked for or not.
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
	looked  time.Time // when waiting trades were last looked at
	refusal refusal   // of a subscription

	waiting []*stream // for a filler, in order
	idle    []*puller // fillers without a stream
	filled  chan fillResult
	life    context.Context // of the fillers
	cancel  context.CancelFunc
	why     error  // of the newest fill, nil when it was answered
	told    string // of that in the status
}

type fillResult struct {
	s    *stream
	p    *puller
	done bool
	err  error
}

func newSession(w *WebSocket, fence int64, last map[string]LastTrade) (*session, error) {
	r, err := w.reader()
	if err != nil {
		return nil, err
	}
	s := &session{
		w: w, fence: fence, reader: r, streams: map[string]*stream{}, looked: w.Clock.Now(),
		filled: make(chan fillResult, fillers),
	}
	for _, symbol := range w.Symbols {
		one := &stream{symbol: symbol}
		if t, found := last[symbol]; found {
			one.cursor.seed(t)
		}
		s.streams[symbol] = one
		s.order = append(s.order, one)
	}
	s.life, s.cancel = context.WithCancel(context.Background())
	if !w.fills() {
		return s, nil
	}
	for range fillers {
		p, err := newPuller(w.live, w.fetch, w.out)
		if err != nil {
			s.cancel()
			return nil, err
		}
		s.idle = append(s.idle, p)
	}
	return s, nil
}

func (s *session) close() {
	s.cancel()
	for _, one := range s.order {
		if one.work != nil {
			one.work.Wait()
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
			if err := s.refusal.ends(s.w.Clock.Now(), s.hears()); err != nil {
				return s.end(ctx, c, err)
			}
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
			s.beat()
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
	s.refusal.connected(w.Clock.Now())
	if s.refusal.why == nil {
		w.beats.forget("")
		w.trouble("")
	}
	s.told = ""
	for _, one := range s.order {
		one.again, one.heard = true, false
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
	s.waiting = append(s.waiting, one)
	s.start()
}

// start gives waiting streams to idle fillers. A stream belongs to its filler
// until the result is out, for which there is room: whatever a filler has
// delivered is on the topic before a trade that is held.
func (s *session) start() {
	for len(s.waiting) > 0 && len(s.idle) > 0 {
		one, p := s.waiting[0], s.idle[0]
		s.waiting, s.idle = s.waiting[1:], s.idle[1:]
		asking, stop := context.WithCancel(s.life)
		one.stop = stop
		one.work = safego.Go("feed backfill", func(err error) { s.filled <- fillResult{one, p, false, err} }, func() {
			done, err := p.pull(s.life, asking, one.symbol, &one.cursor, s.fence)
			s.filled <- fillResult{one, p, done, err}
		})
	}
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
		s.refused(cut(m.Text))
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
	one.heard = true
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

// settle goes on with a stream that its filler has given back.
func (s *session) settle(r fillResult) {
	one := r.s
	s.release(r)
	one.failed = time.Time{}
	if r.err != nil || !r.done || one.again {
		one.again = one.again && r.err != nil
		one.failed = s.w.Clock.Now()
	}
	if r.err == nil && !r.done && len(one.held) > 0 {
		one.since = s.w.Clock.Now() // the venue gives what is missing, and there is more of it
	}
	s.unhold(one)
}

// release takes a stream back from its filler, which gets the next one.
func (s *session) release(r fillResult) {
	r.s.stop()
	r.s.filling, r.s.stop = false, nil
	s.idle = append(s.idle, r.p)
	if !errors.Is(r.err, context.Canceled) {
		s.why = r.err
	}
	s.start()
}

// recall takes a stream back whose hole has been asked for long enough, and
// reports whether it is open still. What was answered is delivered first, and
// after it nothing comes: an answer of later would bring old trades behind new.
func (s *session) recall(ctx context.Context, one *stream) (open bool, err error) {
	if at := slices.Index(s.waiting, one); at >= 0 {
		s.waiting = slices.Delete(s.waiting, at, at+1)
		one.filling = false
	}
	if one.filling {
		one.stop()
	}
	for one.filling {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case r := <-s.filled:
			if r.s == one && (r.err != nil || !r.done) {
				s.release(r)
				continue
			}
			s.settle(r)
		}
	}
	return len(one.held) > 0, nil
}

// look deals with holes that have become old. What was accepted goes out before
// anything is asked for: a filler writes for itself, and who dies with the trades
// behind a hole on the topic and those in front of it in memory has lost these.
func (s *session) look(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	now := s.w.Clock.Now()
	s.resume(now)
	for _, one := range s.order {
		if err := s.lookAt(ctx, one, now); err != nil {
			return err
		}
		if err := s.flush(ctx); err != nil { // before the next one is asked for
			return err
		}
	}
	if s.refusal.over(now) {
		s.w.beats.forget("")
	}
	s.poll(now)
	s.tell()
	return nil
}

// resume leaves out of the time that trades have waited what passed while nobody
// looked at them: without a connection, or with a topic that took nothing,
// from a filler neither.
func (s *session) resume(now time.Time) {
	away := now.Sub(s.looked)
	s.looked = now
	if away < holdTime/2 {
		return
	}
	for _, one := range s.order {
		if waited := now.Sub(one.since); !one.since.IsZero() && waited > reorderTime {
			one.since = now.Add(-max(waited-away, reorderTime))
		}
	}
}

// lookAt asks for a hole, and gives it up when it is too old or too much waits
// behind it, also while it is being asked for: that may last as long as a ban.
func (s *session) lookAt(ctx context.Context, one *stream, now time.Time) error {
	if len(one.held) == 0 {
		if !one.filling {
			s.lookAtWord(one, now)
		}
		return nil
	}
	if now.Sub(one.since) < reorderTime {
		return nil
	}
	if s.w.fills() && !s.full(one) && now.Sub(s.waitsSince(one)) < holdTime {
		if now.Sub(one.failed) >= time.Second {
			s.ask(one)
		}
		return nil
	}
	open, err := s.recall(ctx, one)
	if err == nil && open {
		s.giveUp(one)
	}
	return err
}

// full reports whether a stream holds its share or more while all hold too much.
// Those that hold little are left their time.
func (s *session) full(one *stream) bool {
	return s.held >= maxHeld && len(one.held) >= maxHeld/len(s.order)
}

// waitsSince is from when the time of a hole counts. While the venue answers, a
// hole whose turn comes is not given up: with many symbols, or after a long time
// away, that takes longer.
func (s *session) waitsSince(one *stream) time.Time {
	if at := s.w.fetch.breaker.answered(); one.filling && at.After(one.since) {
		return at
	}
	return one.since
}

// tell says in the status what the venue refused, or what keeps holes from being
// filled, as long as it does.
func (s *session) tell() {
	why := s.w.fetch.breaker.refuses()
	if why == nil && slices.ContainsFunc(s.order, func(one *stream) bool { return one.filling || !one.failed.IsZero() }) {
		why = s.why
	}
	text := ""
	switch {
	case s.refusal.why != nil:
		text = s.refusal.why.Error()
	case why != nil:
		text = "filling a hole: " + why.Error()
	}
	if text != s.told {
		s.told = text
		s.w.trouble(text)
	}
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
func (s *session) beat() {
	for _, one := range s.order {
		if s.refusal.why == nil && !one.filling && len(one.held) == 0 && one.failed.IsZero() {
			s.w.beats.reached(one.symbol, s.heard, one.cursor.eventNS/nanosPerMilli)
		}
	}
	s.w.beats.tell(true, 0)
}
