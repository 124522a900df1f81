package kafka

import (
	"sync"
	"time"
)

// handover is how long records may be on their way from an answer to their
// worker.
const handover = 100 * time.Millisecond

// hearing remembers when the brokers answered our fetches: an answer without
// records is never polled, and still says that there are none.
type hearing struct {
	mu sync.Mutex // protects at
	at map[int32]answers
}

// answers are the times of the newest two answers of a broker.
type answers struct{ last, before time.Time }

func (h *hearing) note(broker int32, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at == nil {
		h.at = map[int32]answers{}
	}
	h.at[broker] = answers{last: now, before: h.at[broker].last}
}

// of is when broker last gave an answer whose records have been handed over.
func (h *hearing) of(broker int32, now time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.at[broker]
	if now.Sub(a.last) < handover {
		return a.before
	}
	return a.last
}

// Heard returns up to when everything in p is known: the time of the last answer
// of its leader to a fetch, or of its restore. While the network stands still it
// stays where it is, and records may wait in the log that nobody here knows of.
func (c *Client) Heard(p int32) time.Time {
	c.mu.Lock()
	var at time.Time
	if pt := c.parts[p]; pt != nil {
		at = pt.restored
	}
	c.mu.Unlock()
	leader, _, err := c.cl.PartitionLeader(c.cfg.Topics.Input, p)
	if err != nil {
		return at
	}
	if heard := c.heard.of(leader, c.now()); heard.After(at) {
		return heard
	}
	return at
}
