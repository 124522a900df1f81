package feed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// pausing counts the pauses between subscriptions and lets none of them pass before it is
// told to.
type pausing struct {
	clock.Clock
	pauses atomic.Int32
	free   chan struct{}
}

func (p *pausing) NewTimer(d time.Duration) clock.Timer {
	if d != subscribePause {
		return p.Clock.NewTimer(d)
	}
	p.pauses.Add(1)
	<-p.free
	return p.Clock.NewTimer(0)
}

// Binance cuts who sends more than five messages in a second, and does so with each
// connection that follows: a feed of some hundred symbols never came further.
func TestSubscriptionsAreSentWithPausesBetweenThem(t *testing.T) {
	var heard atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for {
			if _, _, err := c.Read(r.Context()); err != nil {
				return
			}
			heard.Add(1)
		}
	}))
	t.Cleanup(site.Close)
	e, p := newExchange(t), &pausing{Clock: clock.Real(), free: make(chan struct{})}
	cfg := WebSocketConfig{Live: e.config(newCounts()), URL: strings.Replace(site.URL, "http", "ws", 1), NoBackfill: true}
	cfg.Clock = p
	for i := range 120 {
		cfg.Symbols = append(cfg.Symbols, fmt.Sprintf("S%d", i))
	}
	w, err := NewWebSocket(cfg)
	if err != nil {
		t.Fatal(err)
	}
	runs(t, w.Run, newLog(t))
	within(t, "a pause behind the first subscription", func() bool { return p.pauses.Load() == 1 })
	if got := heard.Load(); got > 1 {
		t.Errorf("%d subscriptions in front of the pause", got)
	}
	close(p.free)
	within(t, "all subscriptions", func() bool { return heard.Load() == 3 })
	if got := p.pauses.Load(); got != 2 {
		t.Errorf("%d pauses between three subscriptions", got)
	}
}

func TestNothingIsPromisedBeforeAllSymbolsAreSubscribed(t *testing.T) {
	l := newListener(t, "binance", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }, "A")
	quiet := func() {
		t.Helper()
		within(t, "what was missed", func() bool {
			l.passes(time.Second)
			return !l.streams["A"].filling && l.streams["A"].failed.IsZero()
		})
	}
	l.connected()
	quiet()
	l.hears("A", 4)
	l.promises()
	l.passes(20 * time.Second)
	before := l.promises()
	if before == nil || !before.Up {
		t.Fatalf("%+v of a connection that has subscribed to all", before)
	}
	l.partial = true // the next one, right behind it
	l.connected()
	quiet()
	l.hears("A", 5)
	l.passes(time.Minute)
	if hb := l.promises(); hb == nil || hb.Up || hb.TS != before.TS {
		t.Errorf("%+v while some symbols are not subscribed", hb)
	}
	l.passes(time.Minute)
	asked := l.questions("A")
	l.complete()
	quiet()
	if l.questions("A") < asked+2 {
		t.Error("what happened before the last subscription is not asked for")
	}
	l.passes(20 * time.Second)
	if hb := l.promises(); hb == nil || !hb.Up || hb.TS <= before.TS {
		t.Errorf("%+v when all are subscribed", hb)
	}
}
