package feed

import (
	"context"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// Memory is Shared for a node that is alone: locks between the feeds of one
// process, as a reload starts a feed before its predecessor has ended.
type Memory struct {
	clock clock.Clock

	mu     sync.Mutex // protects the rest
	locks  map[string]memoryLock
	fences map[string]int64
	rates  map[string]*memoryRate
}

type memoryLock struct {
	token string
	fence int64
	until time.Time
}

type memoryRate struct {
	next   time.Time // when the bucket is full again
	paused time.Time
}

// NewMemory makes a Memory.
func NewMemory(c clock.Clock) *Memory {
	return &Memory{clock: c, locks: map[string]memoryLock{}, fences: map[string]int64{}, rates: map[string]*memoryRate{}}
}

// Hold implements Shared.
func (m *Memory) Hold(_ context.Context, token string, names []string, ttl time.Duration) ([]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock.Now()
	out := make([]int64, len(names))
	for i, name := range names {
		l, held := m.locks[name]
		if held && l.token != token && now.Before(l.until) {
			continue
		}
		if !held || l.token != token || !now.Before(l.until) {
			m.fences[name]++
			l = memoryLock{token: token, fence: m.fences[name]}
		}
		l.until = now.Add(ttl)
		m.locks[name], out[i] = l, l.fence
	}
	return out, nil
}

// Release implements Shared.
func (m *Memory) Release(_ context.Context, token string, names []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		if m.locks[name].token == token {
			delete(m.locks, name)
		}
	}
	return nil
}

func (m *Memory) rate(venue string) *memoryRate {
	r := m.rates[venue]
	if r == nil {
		r = &memoryRate{}
		m.rates[venue] = r
	}
	return r
}

// Take implements Shared by the generic cell rate algorithm.
func (m *Memory) Take(_ context.Context, venue string, perSecond float64, burst int) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, r := m.clock.Now(), m.rate(venue)
	if wait := r.paused.Sub(now); wait > 0 {
		return wait, nil
	}
	each := time.Duration(float64(time.Second) / perSecond)
	next := r.next
	if next.Before(now) || next.Sub(now) > each*time.Duration(burst) { // or the clock went back
		next = now
	}
	next = next.Add(each)
	if wait := next.Sub(now) - each*time.Duration(burst); wait > 0 {
		return wait, nil
	}
	r.next = next
	return 0, nil
}

// Pause implements Shared.
func (m *Memory) Pause(_ context.Context, venue string, d time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if until := m.clock.Now().Add(d); until.After(m.rate(venue).paused) {
		m.rate(venue).paused = until
	}
	return nil
}

// Seen remembers nothing: what this process has produced its cursors know, and
// what a process before it has produced stands in the topic.
func (*Memory) Seen(_ context.Context, _, ask []string, _ time.Duration) ([]bool, error) {
	return make([]bool, len(ask)), nil
}

var _ Shared = (*Memory)(nil)
