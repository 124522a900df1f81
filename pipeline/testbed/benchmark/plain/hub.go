package plain

import "sync"

// backlog is how many events may wait for one subscriber.
const backlog = 1000

// hub offers every event to every subscriber.
type hub struct {
	run sync.WaitGroup // the follower

	mu          sync.Mutex // protects subscribers
	subscribers map[chan []byte]struct{}
}

func newHub() *hub { return &hub{subscribers: map[chan []byte]struct{}{}} }

// subscribe returns the events from now on. The channel is closed when the subscriber is too slow.
func (h *hub) subscribe() (events <-chan []byte, leave func()) {
	c := make(chan []byte, backlog)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers[c] = struct{}{}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subscribers, c)
	}
}

func (h *hub) broadcast(event []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.subscribers {
		select {
		case c <- event:
		default:
			delete(h.subscribers, c)
			close(c)
		}
	}
}
