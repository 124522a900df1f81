package serve

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// drainer tells all streams of the process to end, spread over a window: were
// they cut at once, the nodes that remain would get all reconnects in one
// second.
type drainer struct {
	signal chan struct{} // closed by start
	mu     sync.Mutex    // protects until, started
	until  time.Time
	start  bool
}

// closing is the time at which a stream that asks now has to end, uniform over
// what is left of the window; the zero time before a drain.
func (d *drainer) closing(now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.start {
		return time.Time{}
	}
	left := d.until.Sub(now)
	if left <= 0 {
		return now
	}
	return now.Add(time.Duration(rand.Int64N(int64(left))))
}

// Drain ends every stream, also those that come later: each says bye drain at a
// time uniform over [0, window). It returns at once and acts once.
func (h *Hub) Drain(window time.Duration) {
	d := &h.drainer
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.start {
		return
	}
	d.start = true
	d.until = h.cfg.Clock.Now().Add(window)
	close(d.signal)
}

// AwaitEmpty returns when no stream is open any more, or with the error of ctx.
func (h *Hub) AwaitEmpty(ctx context.Context) error {
	for {
		h.mu.Lock()
		if h.streams == 0 {
			h.mu.Unlock()
			return nil
		}
		if h.gone == nil {
			h.gone = make(chan struct{})
		}
		gone := h.gone
		h.mu.Unlock()
		select {
		case <-gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
