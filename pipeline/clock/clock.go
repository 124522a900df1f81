// Package clock is the pipeline's only way to the wall clock and to timers.
//
// What the pipeline publishes is a function of its logs. Time that decides
// something therefore comes in as data, and time that only paces something
// (a ticker, a deadline) comes through the Clock interface, so that a test can
// drive it. Outside this package the linter forbids time.Now.
//
// The central type is Clock. Real gives the machine's clock, Fake one that
// stands still until a test moves it.
//
// It does not measure: benchmarks use the testing package's own timers.
package clock

import "time"

// Clock tells the time and makes timers.
type Clock interface {
	// Now is the wall-clock time.
	Now() time.Time
	// NewTimer returns a timer that fires once after d.
	NewTimer(d time.Duration) Timer
	// NewTicker returns a ticker that fires every d; d must be positive.
	NewTicker(d time.Duration) Ticker
}

// Timer fires once.
type Timer interface {
	// C delivers the time of firing.
	C() <-chan time.Time
	// Stop prevents the timer from firing and reports whether it did.
	Stop() bool
	// Reset makes the timer fire after d from now on.
	Reset(d time.Duration) bool
}

// Ticker fires again and again.
type Ticker interface {
	// C delivers the times of firing; a slow receiver misses some.
	C() <-chan time.Time
	// Stop ends the ticker.
	Stop()
}

// Real returns the machine's clock.
func Real() Clock { return realClock{} }

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() } //nolint:forbidigo // the one place
func (realClock) NewTimer(d time.Duration) Timer {
	return realTimer{time.NewTimer(d)}
}

func (realClock) NewTicker(d time.Duration) Ticker {
	return realTicker{time.NewTicker(d)}
}

type realTimer struct{ *time.Timer }

func (t realTimer) C() <-chan time.Time { return t.Timer.C }

type realTicker struct{ *time.Ticker }

func (t realTicker) C() <-chan time.Time { return t.Ticker.C }

var _ Clock = realClock{}
