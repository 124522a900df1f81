package feed

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

func polls(t *testing.T, e *exchange, out *log, c *counts) (stop func()) {
	t.Helper()
	h, err := NewHTTP(HTTPConfig{Live: e.config(c), Period: 20 * time.Millisecond, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	return runs(t, h.Run, out)
}

func TestHTTPPagesThroughWhatHappenedWhileItWasAway(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(10)
	stop := polls(t, e, out, c)
	within(t, "ten trades, and their count", func() bool { return len(out.ids("A")) == 10 && c.counted() == 10 })
	stop()
	e.happen(3500) // more than three pages
	polls(t, e, out, c)
	within(t, "all trades, and their count", func() bool { return len(out.ids("A")) >= 3510 && c.counted() >= 3510 })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 3510)) {
		t.Errorf("%d trades, not each once and in order", len(got))
	}
	if c.of(c.gaps, gapSequence) != 0 || c.counted() != 3510 {
		t.Errorf("gaps %v, %d trades counted", c.gaps, c.counted())
	}
}

func TestHTTPTellsOfTradesThatTheVenueDoesNotHaveAnyMore(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(5)
	stop := polls(t, e, out, c)
	within(t, "five trades", func() bool { return len(out.ids("A")) == 5 })
	stop()
	e.lose(6, 7, 9)
	e.happen(5)
	polls(t, e, out, c)
	within(t, "the trades behind the holes, and the count of what is missing", func() bool {
		return len(out.ids("A")) == 7 && c.of(c.gaps, gapSequence) == 3
	})
	if got := out.ids("A"); !slices.Equal(got, []int64{1, 2, 3, 4, 5, 8, 10}) || c.of(c.gaps, gapSequence) != 3 {
		t.Errorf("%v, missing %v", got, c.gaps)
	}
}

func TestHTTPWaitsForATradeThatComesLater(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(5)
	e.lose(4)
	cfg := e.config(c)
	cfg.Clock = slower(10) // what is missing is waited for for 5 s, and a busy machine may stop as long
	h, err := NewHTTP(HTTPConfig{Live: cfg, Period: 20 * time.Millisecond, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	runs(t, h.Run, out)
	within(t, "a first answer", func() bool { return len(out.ids("A")) > 0 })
	time.Sleep(100 * time.Millisecond)
	e.mu.Lock()
	delete(e.gone, 4)
	e.mu.Unlock()
	within(t, "all trades", func() bool { return len(out.ids("A")) == 5 })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 5)) || c.of(c.gaps, gapSequence) != 0 {
		t.Errorf("%v, gaps %v", got, c.gaps)
	}
}

func TestTicksCarryWhereTheyComeFrom(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(1)
	polls(t, e, out, c)
	within(t, "a trade", func() bool { return len(out.ids("A")) == 1 })
	out.mu.Lock()
	defer out.mu.Unlock()
	for i := range out.records {
		r := &out.records[i]
		if string(r.Key) != "A" {
			continue
		}
		for key, want := range map[string]string{
			wire.HeaderMessageID: "x|A|1", wire.HeaderVenue: "binance", wire.HeaderSource: "x", wire.HeaderContentType: wire.ContentTrade, wire.HeaderFence: "1",
		} {
			if got := header(r, key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		trace := header(r, wire.HeaderTrace)
		if parts := strings.Split(trace, "-"); len(trace) != 55 || len(parts) != 4 || parts[0] != "00" || len(parts[1]) != 32 || len(parts[2]) != 16 {
			t.Errorf("traceparent %q", trace)
		}
		if header(r, wire.HeaderReceived) == "" || r.Timestamp == 0 {
			t.Errorf("no receive time")
		}
	}
}

func TestHTTPLivesThroughBadAnswers(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		reason string
	}{
		"HTML":           {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>maintenance</html>")) }, reasonAnswer},
		"truncated JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`[{"id":1,"price":"1`)) }, reasonAnswer},
		"500":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, reasonStatus},
		"403":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, reasonStatus},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}, reasonThrottled},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		}, reasonRedirect},
		"endless body": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1<<20))); err != nil {
					return
				}
			}
		}, reasonTooLarge},
		"body of a gigabyte": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1073741824")
			for range 1024 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, reasonTooLarge},
		"304 to a first question": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, reasonStatus},
		"body that hangs": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("["))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, reasonTimeout},
		"gzip that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("[]"))
		}, reasonAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, out, c := newExchange(t), newLog(t), newCounts()
			e.happen(3)
			n := 0
			e.before = func(w http.ResponseWriter, r *http.Request) bool {
				e.mu.Lock()
				n++
				wrong := n <= 2
				e.mu.Unlock()
				if wrong {
					bad.answer(w, r)
				}
				return wrong
			}
			cfg := e.config(c)
			cfg.LeaseTime = time.Minute
			if bad.reason == reasonTimeout { // else a busy machine must not be taken for the fault
				cfg.Fetch.Timeout = 300 * time.Millisecond
			}
			h, err := NewHTTP(HTTPConfig{Live: cfg, Period: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			runs(t, h.Run, out)
			within(t, "the trades", func() bool { return len(out.ids("A")) == 3 })
			if c.of(c.errors, bad.reason) < 1 {
				t.Errorf("errors %v, want %s", c.errors, bad.reason)
			}
		})
	}
}

func TestHTTPAsksConditionallyAndKeepsWhatWasNotDelivered(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(2)
	asked := make(chan bool, 1000)
	e.before = func(w http.ResponseWriter, r *http.Request) bool {
		conditional := r.Header.Get("If-None-Match") == `"tag"`
		select {
		case asked <- conditional:
		default:
		}
		if conditional {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
		w.Header().Set("ETag", `"tag"`)
		return false
	}
	polls(t, e, out, c)
	within(t, "a conditional request", func() bool { return <-asked })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 2)) {
		t.Errorf("%v", got)
	}
}

func TestHTTPHeartbeatsPromiseWhatWasRead(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(2)
	polls(t, e, out, c)
	within(t, "a heartbeat", func() bool {
		b := out.beats()
		return len(b) > 0 && b[len(b)-1].Up && time.Now().UnixMilli()-b[len(b)-1].TS < 3000
	})
	for _, hb := range out.beats() {
		if ahead := hb.TS - time.Now().UnixMilli(); ahead > 0 {
			t.Fatalf("a heartbeat %d ms ahead of the clock", ahead)
		}
	}
	e.mu.Lock()
	e.before = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusNotFound); return true }
	e.mu.Unlock()
	within(t, "the word that it is down", func() bool { b := out.beats(); return !b[len(b)-1].Up })
	e.mu.Lock()
	e.before = nil
	e.mu.Unlock()
	within(t, "the word that it is up", func() bool { b := out.beats(); return b[len(b)-1].Up })
}

func TestOneOfTwoNodesAsksForASymbol(t *testing.T) {
	e, out := newExchange(t), newLog(t)
	e.lease = 2 * time.Second // the other node looks for the lock as often
	e.happen(1)
	var feeds []*HTTP
	var stops []func()
	for range 2 {
		h, err := NewHTTP(HTTPConfig{Live: e.config(newCounts()), Period: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		feeds = append(feeds, h)
		stops = append(stops, runs(t, h.Run, out))
	}
	within(t, "one owner", func() bool { return feeds[0].Report().Symbols+feeds[1].Report().Symbols == 1 })
	owner := 0
	if feeds[1].Report().Symbols == 1 {
		owner = 1
	}
	stops[owner]()
	within(t, "the other one", func() bool { return feeds[1-owner].Report().Symbols == 1 })
	e.happen(5)
	within(t, "its trades", func() bool { return len(out.ids("A")) == 6 })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 6)) {
		t.Errorf("%v", got)
	}
}

// A venue that throttles or hangs takes all the time that the lock of a symbol gives: no
// turn ends in another way, and the status has to say so all the same.
func TestAVenueThatTakesTheWholeTimeOfALockIsTrouble(t *testing.T) {
	t.Parallel()
	for text, answer := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"status 429": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		},
		"deadline exceeded": func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true },
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			e, out, c := newExchange(t), newLog(t), newCounts()
			e.before = answer
			cfg := e.config(c)
			cfg.LeaseTime, cfg.Fetch.Timeout, cfg.Fetch.Retries = time.Second, 100*time.Millisecond, 1_000_000
			h, err := NewHTTP(HTTPConfig{Live: cfg})
			if err != nil {
				t.Fatal(err)
			}
			p, one := turnOf(t, h, out)
			within(t, "three failures", func() bool {
				if err := h.lease.round(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.one(t.Context(), p, one)
				return one.failures >= failuresDown
			})
			if got := h.Report().Trouble; !strings.Contains(got, text) || !h.beats.down["A"] {
				t.Errorf("trouble %q, down %v", got, h.beats.down)
			}
			e.mu.Lock()
			e.before = nil
			e.mu.Unlock()
			h.fetch.shared, h.fetch.breaker = NewMemory(h.Clock), &breaker{clock: h.Clock} // its time is over
			within(t, "an answer", func() bool {
				return h.lease.round(t.Context()) == nil && h.one(t.Context(), p, one) && one.failures == 0
			})
			if got := h.Report().Trouble; got != "" || h.beats.down["A"] {
				t.Errorf("it answers, and trouble is %q, down %v", got, h.beats.down)
			}
		})
	}
}

// turnOf is what a worker of a feed that does not run has.
func turnOf(t *testing.T, h *HTTP, out *log) (*puller, *turn) {
	t.Helper()
	h.begin()
	var err error
	if h.fetch, err = newFetcher(h.live, out.Shared()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.fetch.proxies.close)
	if h.out, err = openDelivery(t.Context(), h.live, out); err != nil {
		t.Fatal(err)
	}
	h.beats = newBeats(h.live, out, h.out)
	h.lease = newLeases(h.live, out.Shared(), h.Symbols, nil)
	p, err := newPuller(h.live, h.fetch, h.out)
	if err != nil {
		t.Fatal(err)
	}
	return p, &turn{symbol: h.Symbols[0]}
}
