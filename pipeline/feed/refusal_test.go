package feed

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

func TestWebSocketConnectsAgainWhereItsSubscriptionIsRefused(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	w, _ := listens(t, e, out, c, nil)
	e.live(1)
	within(t, "a trade", func() bool { return len(out.ids("A")) == 1 })
	e.say(tooMany)
	e.happen(5) // not subscribed: the stream does not carry them
	within(t, "all trades", func() bool { return len(out.ids("A")) == 6 })
	within(t, "a connection", func() bool { return e.connected() == 1 })
	e.live(1)
	within(t, "a trade of the stream", func() bool { return slices.Equal(out.ids("A"), upTo(1, 7)) })
	if c.of(c.errors, reasonRefused) != 1 || c.of(c.errors, reasonConnect) != 0 || len(c.gaps) != 0 {
		t.Errorf("errors %v, gaps %v", c.errors, c.gaps)
	}
	if got := w.Report().Trouble; got != "" && !strings.Contains(got, "too many subscriptions") {
		t.Errorf("trouble %q", got)
	}
}

// With one wrong name among its symbols a venue refuses for ever: the others must not be
// heard between two connections alone, and the one that is refused is asked for.
func TestWebSocketKeepsAConnectionOnWhichSomethingIsRefusedAgainAndAgain(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	w, _ := listens(t, e, out, c, func(c *WebSocketConfig) { c.Clock = slower(3) })
	e.live(1)
	within(t, "a trade", func() bool { return len(out.ids("A")) == 1 })
	e.deny()
	e.cut()
	within(t, "refusals", func() bool { return c.of(c.errors, reasonRefused) == refusedRow+1 })
	for n := range 3 { // the first two may be found by what is asked after each connection
		e.happen(1)
		within(t, "a trade that the stream does not carry", func() bool { return len(out.ids("A")) == n+2 })
	}
	within(t, "a connection", func() bool { return e.connected() == 1 })
	e.live(2)
	within(t, "trades of the stream", func() bool { return slices.Equal(out.ids("A"), upTo(1, 6)) })
	within(t, "trouble", func() bool { return strings.Contains(w.Report().Trouble, "too many subscriptions") })
	if n := c.of(c.errors, reasonRefused); n != refusedRow+1 {
		t.Errorf("refused %d times: the connection was not kept", n)
	}
	if b := out.beats(); len(b) == 0 || b[len(b)-1].Up {
		t.Errorf("the last heartbeat does not say that the source is down: %+v", b)
	}
}

// promises is the heartbeat that the session leaves to be written, nil none.
func (l *listener) promises() *core.Heartbeat {
	l.arrive(arrival{at: l.clock.Now()})
	l.beat()
	select {
	case hb := <-l.w.beats.due:
		return &hb
	default:
		return nil
	}
}

func TestNothingIsPromisedUntilTheSubscriptionIsAccepted(t *testing.T) {
	l := newListener(t, "binance", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }, "A")
	connects := func() {
		l.connected()
		within(t, "what was missed", func() bool {
			l.passes(time.Second)
			return !l.streams["A"].filling && l.streams["A"].failed.IsZero()
		})
	}
	connects()
	l.hears("A", 4)
	l.promises()
	l.passes(20 * time.Second)
	before := l.promises()
	if before == nil || !before.Up {
		t.Fatalf("no promise over a connection that was accepted: %+v", before)
	}
	l.arrive(arrival{frame: []byte(tooMany), at: l.clock.Now()})
	for n := range 3 {
		l.passes(20 * time.Second)
		got := l.promises()
		if down := got != nil && !got.Up && got.TS == before.TS; n == 0 && !down || n > 0 && got != nil {
			t.Fatalf("%d: %+v over a connection that was refused, %+v before", n, got, before)
		}
	}
	if got := l.w.Report().Trouble; !strings.Contains(got, "too many subscriptions") {
		t.Errorf("trouble %q", got)
	}
	l.connected()
	if got := l.promises(); got != nil {
		t.Fatalf("%+v before the answer to the subscription", got)
	}
	connects()
	l.passes(20 * time.Second)
	if got := l.promises(); got == nil || !got.Up || got.TS <= before.TS || l.w.Report().Trouble != "" {
		t.Errorf("%+v over a connection that was accepted, %+v", got, l.w.Report())
	}
}

func TestARefusalEndsConnectionsThatAreNotWorthBeingKept(t *testing.T) {
	now := time.Unix(1_795_372_127, 0)
	var r refusal
	for n := range refusedRow + 2 {
		r.connected(now)
		if err := r.ends(now.Add(time.Hour), true); err != nil {
			t.Fatalf("connection %d ends before it is refused: %v", n, err)
		}
		r.came("no", now)
		r.came("no", now.Add(time.Second)) // another symbol
		for _, test := range []struct {
			after time.Duration
			heard bool
			ends  bool
		}{{0, false, false}, {0, true, false}, {maxReconnect, false, true}, {maxReconnect, true, false}, {refusedTime, true, true}} {
			want := test.ends || n < refusedRow
			if err := r.ends(now.Add(test.after), test.heard); (err != nil) != want {
				t.Errorf("connection %d, refused for %v, heard %v: %v", n, test.after, test.heard, err)
			}
		}
	}
	r.connected(now)
	if r.over(now.Add(acceptedTime-1)) || !r.over(now.Add(acceptedTime)) || r.why != nil || r.row != 0 {
		t.Errorf("%+v", r)
	}
}
