package caddymodule

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func TestStreamLimitsPerUserAndAddress(t *testing.T) {
	s := newStreams(clock.Real(), func(*streams) {})
	lim := streamLimits{user: 2, ip: 3}
	var leaves []func()
	for _, user := range []string{"ann", "ann", "bob"} {
		leave, full := s.enter(user, "10.0.0.1", lim)
		if full != "" {
			t.Fatalf("%s was refused: %s", user, full)
		}
		leaves = append(leaves, leave)
	}
	if _, full := s.enter("ann", "10.0.0.2", lim); full != "user" {
		t.Errorf("third stream of ann: %q, want the user's limit", full)
	}
	if _, full := s.enter("", "10.0.0.1", lim); full != "address" {
		t.Errorf("fourth stream of the address: %q, want the address's limit", full)
	}
	for _, leave := range leaves {
		leave()
		leave() // twice must not count twice
	}
	if s.count() != 0 || len(s.users) != 0 || len(s.ips) != 0 {
		t.Errorf("after all left: %d open, %v, %v", s.count(), s.users, s.ips)
	}
}

func TestAwaitEmptyWithoutDrainReturnsAtOnce(t *testing.T) {
	s := newStreams(clock.Real(), func(*streams) {})
	s.enter("", "a", streamLimits{})
	s.awaitEmpty() // would hang the test
}

func TestAwaitEmptyWaitsForTheLastStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forgotten := 0
		s := newStreams(clock.Real(), func(*streams) { forgotten++ })
		leave, _ := s.enter("", "a", streamLimits{})
		begin := time.Now()
		s.startDrain(8 * time.Second)
		time.AfterFunc(3*time.Second, leave)
		s.awaitEmpty()
		if got := time.Since(begin); got != 3*time.Second {
			t.Errorf("waited %v, want until the stream left (3s)", got)
		}
		s.end()
		if forgotten != 1 {
			t.Errorf("forgotten %d times", forgotten)
		}
	})
}

func TestAwaitEmptyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(clock.Real(), func(*streams) {})
		s.enter("", "a", streamLimits{})
		begin := time.Now()
		s.startDrain(8 * time.Second)
		s.startDrain(time.Hour) // a second signal must not extend the window
		s.awaitEmpty()
		if got := time.Since(begin); got != 9*time.Second {
			t.Errorf("waited %v, want the window and a second", got)
		}
		if after := s.closeAfter(); after != 0 {
			t.Errorf("a stream born after the window ends after %v, want at once", after)
		}
	})
}

func TestClosesAreSpreadOverTheWindow(t *testing.T) {
	s := newStreams(clock.Real(), func(*streams) {})
	s.startDrain(8 * time.Second)
	var quarters [4]int
	for range 4000 {
		d := s.closeAfter()
		if d < 0 || d > 8*time.Second {
			t.Fatalf("close after %v is outside of the window", d)
		}
		quarters[min(3, int(d/(2*time.Second)))]++
	}
	for i, n := range quarters {
		if n < 800 || n > 1200 {
			t.Errorf("quarter %d of the window has %d of 4000 closes", i, n)
		}
	}
}
