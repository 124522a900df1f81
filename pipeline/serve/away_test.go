package serve

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

const awayQuery = "s=BTC@1m:kline,mine/decay(0.25)&snapshot=1000"

// seenUpTo opens a stream, reads all it says and hangs up. The id is the one that its
// client comes back with.
func seenUpTo(t *testing.T, h *Hub, query string) (id string) {
	t.Helper()
	s := stream(t, h, query, "")
	defer s.Close()
	for _, m := range read(t, s) {
		if m.id != "" {
			id = m.id
		}
	}
	return id
}

// anew checks that a client that comes back with id is told to begin anew, with
// the values that the rows have.
func anew(t *testing.T, h *Hub, id, when string) {
	t.Helper()
	s := stream(t, h, awayQuery, id)
	defer s.Close()
	got := read(t, s)
	if len(got) < 2 || got[0].event != eventReset || got[1].event != eventSnapshot {
		t.Fatalf("%s: who comes back with %s is told %q, want a reset and a snapshot", when, id, names(got))
	}
	_, rows := shownValues(h, "BTC", "mine/decay(0.25)")
	if want := `"value":[` + strings.Join(rows, ",") + `]`; !strings.Contains(got[1].data, want) {
		t.Errorf("%s: the snapshot is %s, want %s", when, got[1].data, want)
	}
}

// A stream is away for some seconds each time it is told to come back. What happens
// to a module meanwhile is in no record that it could be told.
func TestWhoIsAwayWhileAModuleIsStoppedBeginsAnew(t *testing.T) {
	for _, listened := range []bool{false, true} {
		for _, bars := range []int64{0, 1} {
			when := fmt.Sprintf("listened by another %v, %d bars closed", listened, bars)
			h, _ := demandHub(nil)
			closeBars(h, 10, 20)
			if listened {
				other := stream(t, h, awayQuery, "")
				defer other.Close()
				read(t, other)
			}
			id := seenUpTo(t, h, awayQuery)
			h.Renew("mine", ErrQuarantined)
			h.mend(context.Background())
			closeBars(h, 20, 20+bars)
			anew(t, h, id, "stopped, "+when)
			closeBars(h, 20+bars, 22)
			id = seenUpTo(t, h, awayQuery)
			h.Renew("mine", nil)
			h.mend(context.Background())
			closeBars(h, 22, 22+bars)
			anew(t, h, id, "lifted, "+when)
		}
	}
}

// The node that the client comes to may not have computed the series when its module
// was stopped, or have forgotten it since.
func TestWhoComesToANodeThatDidNotShowTheSeriesBeginsAnew(t *testing.T) {
	h, _ := demandHub(nil)
	other, _ := demandHub(nil)
	for _, x := range []*Hub{h, other} {
		closeBars(x, 10, 20)
	}
	id := seenUpTo(t, h, awayQuery)
	for _, x := range []*Hub{h, other} {
		x.Renew("mine", ErrQuarantined)
	}
	anew(t, other, id, "at another node")
	fake(h).Advance(idleAfter + time.Second)
	h.forgetIdle()
	if n := h.Demanded(); n != 0 {
		t.Fatalf("%d series are computed on demand, want none", n)
	}
	anew(t, h, id, "forgotten")
}

// A series that could not be computed when its stream began is promised to it.
func TestWhoIsAwayWhenAPromiseIsKeptBeginsAnew(t *testing.T) {
	var hub *Hub
	h, c := demandHub(func(d *decay) { d.clock, d.delay = fake(hub), time.Minute })
	hub = h
	closeBars(h, 10, 20)
	id := seenUpTo(t, h, awayQuery)
	if _, shown := shownValues(h, "BTC", "mine/decay(0.25)"); len(shown) > 0 {
		t.Fatalf("the series was computed: %v", shown)
	}
	c.program["mine/decay(0.25)00000001"].delay = 0
	h.mend(context.Background())
	anew(t, h, id, "promised")
}

// A version, a bar and a place in the log do not make the values of a module that
// was stopped in between.
func TestETagsFollowTheValuesOnDemand(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 20)
	const target = "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)"
	seen := map[string]string{}
	for _, query := range []string{"&limit=2", "&limit=2&closed=1"} {
		for _, stopped := range []error{nil, ErrQuarantined} {
			h.Renew("mine", stopped)
			h.mend(context.Background())
			a, text := get(t, h, target+query)
			b, _ := get(t, h, target+query)
			if a.ETag != b.ETag {
				t.Errorf("%s: the same values have %s and %s", query, a.ETag, b.ETag)
			}
			if other, ok := seen[a.ETag]; ok {
				t.Errorf("%s: %s and %s have one ETag: who asks again is told that nothing changed", query, other, text)
			}
			seen[a.ETag] = text
		}
	}
}
