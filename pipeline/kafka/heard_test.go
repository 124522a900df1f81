package kafka

import (
	"testing"
	"time"
)

// TestTheEndIsKnownAsLongAsTheBrokerAnswers: answers without records are never
// polled and still count.
func TestTheEndIsKnownAsLongAsTheBrokerAnswers(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 1)
		b.trades(0, 1, 3)
		l := b.live(direct)
		b.wantSums(0, 3)
		for range 3 {
			since := time.Now()
			eventually(t, "the broker says that there is nothing new", func() bool { return l.c.Heard(0).After(since) })
		}
		b.fake.Close()
		eventually(t, "nobody answers", func() bool { return time.Since(l.c.Heard(0)) > 500*time.Millisecond })
		if l.c.Heard(0).IsZero() || !l.c.Heard(7).IsZero() {
			t.Errorf("heard %s of a partition we hold and %s of another", l.c.Heard(0), l.c.Heard(7))
		}
	})
}

func TestWhatWasJustAnsweredMayNotBeHandedOverYet(t *testing.T) {
	var h hearing
	now := time.Now()
	h.note(1, now.Add(-10*time.Second))
	h.note(1, now)
	if got := h.of(1, now.Add(handover/2)); !got.Equal(now.Add(-10 * time.Second)) {
		t.Errorf("heard at %s, the records of that answer are on their way", got)
	}
	if got := h.of(1, now.Add(handover)); !got.Equal(now) {
		t.Errorf("heard at %s, want %s", got, now)
	}
	if got := h.of(2, now); !got.IsZero() {
		t.Errorf("broker 2 has answered at %s", got)
	}
}
