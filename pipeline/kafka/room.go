package kafka

import (
	"context"
	"sync"
)

// room is a number of bytes that many share. Who comes first gets its part
// first, so that a large one is not passed by small ones for ever.
type room struct {
	all  int
	door chan struct{} // one waits for room, the others for the door

	mu   sync.Mutex // protects the rest
	free int
	more chan struct{} // closed when there is more
}

func newRoom(bytes int) *room {
	return &room{all: bytes, free: bytes, door: make(chan struct{}, 1), more: make(chan struct{})}
}

// take waits for n bytes, or for all of them where n is more, and returns what
// is to be given back.
func (r *room) take(ctx context.Context, n int) (held int, err error) {
	select {
	case r.door <- struct{}{}:
		defer func() { <-r.door }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n = min(n, r.all); ; {
		r.mu.Lock()
		if ctx.Err() == nil && r.free >= n {
			r.free -= n
			r.mu.Unlock()
			return n, nil
		}
		more := r.more
		r.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// give gives back what take has returned.
func (r *room) give(held int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free += held
	close(r.more)
	r.more = make(chan struct{})
}
