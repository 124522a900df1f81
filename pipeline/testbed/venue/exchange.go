package venue

import (
	"context"
	"fmt"
	"math/rand/v2"

	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Trade is one trade of a symbol.
type Trade struct {
	ID          int64
	Price, Size string
	TS          int64 // ms
	Buy         bool  // the taker bought
}

// Faults are how an exchange misbehaves: probabilities, per frame or answer.
type Faults struct {
	// Cut ends a connection, Skip leaves a frame out, Repeat sends one twice,
	// Swap sends one behind its successor, Garbage puts one in between.
	Cut, Skip, Repeat, Swap, Garbage float64
	// HTML, Truncated, Throttle (429, Retry-After 1), Fail (500), Endless and
	// Redirect (to a private address) are bad answers.
	HTML, Truncated, Throttle, Fail, Endless, Redirect float64
}

// Bad is a bit of everything.
func Bad() Faults {
	return Faults{
		Cut: 0.002, Skip: 0.03, Repeat: 0.05, Swap: 0.05, Garbage: 0.01,
		HTML: 0.02, Truncated: 0.02, Throttle: 0.01, Fail: 0.03, Endless: 0.005, Redirect: 0.01,
	}
}

// Config says what to simulate.
type Config struct {
	// Dialect is binance, coinbase, okx, kraken or bybit.
	Dialect string
	Symbols []string
	// Rate is trades per second and symbol.
	Rate   float64
	Faults Faults
	Seed   uint64
	// Held makes no trade before Go.
	Held bool
}

// Exchange is a running simulator. Its methods may be called from any goroutine.
type Exchange struct {
	cfg     Config
	dialect dialect
	server  *httptest.Server
	trap    *httptest.Server
	trapped atomic.Int32
	held    atomic.Bool
	calm    atomic.Bool

	mu       sync.Mutex // protects the rest
	dice     *rand.Rand
	trades   map[string][]Trade
	conns    map[*conn]bool
	requests []Request
}

// Request is one question over HTTP, for the test of locks.
type Request struct {
	Symbol, Node string
	Began, Ended time.Time
}

// conn is one listener; its writer sends what is queued, in order.
type conn struct {
	ws      *websocket.Conn
	symbols map[string]bool
	out     chan string
	cancel  context.CancelFunc
	late    []string // frames that a swap holds back
}

// Start runs an exchange until the end of the test.
func Start(t testing.TB, cfg Config) *Exchange {
	t.Helper()
	d, ok := dialects()[cfg.Dialect]
	if !ok {
		t.Fatalf("no dialect %q", cfg.Dialect)
	}
	e := &Exchange{cfg: cfg, dialect: d, dice: rand.New(rand.NewPCG(cfg.Seed, 1)), trades: map[string][]Trade{}, conns: map[*conn]bool{}}
	e.trap = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { e.trapped.Add(1) }))
	e.server = httptest.NewServer(http.HandlerFunc(e.serve))
	e.held.Store(cfg.Held)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.trade(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		e.CutAll()
		e.server.CloseClientConnections()
		e.server.Close()
		e.trap.Close()
	})
	return e
}

// URL is the address of the answers, Socket that of the stream.
func (e *Exchange) URL() string { return e.server.URL }

// Socket is the address of the stream.
func (e *Exchange) Socket() string { return strings.Replace(e.server.URL, "http", "ws", 1) + "/ws" }

// Hold stops new trades.
func (e *Exchange) Hold() { e.held.Store(true) }

// Go begins or goes on with trades.
func (e *Exchange) Go() { e.held.Store(false) }

// Listeners is how many have subscribed to every symbol.
func (e *Exchange) Listeners() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		if len(c.symbols) == len(e.cfg.Symbols) {
			n++
		}
	}
	return n
}

// Calm stops the faults.
func (e *Exchange) Calm() { e.calm.Store(true) }

// Trapped is how many requests came to the private address of the redirects.
func (e *Exchange) Trapped() int { return int(e.trapped.Load()) }

// Offered returns the trades of a symbol, all of which can still be asked for.
func (e *Exchange) Offered(symbol string) []Trade {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Trade(nil), e.trades[symbol]...)
}

// Requests returns the questions so far.
func (e *Exchange) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Request(nil), e.requests...)
}

// CutAll ends all connections at once.
func (e *Exchange) CutAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		c.cancel()
	}
}

// happens throws the dice. The caller holds e.mu.
func (e *Exchange) happens(p float64) bool { return !e.calm.Load() && p > 0 && e.dice.Float64() < p }

// trade makes trades at the pace of the config.
func (e *Exchange) trade(ctx context.Context) {
	const tick = 10 * time.Millisecond
	due := 0.0
	for t := time.NewTicker(tick); ; {
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if e.held.Load() {
			continue
		}
		for due += e.cfg.Rate * tick.Seconds() * float64(len(e.cfg.Symbols)); due >= 1; due-- {
			e.one()
		}
	}
}

func (e *Exchange) one() {
	e.mu.Lock()
	defer e.mu.Unlock()
	symbol := e.cfg.Symbols[e.dice.IntN(len(e.cfg.Symbols))]
	t := Trade{
		ID: int64(len(e.trades[symbol])) + 1, TS: time.Now().UnixMilli(), Buy: e.dice.IntN(2) == 0,
		Price: fmt.Sprintf("%d.%02d", 100+e.dice.IntN(10), e.dice.IntN(100)), Size: fmt.Sprintf("0.%04d", 1+e.dice.IntN(9999)),
	}
	e.trades[symbol] = append(e.trades[symbol], t)
	for c := range e.conns {
		if c.symbols[symbol] {
			e.send(c, e.dialect.frame(symbol, t))
		}
	}
}

// send queues one frame, with its faults. The caller holds e.mu.
func (e *Exchange) send(c *conn, frame string) {
	f := e.cfg.Faults
	switch {
	case e.happens(f.Cut):
		c.cancel()
		return
	case e.happens(f.Skip):
		return
	case e.happens(f.Garbage):
		c.queue([]string{"<html>502</html>", frame[:len(frame)/2], `{"hello":1}`, "[]", `null`}[e.dice.IntN(5)])
	case e.happens(f.Swap):
		c.late = append(c.late, frame)
		return
	}
	c.queue(frame)
	if e.happens(f.Repeat) {
		c.queue(frame)
	}
	for _, late := range c.late {
		c.queue(late)
	}
	c.late = nil
}

// queue drops the connection of a listener that does not listen.
func (c *conn) queue(frame string) {
	select {
	case c.out <- frame:
	default:
		c.cancel()
	}
}

func (e *Exchange) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ws" {
		e.listen(w, r)
		return
	}
	e.answer(w, r)
}

// listen takes subscriptions and sends frames until one side has had enough.
func (e *Exchange) listen(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow() //nolint:errcheck // it is closed to be gone
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	c := &conn{ws: ws, symbols: map[string]bool{}, out: make(chan string, 1<<16), cancel: cancel}
	e.mu.Lock()
	e.conns[c] = true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.conns, c)
		e.mu.Unlock()
	}()
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		for {
			_, text, err := ws.Read(ctx)
			if err != nil {
				return
			}
			e.hear(c, string(text))
		}
	})
	for {
		select {
		case <-ctx.Done():
			_ = ws.CloseNow() // cut, as networks do: nothing is said
			reading.Wait()
			return
		case frame := <-c.out:
			if ws.Write(ctx, websocket.MessageText, []byte(frame)) != nil {
				cancel()
			}
		}
	}
}

// hear reads a subscription, or a ping of the venue's own.
func (e *Exchange) hear(c *conn, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	symbols, reply := e.dialect.hear(text)
	for _, s := range symbols {
		if _, known := e.trades[s]; known || e.lists(s) {
			c.symbols[s] = true
		}
	}
	if reply != "" {
		c.queue(reply)
	}
	for _, s := range symbols {
		// What venues send at a subscription: trades that are old already.
		if all := e.trades[s]; len(all) > 0 && e.dialect.snapshot != nil {
			c.queue(e.dialect.snapshot(s, all[max(0, len(all)-5):]))
		}
	}
}

func (e *Exchange) lists(symbol string) bool {
	for _, s := range e.cfg.Symbols {
		if s == symbol {
			return true
		}
	}
	return false
}

// answer is one question over HTTP.
func (e *Exchange) answer(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	symbol, page, ok := e.page(r)
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.requests = append(e.requests, Request{Symbol: symbol, Node: r.Header.Get("X-Node"), Began: began, Ended: time.Now()})
	}()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if e.spoils(w, r, page) {
		return
	}
	_, _ = w.Write([]byte(page)) // the client is gone: nobody to tell
}

func (e *Exchange) page(r *http.Request) (symbol, page string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	symbol, pick, ok := e.dialect.asked(r)
	if !ok || !e.lists(symbol) {
		return symbol, "", false
	}
	return symbol, e.dialect.page(symbol, pick(e.trades[symbol])), true
}

// spoils gives a bad answer in the place of a good one.
func (e *Exchange) spoils(w http.ResponseWriter, r *http.Request, page string) bool {
	e.mu.Lock()
	f := e.cfg.Faults
	dice := []bool{e.happens(f.HTML), e.happens(f.Truncated), e.happens(f.Throttle), e.happens(f.Fail), e.happens(f.Endless), e.happens(f.Redirect)}
	e.mu.Unlock()
	switch {
	case dice[0]:
		_, _ = w.Write([]byte("<!doctype html><title>maintenance</title>"))
	case dice[1]:
		_, _ = w.Write([]byte(page[:len(page)/2]))
	case dice[2]:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case dice[3]:
		w.WriteHeader(http.StatusInternalServerError)
	case dice[4]:
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return true
			}
		}
	case dice[5]:
		http.Redirect(w, r, e.trap.URL, http.StatusFound)
	default:
		return false
	}
	return true
}
