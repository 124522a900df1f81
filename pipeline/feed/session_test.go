package feed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// listener is a session without a connection: the test is venue and clock.
type listener struct {
	*session
	t     *testing.T
	clock *clock.Fake
	out   *log
	c     *counts
	mu    sync.Mutex     // protects asked
	asked map[string]int // questions over HTTP, by symbol
}

// banned answers nothing for two hours.
func banned(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "7200")
	w.WriteHeader(http.StatusTeapot)
}

// hangs answers nothing at all.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// newListener has heard the trades up to 3 of each symbol over an earlier connection.
func newListener(t *testing.T, preset string, answers http.HandlerFunc, symbols ...string) *listener {
	t.Helper()
	l := &listener{t: t, clock: clock.NewFake(time.Unix(1_795_372_127, 0)), out: newLog(t), c: newCounts(), asked: map[string]int{}}
	l.out.shared = NewMemory(l.clock)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.asked[r.URL.Query().Get("symbol")]++
		l.mu.Unlock()
		answers(w, r)
	}))
	t.Cleanup(site.Close)
	w, err := NewWebSocket(WebSocketConfig{URL: "ws://127.0.0.1:1", Live: Live{
		SourceName: "x", Format: adapter.Format{Preset: preset}, Symbols: symbols, Clock: l.clock, Observer: l.c,
		Fetch: FetchConfig{Base: site.URL, Timeout: time.Minute, PerSecond: 1000, Burst: 1000},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.begin()
	w.topic = l.out
	if w.fetch, err = newFetcher(w.live, l.out.Shared()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.fetch.proxies.close)
	if w.out, err = openDelivery(t.Context(), w.live, l.out); err != nil {
		t.Fatal(err)
	}
	w.beats = newBeats(w.live, l.out, w.out)
	last := map[string]LastTrade{}
	for _, symbol := range symbols {
		last[symbol] = LastTrade{ID: core.TradeID{Kind: core.IDInt, Num: 3}, EventNS: 1e6}
	}
	if l.session, err = newSession(w, 1, last); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// questions is how often a symbol was asked for.
func (l *listener) questions(symbol string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[symbol]
}

// hears trades of a symbol over the stream.
func (l *listener) hears(symbol string, ids ...int64) {
	for _, id := range ids {
		frame := fmt.Sprintf(`{"e":"trade","E":1,"s":%q,"t":%d,"p":"1","q":"1","T":%d,"m":true,"M":true}`, symbol, id, id)
		if l.w.venue.Name == "bybit" {
			frame = fmt.Sprintf(`{"topic":"publicTrade.%s","data":[{"s":%q,"T":%d,"p":"1","v":"1","S":"Buy","i":"u%d"}]}`, symbol, symbol, id, id)
		}
		l.arrive(arrival{frame: []byte(frame), at: l.clock.Now()})
	}
}

// passes is time in which the session looks after its holes.
func (l *listener) passes(d time.Duration) {
	l.t.Helper()
	for step := 10 * time.Second; d > 0; d -= step {
		l.clock.Advance(min(step, d))
		for len(l.filled) > 0 {
			l.settle(<-l.filled)
		}
		if err := l.look(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		if err := l.flush(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
	}
}

// reconnects, and waits until a filler has been told to go away.
func (l *listener) reconnects() {
	l.t.Helper()
	l.connected()
	within(l.t, "an answer that is none", func() bool { return l.w.fetch.breaker.refuses() != nil })
}

// goesOn expects trades on the topic, and behind them the next one of the stream at once.
func (l *listener) goesOn(symbol string, want []int64) {
	l.t.Helper()
	if got := l.out.ids(symbol); !slices.Equal(got, want) {
		l.t.Fatalf("%d trades, not the %d expected: %v", len(got), len(want), got[:min(len(got), 20)])
	}
	asked := l.questions(symbol)
	next := want[len(want)-1] + 1
	l.hears(symbol, next)
	if err := l.flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	if got := l.out.ids(symbol); !slices.Equal(got, append(slices.Clone(want), next)) {
		l.t.Errorf("%v: the next trade is held", got[max(0, len(got)-20):])
	}
	l.passes(time.Minute)
	one := l.streams[symbol]
	if one.filling || !one.failed.IsZero() || len(one.held) > 0 || l.questions(symbol) != asked {
		l.t.Errorf("it is asked for again: %+v, %d questions", one, l.questions(symbol)-asked)
	}
}

// A venue that bans us from its answers for two hours goes on with its stream. Nothing
// is missing there, and nothing may be held for two hours.
func TestABanFromTheAnswersDoesNotHoldTheStream(t *testing.T) {
	l := newListener(t, "binance", banned, "A")
	l.reconnects()
	l.hears("A", upTo(4, 13)...)
	l.passes(20 * time.Second)
	if got := l.out.ids("A"); len(got) > 0 {
		t.Fatalf("%v in front of a hole that may be there", got)
	}
	l.passes(20 * time.Second)
	l.goesOn("A", upTo(4, 13))
	if r := l.w.Report(); r.Missing != 0 || r.Outages != 0 || !strings.Contains(r.Trouble, "status 418") {
		t.Errorf("%+v", r)
	}
	l.clock.Advance(2 * time.Hour)
	l.passes(time.Second)
	if r := l.w.Report(); r.Trouble != "" {
		t.Errorf("the ban is over, nothing is wanted, and trouble is %q", r.Trouble)
	}
}

func TestAHoleThatABanLeavesIsTold(t *testing.T) {
	l := newListener(t, "binance", banned, "A")
	l.reconnects()
	l.hears("A", 6, 7, 9)
	l.passes(40 * time.Second)
	if got := l.out.ids("A"); !slices.Equal(got, []int64{6, 7}) || l.w.Report().Missing != 2 {
		t.Fatalf("%v, %+v", got, l.w.Report())
	}
	l.hears("A", 8) // out of order, while it is asked for; 4 and 5 are given up
	l.hears("A", 4, 5)
	l.passes(40 * time.Second)
	l.hears("A", 4, 5)
	l.goesOn("A", upTo(6, 9))
	if l.w.Report().Missing != 2 || l.c.of(l.c.gaps, gapSequence) != 2 {
		t.Errorf("%+v, gaps %v", l.w.Report(), l.c.gaps)
	}
}

func TestAHoleThatABanLeavesIsToldWhereIDsSayNothing(t *testing.T) {
	l := newListener(t, "bybit", banned, "A")
	l.reconnects()
	l.hears("A", 6, 7)
	l.passes(40 * time.Second)
	l.hears("A", 8)
	l.passes(time.Minute)
	if got := len(l.out.ids("A")); got != 3 || l.w.Report().Outages != 1 || l.questions("A") != 1 {
		t.Errorf("%d trades, %+v, %d questions", got, l.w.Report(), l.questions("A"))
	}
}

func TestNoMoreIsHeldThanTheBoundWhileTheVenueIsAsked(t *testing.T) {
	l := newListener(t, "binance", hangs, "A")
	l.connected()
	within(t, "a question", func() bool { return l.questions("A") == 1 })
	l.hears("A", upTo(4, maxHeld+3)...)
	l.passes(time.Second)
	if l.held > 0 || l.w.Report().Missing != 0 {
		t.Errorf("%d are held, %+v", l.held, l.w.Report())
	}
	l.goesOn("A", upTo(4, maxHeld+3))
}

func TestTheFullestStreamIsGivenUpWhenTooMuchIsHeld(t *testing.T) {
	l := newListener(t, "binance", hangs, "A", "B")
	l.connected()
	l.hears("A", 6)
	l.hears("B", upTo(6, maxHeld+5)...)
	l.passes(time.Second)
	if one := l.streams["A"]; l.held != 1 || len(one.held) != 1 || l.w.Report().Missing != 2 {
		t.Errorf("%d are held, %+v", l.held, l.w.Report())
	}
	l.goesOn("B", upTo(6, maxHeld+5))
}

// Fillers that wait for answers about symbols that are quiet must not hold the others.
func TestSymbolsBehindTheFillersGoOnDuringABan(t *testing.T) {
	l := newListener(t, "binance", banned, "A", "B", "C", "D", "E", "F")
	l.reconnects()
	l.hears("F", upTo(4, 9)...)
	l.hears("B", upTo(5, 9)...)
	l.passes(40 * time.Second)
	l.goesOn("F", upTo(4, 9))
	l.goesOn("B", upTo(5, 9))
	if l.w.Report().Missing != 1 || !l.streams["E"].filling {
		t.Errorf("%+v, %+v", l.w.Report(), l.streams["E"])
	}
}

// With hundreds of symbols the turn of one comes later than its trades may wait.
func TestAHoleWaitsForItsTurnWhileTheVenueAnswers(t *testing.T) {
	l := newListener(t, "binance", hangs, "A", "B", "C", "D", "E")
	l.connected()
	l.hears("E", 6)
	for range 10 {
		l.w.fetch.breaker.saw(nil) // an answer about another symbol
		l.passes(10 * time.Second)
	}
	if l.held != 1 || l.w.Report().Missing != 0 {
		t.Fatalf("%d are held, %+v", l.held, l.w.Report())
	}
	l.passes(30 * time.Second)
	l.goesOn("E", []int64{6})
}

// While the topic takes nothing a filler cannot deliver either, and without a connection
// nobody looks: a hole that was not asked for meanwhile must not be given up at once.
func TestTimeInWhichNobodyLooksDoesNotCount(t *testing.T) {
	l := newListener(t, "binance", hangs, "A")
	l.connected()
	l.hears("A", 6)
	for range 5 {
		l.clock.Advance(10 * time.Minute)
		if err := l.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if l.held != 1 || l.w.Report().Missing != 0 {
		t.Fatalf("%d are held, %+v", l.held, l.w.Report())
	}
	l.passes(40 * time.Second)
	l.goesOn("A", []int64{6})
}

// What was heard over the connection before says nothing about the time since.
func TestAHoleOfAnEarlierConnectionIsGivenUpAndTheTimeSinceAskedFor(t *testing.T) {
	l := newListener(t, "binance", banned, "A")
	l.reconnects()
	l.hears("A", 6)
	l.connected()
	l.passes(40 * time.Second)
	one := l.streams["A"]
	if got := l.out.ids("A"); !slices.Equal(got, []int64{6}) || l.w.Report().Missing != 2 || !one.filling && one.failed.IsZero() {
		t.Errorf("%v, %+v, %+v", got, l.w.Report(), one)
	}
}

// An answer that comes when its filler is called back is delivered before the trades
// that were held, or not at all.
func TestAnAnswerThatComesLateDoesNotOvertake(t *testing.T) {
	for range 20 {
		free := make(chan struct{})
		l := newListener(t, "binance", func(w http.ResponseWriter, _ *http.Request) {
			<-free
			_, _ = w.Write([]byte(`[{"id":4,"price":"1","qty":"1","time":4,"isBuyerMaker":true},{"id":5,"price":"1","qty":"1","time":5,"isBuyerMaker":true}]`))
		}, "A")
		l.connected()
		within(t, "a question", func() bool { return l.questions("A") == 1 })
		l.hears("A", 6)
		l.passes(20 * time.Second)
		close(free) // while it is called back
		within(t, "the trade that was held", func() bool {
			l.passes(10 * time.Second)
			return l.held == 0
		})
		l.close()
		got := l.out.ids("A")
		if whole := slices.Equal(got, upTo(4, 6)); !whole && !slices.Equal(got, []int64{6}) || whole != (l.w.Report().Missing == 0) {
			t.Fatalf("%v, %+v", got, l.w.Report())
		}
	}
}

// A stream that is settled while another one is called back may be asked for next.
func TestWhatIsSettledBesideARecallIsDeliveredBeforeItsNextHoleIsAskedFor(t *testing.T) {
	atAsking := make(chan []int64, 10)
	var l *listener
	l = newListener(t, "binance", func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case q.Get("symbol") == "A":
			hangs(w, r)
		case q.Get("fromId") == "4":
			_, _ = w.Write([]byte(`[{"id":4,"price":"1","qty":"1","time":4,"isBuyerMaker":true},{"id":5,"price":"1","qty":"1","time":5,"isBuyerMaker":true}]`))
		default:
			atAsking <- l.out.ids("B")
			_, _ = w.Write([]byte("[]"))
		}
	}, "A", "B")
	l.connected()
	l.hears("A", 6)
	within(t, "the answer about B", func() bool { return len(l.filled) == 1 })
	for _, one := range []struct{ b []int64 }{{}, {[]int64{6, 9}}, {}} {
		l.clock.Advance(10 * time.Second)
		l.hears("B", one.b...)
		l.streams["B"].again = false
		if err := l.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-atAsking; !slices.Equal(got, upTo(4, 6)) {
		t.Errorf("a hole behind 6 was asked for while %v were on the topic", got)
	}
}

// A stream that was away for long has more to ask for than one turn of a filler gives.
func TestAHoleThatTheVenueGivesPageByPageIsNotGivenUp(t *testing.T) {
	free := make(chan struct{})
	const last = 25_000 // maxPages and some
	l := newListener(t, "binance", func(w http.ResponseWriter, r *http.Request) {
		<-free
		from, err := strconv.ParseInt(r.URL.Query().Get("fromId"), 10, 64)
		if err != nil {
			t.Error(err)
		}
		rows := make([]string, 0, 1000)
		for id := from; id < last && len(rows) < 1000; id++ {
			rows = append(rows, fmt.Sprintf(`{"id":%d,"price":"1","qty":"1","time":%d,"isBuyerMaker":true}`, id, id))
		}
		_, _ = w.Write([]byte("[" + strings.Join(rows, ",") + "]"))
	}, "A")
	l.connected()
	l.hears("A", last)
	l.passes(20 * time.Second) // the first turn takes that long
	close(free)
	for l.held > 0 {
		if l.streams["A"].filling {
			within(t, "the end of a turn", func() bool { return len(l.filled) == 1 })
		}
		l.passes(10 * time.Second)
	}
	if got := l.out.ids("A"); !slices.Equal(got, upTo(4, last)) || l.w.Report().Missing != 0 {
		t.Errorf("%d trades, %+v", len(got), l.w.Report())
	}
}

// Binance takes btcusdt for a subscription and writes BTCUSDT of it: nothing was heard,
// and nothing but a counter said so.
func TestAStreamHearsSymbolsInAnotherCase(t *testing.T) {
	l := newListener(t, "binance", banned, "btcusdt", "ethusdt", "ETHusdt")
	l.hears("BTCUSDT", 4)
	l.hears("ETHusdt", 4)
	l.hears("ETHUSDT", 5) // nobody knows which is meant
	l.hears("LTCUSDT", 4)
	if err := l.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for symbol, want := range map[string][]int64{"btcusdt": {4}, "ETHusdt": {4}, "ethusdt": nil} {
		if got := l.out.ids(symbol); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", symbol, got, want)
		}
	}
	if got := l.w.Report().Refused; got != 2 || l.c.of(l.c.refused, "symbol") != 2 {
		t.Errorf("%d are refused", got)
	}
}

// A test network that is set up anew begins its ids anew: each trade was taken for one of
// before, and nothing said so.
func TestIDsThatBeginAnewAreTold(t *testing.T) {
	l := newListener(t, "binance", banned, "A")
	const minute = 60_000
	hears := func(id, ms int64) {
		l.arrive(arrival{frame: fmt.Appendf(nil, `{"e":"trade","E":1,"s":"A","t":%d,"p":"1","q":"1","T":%d,"m":true,"M":true}`, id, ms), at: l.clock.Now()})
		l.tell()
	}
	hears(4, 9*minute)
	hears(2, minute)            // what a venue repeats
	hears(4, 9*minute+minute/2) // a time that was put right
	if r := l.w.Report(); r.Refused != 0 || r.Trouble != "" {
		t.Fatalf("%+v of trades that are repeated", r)
	}
	hears(1, 11*minute)
	if r := l.w.Report(); r.Refused != 1 || !strings.Contains(r.Trouble, "begun the ids of A anew") || l.c.of(l.c.refused, "decode") != 1 {
		t.Errorf("%+v", r)
	}
}
