package caddymodule

import (
	"context"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

const (
	// refusalTime is within which equal refusals are one entry, and maxRefusals is
	// how many different ones have one. Without both a client that is refused again
	// and again would wash everything else out of the audit log.
	refusalTime = time.Minute
	maxRefusals = 16
	// refusalLook is how soon the first of its kind is written.
	refusalLook = time.Second
	// refusalWait bounds the writing when the engine ends.
	refusalWait = 3 * time.Second
	// maxFresh bounds what waits for a storage that does not answer.
	maxFresh = 8 * maxRefusals
)

// refusals are requests about modules that were refused, on their way into the
// audit log. The first of a kind is written at once, those like it are counted
// and written as one entry at the end of the minute.
type refusals struct {
	mu    sync.Mutex
	fresh []registry.Entry       // to be written
	again map[registry.Entry]int // how often one that was written came again
	rest  int                    // of kinds that had no room
	lost  int                    // entries that could not be written
}

func newRefusals() *refusals { return &refusals{again: map[registry.Entry]int{}} }

// note takes a refusal.
func (r *refusals) note(e registry.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.again[e]; known {
		r.again[e]++
		return
	}
	if len(r.again) >= maxRefusals {
		r.rest++
		return
	}
	r.again[e] = 0
	r.fresh = append(r.fresh, e)
}

// take returns what has to be written; at the end of a minute with the counts.
func (r *refusals) take(end bool) []registry.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.fresh
	r.fresh = nil
	if !end {
		return out
	}
	for e, n := range r.again {
		if n > 0 {
			e.Count = n
			out = append(out, e)
		}
	}
	if r.rest+r.lost > 0 {
		out = append(out, registry.Entry{Action: registry.ActionRefused, Result: "others", Actor: "others", Note: "refusals without an entry of their own", Count: r.rest + r.lost})
	}
	clear(r.again)
	r.rest, r.lost = 0, 0
	return out
}

// back takes entries that could not be written.
func (r *refusals) back(entries []registry.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = append(entries, r.fresh...)
	for len(r.fresh) > maxFresh {
		r.lost += max(1, r.fresh[0].Count)
		r.fresh = r.fresh[1:]
	}
}

// writeRefusals writes them until ctx ends, and once more then.
func (m *modules) writeRefusals(ctx context.Context) {
	ticker := m.clock.NewTicker(refusalLook)
	defer ticker.Stop()
	minute := m.clock.Now()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalWait)
			defer cancel()
			m.writeBatch(last, m.refusals.take(true))
			return
		case <-ticker.C():
		}
		end := m.clock.Now().Sub(minute) >= refusalTime
		if end {
			minute = m.clock.Now()
		}
		m.writeBatch(ctx, m.refusals.take(end))
	}
}

func (m *modules) writeBatch(ctx context.Context, entries []registry.Entry) {
	if err := m.registry.Record(ctx, entries...); err != nil {
		m.refusals.back(entries)
		m.lent.logger().Warn("refused requests could not be entered into the audit log yet", "entries", len(entries), "error", err)
	}
}
