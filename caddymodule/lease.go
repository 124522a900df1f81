package caddymodule

import (
	"context"
	"slices"
	"sync"
)

// leaseTable knows which names are taken. A name is what only one engine of
// this process may use at a time: a member of a consumer group, the folder and
// the port of an embedded broker.
//
// A reload with another key starts the new engine before the old one is
// destroyed. Without the lease the group would have two members of the same
// process for that time, and the embedded broker would find its own port taken.
type leaseTable struct {
	mu      sync.Mutex // protects taken and changed
	taken   map[string]bool
	changed chan struct{} // closed and replaced when a name is given back
}

func newLeaseTable() *leaseTable {
	return &leaseTable{taken: make(map[string]bool), changed: make(chan struct{})}
}

// try takes all names or none.
func (t *leaseTable) try(names []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tryLocked(names)
}

func (t *leaseTable) tryLocked(names []string) bool {
	if slices.ContainsFunc(names, func(n string) bool { return t.taken[n] }) {
		return false
	}
	for _, n := range names {
		t.taken[n] = true
	}
	return true
}

// held tells whether a name is taken.
func (t *leaseTable) held(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[name]
}

// wait takes all names as soon as they are free. Taking them together means
// that two waiters cannot hold one half each.
func (t *leaseTable) wait(ctx context.Context, names []string) error {
	for {
		t.mu.Lock()
		ok, changed := t.tryLocked(names), t.changed
		t.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// release gives the names back.
func (t *leaseTable) release(names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range names {
		delete(t.taken, n)
	}
	close(t.changed)
	t.changed = make(chan struct{})
}
