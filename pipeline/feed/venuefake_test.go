package feed

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
)

// exchange is a venue in the dialect of Binance with one symbol, A.
type exchange struct {
	t      *testing.T
	server *httptest.Server
	lease  time.Duration // how long the locks of its feeds hold

	mu     sync.Mutex // protects the rest
	next   int64
	gone   map[int64]bool // ids that it does not have
	asked  []string
	before func(w http.ResponseWriter, r *http.Request) bool
	conns  map[*websocket.Conn]bool
	denies bool // each subscription is answered with an error
}

func newExchange(t *testing.T) *exchange {
	e := &exchange{t: t, lease: 20 * time.Second, next: 1, gone: map[int64]bool{}, conns: map[*websocket.Conn]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", e.stream)
	mux.HandleFunc("/api/v3/historicalTrades", e.page)
	e.server = httptest.NewServer(mux)
	t.Cleanup(func() { e.cut(); e.server.Close() })
	return e
}

func (e *exchange) trade(id int64) map[string]any {
	return map[string]any{"id": id, "price": "100.5", "qty": "2", "time": time.Now().UnixMilli(), "isBuyerMaker": id%2 == 0}
}

// happen makes n trades, which the stream does not carry.
func (e *exchange) happen(n int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next += n
}

// lose makes the venue forget trades. Answers to a feed that has ended may be under way.
func (e *exchange) lose(ids ...int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		e.gone[id] = true
	}
}

// questions are those that came over HTTP.
func (e *exchange) questions() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.asked)
}

func (e *exchange) page(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.asked = append(e.asked, r.URL.RawQuery)
	before := e.before
	e.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	limit, _ := strconv.ParseInt(r.URL.Query().Get("limit"), 10, 64)
	from, err := strconv.ParseInt(r.URL.Query().Get("fromId"), 10, 64)
	if err != nil {
		from = max(1, e.next-limit)
	}
	list := []any{}
	for id := from; id < e.next && int64(len(list)) < limit; id++ {
		if !e.gone[id] {
			list = append(list, e.trade(id))
		}
	}
	_ = json.NewEncoder(w).Encode(list)
}

// onPage calls f at each question, which then gets no answer.
func (e *exchange) onPage(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.before = func(_ http.ResponseWriter, r *http.Request) bool {
		f()
		<-r.Context().Done()
		return true
	}
}

func (e *exchange) stream(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	if _, _, err := c.Read(r.Context()); err != nil { // the subscription
		return
	}
	e.mu.Lock()
	e.conns[c] = true
	denies := e.denies
	e.mu.Unlock()
	if denies && c.Write(r.Context(), websocket.MessageText, []byte(tooMany)) != nil {
		return
	}
	<-c.CloseRead(r.Context()).Done()
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
}

// tooMany is how a venue refuses a subscription that it would take later.
const tooMany = `{"error":{"code":3,"msg":"too many subscriptions"},"id":1}`

func (e *exchange) deny() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.denies = true
}

func (e *exchange) connected() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns)
}

// frame sends one trade over the stream as it is.
func (e *exchange) frame(id int64) {
	t := e.trade(id)
	e.say(fmt.Sprintf(`{"e":"trade","E":1,"s":"A","t":%d,"p":"100.5","q":"2","T":%d,"m":%t,"M":true}`, id, t["time"], id%2 == 0))
}

func (e *exchange) say(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		if err := c.Write(e.t.Context(), websocket.MessageText, []byte(text)); err != nil {
			e.t.Logf("sending a frame: %v", err)
		}
	}
}

// live sends n new trades over the stream.
func (e *exchange) live(n int) {
	for range n {
		e.mu.Lock()
		id := e.next
		e.next++
		e.mu.Unlock()
		e.frame(id)
	}
}

func (e *exchange) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		_ = c.CloseNow()
	}
	clear(e.conns)
}

// config has times that a busy machine does not use up: tests of a time set theirs.
func (e *exchange) config(c *counts) Live {
	return Live{
		SourceName: "x", Format: adapter.Format{Preset: "binance"}, Symbols: []string{"A"}, Delay: 100 * time.Millisecond, LeaseTime: e.lease,
		Fetch: FetchConfig{Base: e.server.URL, Timeout: 30 * time.Second, PerSecond: 1000, Burst: 1000}, Observer: c,
	}
}
