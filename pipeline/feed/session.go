package feed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// session is the state of a stream over its connections, under one lock.
type session struct {
	w      *WebSocket
	fence  int64
	reader *adapter.Reader

	streams map[string]*stream
	folded  map[string]*stream // by symbols in lower case, nil where two are one
	order   []*stream
	ready   []adapter.Trade // accepted and not delivered yet
	held    int
	heard   time.Time // when the venue last gave a sign of life
	looked  time.Time // when waiting trades were last looked at
	refusal refusal   // of a subscription
	partial bool      // some symbols are not subscribed yet
	// restarted is a symbol whose ids the venue has begun anew, empty none.
	restarted string

	waiting []*stream // for a filler, in order
	idle    []*puller // fillers without a stream
	filled  chan fillResult
	life    context.Context // of the fillers
	cancel  context.CancelFunc
	why     error  // of the newest fill, nil when it was answered
	told    string // of that in the status
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
	s.fold()
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

// fold finds the streams by their symbols in lower case, where that means one of them:
// Binance takes btcusdt for a subscription and writes BTCUSDT of it.
func (s *session) fold() {
	s.folded = map[string]*stream{}
	for _, one := range s.order {
		name := strings.ToLower(one.symbol)
		if _, twice := s.folded[name]; twice {
			s.folded[name] = nil
			continue
		}
		s.folded[name] = one
	}
}

// stream is that of a symbol as the venue spells it, nil of none.
func (s *session) stream(symbol string) *stream {
	if one := s.streams[symbol]; one != nil {
		return one
	}
	return s.folded[strings.ToLower(symbol)]
}

// run reads one connection until it breaks.
func (s *session) run(ctx context.Context) error {
	c, err := s.w.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	s.heard = s.w.Clock.Now()
	s.partial = c.subscribed != nil
	s.connected()
	subscribed := c.subscribed
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
			s.arrive(c.took(a))
		case r := <-s.filled:
			s.settle(r)
		case <-subscribed:
			subscribed = nil
			s.complete()
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
		s.arrive(c.took(<-c.in))
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
		w.trouble("")
	}
	if s.partial {
		w.beats.failed("", failuresDown)
	} else {
		s.restored()
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

// restored tells that the source is there again, as far as the venue takes it.
func (s *session) restored() {
	if s.refusal.why == nil && !s.partial {
		s.w.beats.forget("")
	}
}

// complete goes on when all symbols are subscribed. What happened with the last of them
// before they were stands in no answer and in no frame: it is asked for now.
func (s *session) complete() {
	s.partial = false
	s.restored()
	for _, one := range s.order {
		one.again = true
		if !one.filling && !one.cursor.empty() {
			s.ask(one)
		}
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
	if one := s.stream(m.Symbol); one != nil && m.LastID > one.expect {
		one.expect = m.LastID
	}
	for _, t := range w.usable(m.Trades) {
		one := s.stream(string(t.Symbol))
		if one == nil && len(s.order) == 1 && string(t.Symbol) == adapter.Nameless {
			one = s.order[0] // the only symbol there is, and the venue does not name it
		}
		if one == nil {
			w.refuse(core.ReasonSymbol, "symbol")
			continue
		}
		t.Symbol = []byte(one.symbol)
		s.accept(one, t)
	}
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
	case s.restarted != "":
		text = fmt.Sprintf("the venue has begun the ids of %s anew: its trades have ids of others and are refused (another symbol_prefix keeps them apart)", s.restarted)
	}
	if text != s.told {
		s.told = text
		s.w.trouble(text)
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
		if s.refusal.why == nil && !s.partial && !one.filling && len(one.held) == 0 && one.failed.IsZero() {
			s.w.beats.reached(one.symbol, s.heard, one.cursor.eventNS/nanosPerMilli)
		}
	}
	s.w.beats.tell(true, 0)
}
