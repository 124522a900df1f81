package feed

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// turn is when a symbol is asked for next, and how far it is. It belongs to the
// worker that has taken it.
type turn struct {
	symbol   string
	cursor   cursor
	due      time.Time
	failures int
}

// turns hand out symbols in order of when they are due.
type turns struct {
	clock clock.Clock

	mu   sync.Mutex // protects the rest
	list turnHeap
	wake chan struct{} // closed when an earlier turn came in
}

func newTurns(c clock.Clock) *turns { return &turns{clock: c, wake: make(chan struct{})} }

func (t *turns) add(one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	heap.Push(&t.list, one)
	if t.list[0] == one {
		close(t.wake)
		t.wake = make(chan struct{})
	}
}

// next waits for the first turn that is due.
func (t *turns) next(ctx context.Context) (*turn, error) {
	for {
		t.mu.Lock()
		wait, wake := time.Hour, t.wake
		if len(t.list) > 0 {
			wait = t.list[0].due.Sub(t.clock.Now())
		}
		if wait <= 0 {
			one := heap.Pop(&t.list).(*turn)
			t.mu.Unlock()
			return one, nil
		}
		t.mu.Unlock()
		timer := t.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-wake:
			timer.Stop()
		case <-timer.C():
		}
	}
}

type turnHeap []*turn

// Len implements heap.Interface.
func (h turnHeap) Len() int { return len(h) }

// Less implements heap.Interface.
func (h turnHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

// Swap implements heap.Interface.
func (h turnHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *turnHeap) Push(x any) { *h = append(*h, x.(*turn)) }

// Pop implements heap.Interface.
func (h *turnHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
