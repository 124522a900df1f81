package caddymodule

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// drainGrace is what awaitEmpty allows beyond the drain window for the last
// bytes on their way.
const drainGrace = time.Second

// streams counts the open streams of one engine and tells them to end. It
// belongs to the engine and not to a config: a stream that was opened under an
// earlier config would never hear a signal of the current one, and the process
// would not exit.
type streams struct {
	clock clock.Clock
	gone  func(*streams) // called once when ended and empty

	mu      sync.Mutex // protects all below
	open    int
	users   map[string]int
	ips     map[string]int
	until   time.Time             // end of the drain window
	drained chan struct{}         // closed when the drain begins
	empty   chan struct{}         // closed when the last stream ends after that
	ended   bool                  // the engine was destroyed
	beats   map[time.Duration]int // heartbeats of the handlers, of all configs that are loaded
}

// streamLimits are those of the handler that admits a stream; 0 is none.
type streamLimits struct {
	user, ip int
}

func newStreams(c clock.Clock, gone func(*streams)) *streams {
	return &streams{
		clock: c, gone: gone, users: make(map[string]int), ips: make(map[string]int), beats: make(map[time.Duration]int),
		drained: make(chan struct{}), empty: make(chan struct{}),
	}
}

// enter admits a stream of user (may be empty) from ip. The second result says
// which of the two has too many.
func (s *streams) enter(user, ip string, lim streamLimits) (leave func(), full string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user != "" && lim.user > 0 && s.users[user] >= lim.user {
		return nil, "user"
	}
	if lim.ip > 0 && s.ips[ip] >= lim.ip {
		return nil, "address"
	}
	s.open++
	if user != "" {
		s.users[user]++
	}
	s.ips[ip]++
	var once sync.Once
	return func() { once.Do(func() { s.leave(user, ip) }) }, ""
}

func (s *streams) leave(user, ip string) {
	s.mu.Lock()
	s.open--
	forgetOne(s.users, user)
	forgetOne(s.ips, ip)
	gone := s.closeIfEmptyLocked()
	s.mu.Unlock()
	if gone {
		s.gone(s)
	}
}

// forgetOne keeps the maps as small as the number of open streams.
func forgetOne(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// handled notes the heartbeat of a handler that was loaded, unhandled that it is
// gone.
func (s *streams) handled(heartbeat time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beats[heartbeat]++
}

func (s *streams) unhandled(heartbeat time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beats[heartbeat]--; s.beats[heartbeat] <= 0 {
		delete(s.beats, heartbeat)
	}
}

// silence is the longest heartbeat of a handler, 0 without one.
func (s *streams) silence() (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.beats {
		longest = max(longest, d)
	}
	return longest
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// startDrain tells all streams to end within window. A second call changes
// nothing.
func (s *streams) startDrain(window time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining() {
		return
	}
	s.until = s.clock.Now().Add(window)
	close(s.drained)
	s.closeIfEmptyLocked()
}

func (s *streams) draining() bool {
	select {
	case <-s.drained:
		return true
	default:
		return false
	}
}

// end is called when the engine is destroyed; the streams that are left finish
// on their own, and the last one removes them from the process-wide set.
func (s *streams) end() {
	s.mu.Lock()
	s.ended = true
	gone := s.closeIfEmptyLocked()
	s.mu.Unlock()
	if gone {
		s.gone(s)
	}
}

// closeIfEmptyLocked reports whether the set may forget s.
func (s *streams) closeIfEmptyLocked() bool {
	if s.open > 0 || !s.draining() {
		return false
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
	return s.ended
}

// closeAfter is when a stream ends after the drain began: uniform over what is
// left of the window, so that clients do not all come back to the remaining
// nodes in one moment.
func (s *streams) closeAfter() time.Duration {
	s.mu.Lock()
	left := s.until.Sub(s.clock.Now())
	s.mu.Unlock()
	if left <= 0 {
		return 0
	}
	return rand.N(left) // #nosec G404 -- spread, not a secret
}

// awaitEmpty returns when no stream is left, and at the latest a second after
// the drain window. Without a drain it returns at once.
func (s *streams) awaitEmpty() {
	s.mu.Lock()
	if !s.draining() {
		s.mu.Unlock()
		return
	}
	left := s.until.Add(drainGrace).Sub(s.clock.Now())
	s.mu.Unlock()
	timer := s.clock.NewTimer(max(0, left))
	defer timer.Stop()
	select {
	case <-s.empty:
	case <-timer.C():
	}
}
