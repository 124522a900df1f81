package feed

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// setClock is the machine's clock after somebody has set it: what it shows has
// moved, how much time has passed since other moments has not.
type setClock struct {
	clock.Clock
	by time.Duration
}

func (s *setClock) Now() time.Time {
	now := s.Clock.Now()
	// The first word of a time with a monotonic reading: a flag, 33 bits of
	// seconds, 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&now)) += uint64(s.by/time.Second) << 30
	return now
}

func TestASetClockIsOneThatWasSet(t *testing.T) {
	s := &setClock{Clock: clock.Real()}
	before := s.Now()
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		s.by = by
		after := s.Now()
		if shown := after.Round(0).Sub(before.Round(0)); (shown - by).Abs() > time.Minute {
			t.Fatalf("it shows %s more", shown)
		}
		if passed := after.Sub(before); passed < 0 || passed > time.Minute {
			t.Fatalf("%s have passed", passed)
		}
	}
}

// A promise that is an hour ahead closes every bar of that hour.
func TestHeartbeatsPromiseNoMoreWhenTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		s := &setClock{Clock: clock.Real()}
		l, err := newLive(Live{SourceName: "x", Format: adapter.Format{Preset: "binance"}, Symbols: []string{"A"}, Clock: s})
		if err != nil {
			t.Fatal(err)
		}
		b := newBeats(l, newLog(t), nil)
		venue := time.Now()                 // the venue's clock is right
		for i := range int64(3 * offsets) { // all latencies are younger than the clock
			if i == offsets {
				s.by = by
				b.reached("A", s.Now(), venue.UnixMilli()+i)
				if ahead := time.UnixMilli(b.horizon(true, time.Second)).Sub(venue); ahead > time.Minute {
					t.Errorf("the clock went by %s, and the promise is %s ahead", by, ahead)
				}
			}
			b.reached("A", s.Now(), venue.UnixMilli()+i)
		}
		ahead := time.UnixMilli(b.horizon(true, time.Second)).Sub(venue)
		if ahead > time.Minute {
			t.Errorf("the clock went by %s, and the promise is %s ahead", by, ahead)
		}
		if by > 0 && ahead < -time.Minute {
			t.Errorf("the clock went by %s, and the promise stays %s behind", by, -ahead)
		}
	}
}

// What is due, held or at rest is so for a time, not until a time of day.
func TestTurnsLocksAndBreakersGoOnWhenTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		e, out, c := newExchange(t), newLog(t), newCounts()
		s := &setClock{Clock: slower(100)} // a second of a breaker or a limit is not over at once
		out.shared = NewMemory(s)
		e.happen(3)
		cfg := e.config(c)
		cfg.Clock = s
		w, err := NewHTTP(HTTPConfig{Live: cfg, Period: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		l := newLeases(w.live, out.shared, []string{"A"}, nil)
		l.token = "aa"
		if err := l.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, q := &breaker{clock: s}, newTurns(s)
		fails(b, breakAfter)
		q.add(&turn{symbol: "A", due: s.Now().Add(-time.Millisecond)})
		s.by = by
		if fence, until := l.held("A"); fence != 1 || !s.Now().Before(until) || until.Sub(s.Now()) > cfg.LeaseTime {
			t.Errorf("the clock went by %s: lock %d for %s", by, fence, until.Sub(s.Now()))
		}
		if wait := b.wait(); wait <= 0 || wait > firstBreak {
			t.Errorf("the clock went by %s: the breaker is open for %s", by, wait)
		}
		if one, err := q.next(t.Context()); err != nil || one.symbol != "A" {
			t.Errorf("the clock went by %s: %v, %v", by, one, err)
		}
		if wait, err := out.shared.Take(t.Context(), "v", 1, 1); wait != 0 || err != nil {
			t.Errorf("%s, %v", wait, err)
		}
		if wait, err := out.shared.Take(t.Context(), "v", 1, 1); wait <= 0 || wait > time.Second || err != nil {
			t.Errorf("%s, %v", wait, err)
		}
	}
}

// A clock that is an hour ahead makes every trade an hour old: a hole must be
// waited for all the same.
func TestAHoleIsWaitedForWhateverOurClockShows(t *testing.T) {
	venue := time.Now()
	for _, by := range []time.Duration{time.Hour, 0, -time.Hour} {
		c := cursor{lastID: 1, hasID: true}
		page := batchOf(3, 4)
		for i := range page {
			page[i].EventNS = venue.UnixNano()
		}
		now := venue.Add(by)
		if got := c.take(page, true, now); !got.waits || len(got.trades) != 0 {
			t.Errorf("our clock is by %s ahead: %+v", by, got)
		}
		if got := c.take(page, true, now.Add(holePatience)); got.waits || len(got.trades) != 2 || !slices.Equal(got.holes, []hole{{2, 2}}) {
			t.Errorf("our clock is by %s ahead, and the time is over: %+v", by, got)
		}
	}
	// Far behind the newest nothing comes any more.
	c, page := cursor{lastID: 1, hasID: true}, batchOf(3, 4)
	page[0].EventNS, page[1].EventNS = venue.Add(-time.Hour).UnixNano(), venue.UnixNano()
	if got := c.take(page, true, venue); got.waits || len(got.trades) != 2 {
		t.Errorf("%+v", got)
	}
}
