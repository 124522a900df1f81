package feed

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

var errRefused = errors.New("the venue refused")

const (
	// refusedRow is how many connections in a row a refusal ends at once: some
	// venues refuse what comes too fast and take it a moment later.
	refusedRow = 3
	// refusedTime is how long the next one is kept for the symbols that it does
	// carry: with a name that the venue will never know they were else heard
	// between two connections alone.
	refusedTime = 5 * time.Minute
	// acceptedTime is how long a connection must live without a refusal before
	// anything is promised again: the answer may come behind the first frames.
	acceptedTime = 10 * time.Second
)

// refusal is that a venue did not take a subscription. Most do not say which
// symbols that concerns.
type refusal struct {
	why   error // the venue's word, nil since a connection was accepted
	row   int   // refused connections, one after the other
	here  bool  // it came over this connection
	since time.Time
}

// connected begins another connection.
func (r *refusal) connected(now time.Time) { r.here, r.since = false, now }

// came notes a refusal over this connection.
func (r *refusal) came(text string, now time.Time) {
	r.why = fmt.Errorf("subscribing: %w: %s", errRefused, text)
	if !r.here {
		r.here, r.since = true, now
		r.row++
	}
}

// over forgets a refusal of before when this connection has lived without one,
// and reports whether it did.
func (r *refusal) over(now time.Time) bool {
	if r.why == nil || r.here || now.Sub(r.since) < acceptedTime {
		return false
	}
	*r = refusal{}
	return true
}

// ends returns why this connection is to be ended, nil while it is worth being
// kept. One over which nothing is heard is given no more time than the pause
// between two would be.
func (r *refusal) ends(now time.Time, heard bool) error {
	keep := maxReconnect
	switch {
	case !r.here:
		return nil
	case r.row <= refusedRow:
		keep = 0
	case heard:
		keep = refusedTime
	}
	if now.Sub(r.since) < keep {
		return nil
	}
	return r.why
}

// refused tells that the venue did not take a subscription. The source is down
// until it does: nobody knows what happens meanwhile.
func (s *session) refused(text string) {
	w := s.w
	s.refusal.came(text, w.Clock.Now())
	w.Observer.FeedError(w.SourceName, reasonRefused)
	w.beats.failed("", failuresDown)
	w.Log.Warn("the venue refused a subscription", "source", w.SourceName, "says", text)
}

// hears reports whether a trade came over this connection.
func (s *session) hears() bool {
	return slices.ContainsFunc(s.order, func(one *stream) bool { return one.heard })
}

// poll asks for the stream that was not asked for the longest, of those that the
// venue may have refused. Half of the fillers are left to holes, behind which
// trades of the others wait.
func (s *session) poll(now time.Time) {
	if !s.refusal.here || len(s.idle) <= fillers/2 {
		return
	}
	var next *stream
	for _, one := range s.order {
		if one.heard || one.filling || one.cursor.empty() || now.Sub(one.polled) < time.Second {
			continue
		}
		if next == nil || one.polled.Before(next.polled) {
			next = one
		}
	}
	if next != nil {
		next.polled = now
		s.ask(next)
	}
}
