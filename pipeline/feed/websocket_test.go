package feed

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func listens(t *testing.T, e *exchange, out *log, c *counts, more func(*WebSocketConfig)) (*WebSocket, func()) {
	t.Helper()
	cfg := WebSocketConfig{Live: e.config(c), URL: strings.Replace(e.server.URL, "http", "ws", 1) + "/ws", PingEvery: 50 * time.Millisecond}
	if more != nil {
		more(&cfg)
	}
	w, err := NewWebSocket(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop := runs(t, w.Run, out)
	within(t, "a connection", func() bool { return e.connected() == 1 })
	return w, stop
}

// slowClock shows less time than passes: a machine that stops for a second between two
// frames has stopped for less than disorder may last. Its timers are in time.
type slowClock struct {
	clock.Clock
	start time.Time
	by    time.Duration
}

func slower(by time.Duration) clock.Clock { return slowClock{clock.Real(), time.Now(), by} }

func (s slowClock) Now() time.Time { return s.start.Add(s.Clock.Now().Sub(s.start) / s.by) }

func TestWebSocketPutsOverlappingFramesInOrder(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	listens(t, e, out, c, func(c *WebSocketConfig) { c.Clock = slower(100) })
	e.live(3)
	e.mu.Lock()
	e.next = 8
	e.mu.Unlock()
	for _, id := range []int64{5, 4, 4, 7, 3, 6, 7} {
		e.frame(id)
	}
	within(t, "seven trades", func() bool { return len(out.ids("A")) == 7 })
	time.Sleep(50 * time.Millisecond)
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 7)) {
		t.Errorf("%v", got)
	}
	if asked := e.questions(); len(asked) > 0 {
		t.Errorf("disorder of a moment was asked for: %v", asked)
	}
}

func TestWebSocketFillsAHoleOverHTTPBeforeWhatFollows(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	listens(t, e, out, c, nil)
	e.live(2)
	e.happen(1500)
	e.live(2)
	within(t, "all trades", func() bool { return len(out.ids("A")) == 1504 })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 1504)) || len(c.gaps) != 0 {
		t.Errorf("%d trades, gaps %v", len(got), c.gaps)
	}
}

func TestWebSocketTellsOfAHoleThatNobodyFills(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	w, _ := listens(t, e, out, c, func(c *WebSocketConfig) { c.NoBackfill = true })
	e.live(2)
	e.happen(3)
	e.live(2)
	within(t, "what came", func() bool { return len(out.ids("A")) == 4 })
	if got := out.ids("A"); !slices.Equal(got, []int64{1, 2, 6, 7}) || c.of(c.gaps, gapSequence) != 3 || w.Report().Missing != 3 {
		t.Errorf("%v, gaps %v, report %+v", got, c.gaps, w.Report())
	}
}

func TestWebSocketComesBackAndMissesNothing(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	listens(t, e, out, c, nil)
	e.live(3)
	within(t, "three trades", func() bool { return len(out.ids("A")) == 3 })
	for range 3 {
		e.cut()
		e.happen(5) // nobody hears of them
		within(t, "a connection", func() bool { return e.connected() == 1 })
	}
	// No trade follows: the hole at the end must be found without one.
	within(t, "all trades", func() bool { return len(out.ids("A")) == 18 })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 18)) || c.of(c.errors, reasonConnect) < 3 {
		t.Errorf("%v, errors %v", got, c.errors)
	}
	down := false
	for _, hb := range out.beats() {
		down = down || !hb.Up
	}
	if !down {
		t.Error("no heartbeat says that the connection broke")
	}
}

func TestWebSocketGoesOnBehindTheTopicAfterARestart(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	_, stop := listens(t, e, out, c, nil)
	e.live(3)
	within(t, "three trades", func() bool { return len(out.ids("A")) == 3 })
	stop()
	within(t, "no connection", func() bool { return e.connected() == 0 })
	e.happen(4)
	listens(t, e, out, c, nil)
	within(t, "all trades", func() bool { return len(out.ids("A")) == 7 })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 7)) {
		t.Errorf("%v", got)
	}
}

func TestWebSocketHoldsTradesBackWhileTheAnswersFail(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	listens(t, e, out, c, nil)
	e.live(1)
	within(t, "a trade", func() bool { return len(out.ids("A")) == 1 })
	e.mu.Lock()
	e.before = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusNotFound); return true }
	e.mu.Unlock()
	e.happen(2)
	e.live(1)
	time.Sleep(time.Second)
	if got := out.ids("A"); len(got) != 1 {
		t.Fatalf("%v went out over a hole", got)
	}
	e.mu.Lock()
	e.before = nil
	e.mu.Unlock()
	within(t, "all trades", func() bool { return slices.Equal(out.ids("A"), upTo(1, 4)) })
	if len(c.gaps) != 0 {
		t.Errorf("gaps %v", c.gaps)
	}
}

func TestWebSocketLivesThroughBadFrames(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	listens(t, e, out, c, nil)
	e.live(1)
	for _, bad := range []string{"<html>", `{"e":"trade","s":"A","t":`, `{"e":"trade","s":"A","t":2,"p":"x","q":"1","T":1,"m":true}`, `{"e":"trade","s":"Z","t":2,"p":"1","q":"1","T":1,"m":true}`, `{"what":1}`, `{"error":{"code":1,"msg":"no"},"id":1}`} {
		e.say(bad)
	}
	e.live(1)
	within(t, "two trades", func() bool { return len(out.ids("A")) == 2 })
	if c.of(c.errors, reasonFrame) != 3 || c.of(c.refused, "price") != 1 || c.of(c.refused, "symbol") != 1 || c.of(c.errors, reasonRefused) != 1 {
		t.Errorf("errors %v, refused %v", c.errors, c.refused)
	}
}

func TestWebSocketEndsAConnectionWithAFrameThatIsTooLarge(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	listens(t, e, out, c, func(c *WebSocketConfig) { c.MaxFrame = 4096 })
	e.say(`{"x":"` + strings.Repeat("a", 10_000) + `"}`)
	within(t, "the count", func() bool { return c.of(c.errors, reasonTooLarge) == 1 })
	within(t, "a connection", func() bool { return e.connected() == 1 })
}

func TestWebSocketPromisesNothingBehindAHole(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	listens(t, e, out, c, nil)
	e.live(1)
	within(t, "a heartbeat", func() bool { return len(out.beats()) > 0 })
	e.mu.Lock()
	e.before = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusNotFound); return true }
	e.mu.Unlock()
	e.happen(1)
	e.live(1)
	// Behind the frame: until the venue has sent it nobody can know of the hole.
	missing := time.Now().UnixMilli()
	time.Sleep(1500 * time.Millisecond)
	for _, hb := range out.beats() {
		if hb.TS > missing+50 {
			t.Fatalf("a heartbeat promises %d ms beyond the missing trade", hb.TS-missing)
		}
	}
}

// Who dies between the answer of a filler and the delivery of what came before
// the hole would go on behind the hole, and had lost what came before it.
func TestWhatWasAcceptedIsDeliveredBeforeAHoleIsAskedFor_A06(t *testing.T) {
	e, out := newExchange(t), newLog(t)
	w, err := NewWebSocket(WebSocketConfig{Live: e.config(newCounts()), URL: strings.Replace(e.server.URL, "http", "ws", 1) + "/ws"})
	if err != nil {
		t.Fatal(err)
	}
	w.begin()
	w.topic = out
	if w.fetch, err = newFetcher(w.live, out.Shared()); err != nil {
		t.Fatal(err)
	}
	defer w.fetch.proxies.close()
	if w.out, err = openDelivery(t.Context(), w.live, out); err != nil {
		t.Fatal(err)
	}
	w.beats = newBeats(w.live, out, w.out)
	s, err := newSession(w, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	atAsking := make(chan []int64, 10)
	e.before = func(http.ResponseWriter, *http.Request) bool {
		atAsking <- out.ids("A")
		return false
	}
	e.happen(5)
	for _, id := range []string{"1", "2", "5"} {
		s.arrive(arrival{frame: []byte(`{"e":"trade","E":1,"s":"A","t":` + id + `,"p":"1","q":"1","T":1,"m":true,"M":true}`), at: w.Clock.Now()})
	}
	s.order[0].since = w.Clock.Now().Add(-time.Second)
	if err := s.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-atAsking; !slices.Equal(got, upTo(1, 2)) {
		t.Errorf("a hole behind 2 was asked for while %v were on the topic", got)
	}
	s.settle(<-s.filled)
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 5)) {
		t.Errorf("%v", got)
	}
}
