package pipeline

import (
	"sync"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// queueLimit is the number of batches of at most 1 MiB that wait for a worker
// before its partition is paused. Reading goes on at half of it.
const queueLimit = 4

// queue hands batches from the poll loop to a worker. Putting never blocks,
// because a blocked poll loop stops the whole group; what bounds the queue is
// that the partition is paused at queueLimit. A fetch that was under way then
// still arrives, so the slice may grow beyond the limit by one fetch.
type queue struct {
	pause, resume func()

	mu     sync.Mutex // protects the fields below
	items  []*kafka.Batch
	paused bool
	closed bool
	// wake holds one token while items may be waiting.
	wake chan struct{}
}

func newQueue(pause, resume func()) *queue {
	return &queue{pause: pause, resume: resume, wake: make(chan struct{}, 1)}
}

// put appends a batch; a closed queue releases it.
func (q *queue) put(b *kafka.Batch) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		b.Release()
		return
	}
	q.items = append(q.items, b)
	if len(q.items) >= queueLimit && !q.paused {
		// Under the lock: a worker that takes two batches meanwhile must not
		// resume before the pause, or the partition is silent for ever.
		q.paused = true
		q.pause()
	}
	q.mu.Unlock()
	q.signal()
}

// take returns the oldest batch, or nil.
func (q *queue) take() *kafka.Batch {
	q.mu.Lock()
	if len(q.items) == 0 {
		q.mu.Unlock()
		return nil
	}
	b := q.items[0]
	q.items[0] = nil
	q.items = q.items[1:]
	more := len(q.items) > 0
	if q.paused && len(q.items) <= queueLimit/2 {
		q.paused = false
		q.resume()
	}
	q.mu.Unlock()
	if more {
		q.signal()
	}
	return b
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// state is the number of waiting batches and whether the partition is paused.
func (q *queue) state() (n int, paused bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items), q.paused
}

// close releases what waits and refuses more.
func (q *queue) close() {
	q.mu.Lock()
	items := q.items
	q.items, q.closed = nil, true
	q.mu.Unlock()
	for _, b := range items {
		b.Release()
	}
}
