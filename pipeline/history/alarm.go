package history

import (
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// alarm is a timer that is set once and keeps its time when it is set again.
type alarm struct {
	clock clock.Clock
	timer clock.Timer
	d     time.Duration
}

func newAlarm(c clock.Clock) *alarm { return &alarm{clock: c} }

// C delivers the time of ringing; nil while the alarm is not set.
func (a *alarm) C() <-chan time.Time {
	if a.timer == nil {
		return nil
	}
	return a.timer.C()
}

// set makes the alarm ring after d, 0 never. An alarm that rings earlier
// already stays.
func (a *alarm) set(d time.Duration) {
	if a.timer != nil && d != 0 && a.d <= d {
		return
	}
	a.stop()
	if d != 0 {
		a.timer, a.d = a.clock.NewTimer(d), d
	}
}

// rang takes note that the alarm has delivered.
func (a *alarm) rang() { a.timer, a.d = nil, 0 }

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.rang()
}
