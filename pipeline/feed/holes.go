package feed

import (
	"context"
	"time"
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
		s.restored()
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
