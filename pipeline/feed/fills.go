package feed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

type fillResult struct {
	s    *stream
	p    *puller
	done bool
	err  error
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
