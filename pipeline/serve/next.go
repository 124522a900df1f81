package serve

import (
	"context"
	"io"
	"math/rand/v2"
	"time"
)

const (
	// busyRetry is how long a client of a full process stays away, ms.
	busyRetry = 30000
	// keptBuffer is the largest buffer a stream keeps between two writes: what it joined
	// with may be 1 MiB, and thousands of streams that say little would hold it for good.
	keptBuffer = 64 << 10
)

// Next returns the bytes to write and flush, and waits until there are some.
// They are valid until the next call. The first call returns the retry block at
// once: it goes out before anything is looked up. io.EOF is the orderly end,
// behind a bye; ErrSlow means that the connection is to be closed; otherwise
// the error is that of ctx. One goroutine calls it.
func (s *Subscriber) Next(ctx context.Context) ([]byte, error) {
	if s.buf = s.buf[:0]; cap(s.buf) > keptBuffer {
		s.buf = nil
	}
	s.began = false
	switch {
	case s.stage == stageEnd:
		return nil, io.EOF
	case s.busy:
		s.stage = stageEnd
		s.buf = appendRetry(s.buf, busyRetry)
		return s.farewell("busy", busyRetry), nil
	case s.stage == stageRetry:
		s.stage = stageJoin
		s.buf = appendRetry(s.buf, 1000+rand.Int64N(2001))
		return s.wrote(), nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := s.hub.cfg.Clock.Now()
		out, due, err := s.step(ctx, now)
		if out != nil || err != nil {
			return out, err
		}
		if err := s.wait(ctx, due.Sub(now)); err != nil {
			return nil, err
		}
	}
}

// step does what is due now, or says when something will be.
func (s *Subscriber) step(ctx context.Context, now time.Time) (out []byte, due time.Time, err error) {
	if reason := s.ending(now); reason != "" {
		return s.end(reason), now, nil
	}
	var patience time.Time
	if s.stage == stageJoin && s.hub.Ready() {
		if patience = s.behind(now); patience.IsZero() {
			s.stage = stageLive
			if s.buf = s.begin(ctx, s.buf); len(s.buf) > 0 {
				s.began = true
				return s.wrote(), now, nil
			}
		}
	}
	due, slow := s.take(now)
	if slow {
		s.stage = stageEnd
		return nil, now, ErrSlow
	}
	if len(s.buf) > 0 {
		return s.wrote(), now, nil
	}
	beat := s.quiet.Add(s.opts.Heartbeat)
	if !now.Before(beat) && s.heartbeat() {
		return s.wrote(), now, nil
	}
	return nil, earliest(due, beat, patience, s.ends, s.drain), nil
}

// take moves what may be written into s.buf. Frames that must arrive go at once
// and, without an every=, take the forming ones along; those alone wait for
// their window. It returns when the window ends.
func (s *Subscriber) take(now time.Time) (due time.Time, slow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slow {
		return now, true
	}
	flush := len(s.queue) > 0 && s.opts.Every == 0
	for i, f := range s.queue {
		s.buf = append(s.buf, f.event...)
		s.queue[i] = nil
	}
	s.queue, s.queued = s.queue[:0], 0
	if len(s.dirty) == 0 {
		return time.Time{}, false
	}
	due = s.since.Add(formingWindow)
	if next := s.shown.Add(s.opts.Every); next.After(due) {
		due = next
	}
	if !flush && now.Before(due) {
		return due, false
	}
	for _, i := range s.dirty {
		sl := &s.slots[i]
		sl.dirty = false
		if sl.forming != nil {
			s.buf = append(s.buf, sl.forming.event...)
			sl.forming = nil
		}
	}
	s.dirty = s.dirty[:0]
	s.shown = now
	return time.Time{}, false
}

// heartbeat writes the position of the hub, which is the stream's too while
// nothing waits for it. Before the stream has joined it writes no id: the
// client must keep the one it came with.
func (s *Subscriber) heartbeat() bool {
	h := s.hub
	id := ""
	if s.stage == stageLive {
		h.mu.RLock()
		s.mu.Lock()
		pending := len(s.queue) > 0 || s.slow
		s.mu.Unlock()
		id = h.id
		h.mu.RUnlock()
		if pending {
			return false
		}
	}
	s.buf, _, _ = appendEvent(s.buf, []byte(id), eventPos, []byte(`{}`))
	return true
}

// ending returns the reason to say bye now, "" = none.
func (s *Subscriber) ending(now time.Time) string {
	s.mu.Lock()
	bye := s.bye
	s.mu.Unlock()
	if bye != "" {
		return bye
	}
	if s.drain.IsZero() {
		s.drain = s.hub.drainer.closing(now)
	}
	if !s.drain.IsZero() && !now.Before(s.drain) {
		return "drain"
	}
	if !s.ends.IsZero() && !now.Before(s.ends) {
		return "rotate"
	}
	return ""
}

// end writes what still waits, if the stream kept up, and the bye.
func (s *Subscriber) end(reason string) []byte {
	s.stage = stageEnd
	s.mu.Lock()
	for _, f := range s.queue {
		s.buf = append(s.buf, f.event...)
	}
	s.queue = nil
	s.mu.Unlock()
	return s.farewell(reason, 1000+rand.Int64N(9001))
}

// farewell writes the bye with the time to stay away, ms.
func (s *Subscriber) farewell(reason string, retry int64) []byte {
	json := appendText([]byte(`{"reason":`), reason)
	json = append(appendInt(json, `,"retry":`, retry), '}')
	if reason == "drain" {
		s.buf = appendRetry(s.buf, retry)
	}
	s.buf, _, _ = appendEvent(s.buf, nil, eventBye, json)
	return s.buf
}

func (s *Subscriber) wrote() []byte {
	s.quiet = s.hub.cfg.Clock.Now()
	return s.buf
}

// wait sleeps for d, or until the hub, the drain or the client wakes the loop.
func (s *Subscriber) wait(ctx context.Context, d time.Duration) error {
	if s.timer == nil {
		s.timer = s.hub.cfg.Clock.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	defer s.timer.Stop()
	ready := s.hub.ready
	if s.stage != stageJoin || s.hub.Ready() {
		ready = nil // closed, it would wake a stream that waits for its position at once, again and again
	}
	drain := s.hub.drainer.signal
	if !s.drain.IsZero() {
		drain = nil
	}
	select {
	case <-s.wake:
	case <-s.timer.C():
	case <-ready:
	case <-drain:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// earliest returns the first of the times that are set.
func earliest(ts ...time.Time) time.Time {
	var first time.Time
	for _, t := range ts {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
