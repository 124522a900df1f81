package clock

import (
	"testing"
	"time"
)

func TestFakeTimerFiresOnceWhenReached(t *testing.T) {
	f := NewFake(time.Unix(100, 0))
	tm := f.NewTimer(time.Second)
	f.Advance(999 * time.Millisecond)
	select {
	case <-tm.C():
		t.Fatal("the timer fired early")
	default:
	}
	f.Advance(time.Millisecond)
	if got := <-tm.C(); !got.Equal(time.Unix(101, 0)) {
		t.Errorf("fired at %v", got)
	}
	f.Advance(time.Hour)
	select {
	case <-tm.C():
		t.Error("the timer fired twice")
	default:
	}
	if tm.Stop() {
		t.Error("a fired timer was reported as armed")
	}
}

func TestFakeTickerGoesOnAfterAMissedTick(t *testing.T) {
	f := NewFake(time.Unix(0, 0))
	tk := f.NewTicker(time.Second)
	f.Advance(3 * time.Second)
	if got := <-tk.C(); !got.Equal(time.Unix(1, 0)) {
		t.Errorf("first tick at %v", got)
	}
	f.Advance(time.Second)
	if got := <-tk.C(); !got.Equal(time.Unix(4, 0)) {
		t.Errorf("next tick at %v", got)
	}
	tk.Stop()
	f.Advance(time.Second)
	select {
	case <-tk.C():
		t.Error("a stopped ticker ticked")
	default:
	}
}

func TestDueTellsThatSomebodyWaitsForSoLong(t *testing.T) {
	f := NewFake(time.Unix(1, 0))
	timer := f.NewTimer(3 * time.Second)
	if f.Due(2*time.Second) || !f.Due(3*time.Second) {
		t.Error("a timer of 3 s is not due in 3 s alone")
	}
	f.Advance(time.Second)
	if !f.Due(2 * time.Second) {
		t.Error("a second later it is not due in 2 s")
	}
	if timer.Stop(); f.Due(2 * time.Second) {
		t.Error("a stopped timer is due")
	}
}
