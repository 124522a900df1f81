package serve

import (
	"container/heap"
	"time"
)

// catchUp is how long a stream waits for the hub to get to the position that its
// client comes with. The node a client comes from may have been a moment ahead of
// this one: followers of one log differ by some ten milliseconds, and by a second
// while partitions move.
//
// An id is only text, so anybody can name a position that never comes. Such a
// wait is worth nothing to whoever asks for it: the stream has been admitted and
// counted by all limits of streams before, an ordinary one may stay for
// max_duration, and besides its own goroutine, which sleeps, it has one entry in a
// heap, which nobody looks at before the position is reached. It ends with the
// client, with a drain, and after catchUp with the reset that there was before; ids
// of other logs get theirs at once.
const catchUp = 2 * time.Second

// arrival is a stream that waits until its partition gets to a point. It is guarded
// by the Hub.
type arrival struct {
	sub *Subscriber
	p   int
	at  point
	i   int // in the heap, -1 outside
}

// arrivals is the heap of one partition, the nearest point first: a batch must not
// look at all streams that wait, or ten thousand ids of the future would slow the
// hub down.
type arrivals []*arrival

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at.compare(a[j].at) < 0 }

// Swap is of heap.Interface, as are Push and Pop.
func (a arrivals) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].i, a[j].i = i, j
}

func (a *arrivals) Push(x any) {
	w := x.(*arrival) //nolint:forcetypeassert // pushed by this file alone
	w.i = len(*a)
	*a = append(*a, w)
}

func (a *arrivals) Pop() any {
	last := len(*a) - 1
	w := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	w.i = -1
	return w
}

// behind tells until when the stream waits before it joins; the zero time means
// that it may join now. The loop calls it again whenever something wakes it.
func (s *Subscriber) behind(now time.Time) time.Time {
	if s.opts.LastEventID == "" {
		return time.Time{}
	}
	if s.patience.IsZero() {
		s.patience = now.Add(catchUp)
	}
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.giveUp(s)
	if s.goal == nil {
		at, err := parsePosition(s.opts.LastEventID, h.cfg.LogID, len(h.parts))
		if err != nil {
			return time.Time{} // of another log: no time makes it ours
		}
		s.goal = at
	}
	if now.Before(s.patience) && !s.closed {
		for p, at := range s.goal {
			if at.compare(h.at[p]) > 0 {
				s.arrival = arrival{sub: s, p: p, at: at}
				heap.Push(&h.parts[p].awaited, &s.arrival)
				return s.patience
			}
		}
	}
	s.goal = nil
	return time.Time{}
}

// arrive wakes the streams whose point partition p has reached. The caller holds
// the lock.
func (h *Hub) arrive(p int) {
	waiting := &h.parts[p].awaited
	for len(*waiting) > 0 && (*waiting)[0].at.compare(h.at[p]) <= 0 {
		s := (*waiting)[0].sub
		h.giveUp(s)
		s.nudge()
	}
}

// giveUp takes the stream out of the heap it may stand in. The caller holds the
// lock.
func (h *Hub) giveUp(s *Subscriber) {
	if a := &s.arrival; a.sub != nil {
		heap.Remove(&h.parts[a.p].awaited, a.i)
		*a = arrival{}
	}
}
