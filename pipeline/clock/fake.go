package clock

import (
	"sync"
	"time"
)

// Fake is a Clock that stands still until Advance moves it. The zero value
// starts at the zero time; NewFake picks the start.
type Fake struct {
	mu     sync.Mutex // protects now and timers
	now    time.Time
	timers map[*fakeTimer]struct{}
}

// NewFake returns a clock that shows start.
func NewFake(start time.Time) *Fake {
	return &Fake{now: start, timers: map[*fakeTimer]struct{}{}}
}

// Now returns the time the test has set.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// NewTimer returns a timer that fires when Advance reaches its time.
func (f *Fake) NewTimer(d time.Duration) Timer { return f.add(d, 0) }

// NewTicker returns a ticker that fires when Advance passes each of its times.
func (f *Fake) NewTicker(d time.Duration) Ticker { return fakeTicker{f.add(d, d)} }

// Advance moves the clock by d and fires everything that became due. A timer
// whose channel is still full loses the tick, as the real ones do.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	for t := range f.timers {
		t.fire(f.now)
	}
}

// Due tells whether a timer becomes due in d exactly: somebody has begun to wait for
// that long, and the clock has stood still since.
func (f *Fake) Due(d time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for t := range f.timers {
		if t.armed && t.at.Equal(f.now.Add(d)) {
			return true
		}
	}
	return false
}

func (f *Fake) add(d, period time.Duration) *fakeTimer {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &fakeTimer{clock: f, c: make(chan time.Time, 1), at: f.now.Add(d), period: period, armed: true}
	f.timers[t] = struct{}{}
	t.fire(f.now)
	return t
}

type fakeTimer struct {
	clock  *Fake
	c      chan time.Time
	at     time.Time
	period time.Duration
	armed  bool
}

func (t *fakeTimer) fire(now time.Time) {
	for t.armed && !t.at.After(now) {
		select {
		case t.c <- t.at:
		default:
		}
		if t.period == 0 {
			t.armed = false
			return
		}
		t.at = t.at.Add(t.period)
	}
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.armed
	t.armed = false
	delete(t.clock.timers, t)
	return was
}

func (t *fakeTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.armed
	t.armed = true
	t.at = t.clock.now.Add(d)
	t.clock.timers[t] = struct{}{}
	t.fire(t.clock.now)
	return was
}

type fakeTicker struct{ *fakeTimer }

func (t fakeTicker) Stop() { t.fakeTimer.Stop() }

var _ Clock = (*Fake)(nil)
