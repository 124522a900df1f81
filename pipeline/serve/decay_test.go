package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// decay is a program whose values depend on every bar since the first: half of
// the last value and the close times a factor, which is its version.
type decay struct {
	meta   *InstanceMeta
	factor float64
	delay  time.Duration
	pause  int // the bar before which the machine stands still for a second
	clock  *clock.Fake
	fails  int // at the bar with that number; 0 never
	open   *atomic.Int64
}

func (d *decay) Meta() *InstanceMeta { return d.meta }

func (d *decay) Start(int64) (Cursor, error) {
	d.open.Add(1)
	return &decayed{d: d}, nil
}

type decayed struct {
	d      *decay
	mu     sync.Mutex
	last   float64
	n      int
	closed bool
}

var errGuest = errors.New("trap: unreachable")

func (c *decayed) Run(bars []core.Bar, out []float64, _ []bool) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, errors.New("closed")
	}
	if c.d.delay > 0 {
		c.d.clock.Advance(c.d.delay * time.Duration(len(bars)))
	}
	for i := range bars {
		if c.n++; c.n == c.d.pause {
			c.d.clock.Advance(time.Second)
		}
		if c.n == c.d.fails {
			return i, errGuest
		}
		c.last = c.last/2 + float64(c.d.factor*bars[i].Close)
		out[i] = c.last
	}
	return len(bars), nil
}

func (c *decayed) Preview(bar core.Bar, out []float64) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out[0] = c.last/2 + float64(c.d.factor*bar.Close)
	return false, nil
}

func (c *decayed) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.d.open.Add(-1)
	}
}

// decays is a computer of decay(n) in the versions of its plan.
type decays struct {
	mu      sync.Mutex
	plan    []decayTurn
	program map[string]*decay
	open    atomic.Int64
	faults  []string
	change  func(*decay)
}

type decayTurn struct {
	from    int64
	version string
}

// supersede adds a turn, as the registry does: what was to begin later never does.
func (c *decays) supersede(h *Hub, from int64, version string) {
	c.mu.Lock()
	c.plan = slices.DeleteFunc(c.plan, func(t decayTurn) bool { return t.from >= from })
	c.plan = append(c.plan, decayTurn{from, version})
	c.mu.Unlock()
	h.Supersede("mine")
}

func (c *decays) Turns(ctx context.Context, text string) ([]Turn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Turn
	for _, t := range c.plan {
		p, err := c.make(text, t.version)
		if err != nil {
			return nil, err
		}
		out = append(out, Turn{From: t.from, Key: t.version, Program: p})
	}
	return out, nil
}

// make is decay(n) in a version: each has a factor of its own.
func (c *decays) make(text, version string) (Program, error) {
	var n float64
	if _, err := fmt.Sscanf(text, "mine/decay(%g)", &n); err != nil {
		return nil, fmt.Errorf("there is no indicator %q", text)
	}
	key := text + version
	if p := c.program[key]; p != nil {
		return p, nil
	}
	p := &decay{meta: &InstanceMeta{Name: text, Outputs: []string{"value"}, Module: "mine", Version: version, Warmup: 10}, factor: n * factorOf(version), open: &c.open}
	if c.change != nil {
		c.change(p)
	}
	c.program[key] = p
	return p, nil
}

// factorOf is 1, -1, 2, -2 and so on by the number of the version.
func factorOf(version string) float64 {
	n, _ := strconv.Atoi(version)
	if n%2 == 0 {
		return -float64(n / 2)
	}
	return float64(n/2 + 1)
}

func (c *decays) Fault(_ Program, symbol, interval string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, symbol+"@"+interval+": "+err.Error())
}

func demandHub(change func(*decay)) (*Hub, *decays) {
	h := testHub(1)
	c := &decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}, change: change}
	h.SetComputer(c)
	return h, c
}

// want computes the values of all bars in memory by hand.
func wantValues(h *Hub, sym string, factor float64) (t []int64, v []string) {
	g := h.find(sym, "1m")
	last := 0.0
	for _, b := range g.closedBars() {
		last = last/2 + float64(factor*b.Close)
		t, v = append(t, b.OpenTime), append(v, fmt.Sprint(last))
	}
	return t, v
}

func shownValues(h *Hub, sym, name string) (t []int64, v []string) {
	n, _ := h.number(name)
	r := &h.find(sym, "1m").value(n).rows
	for i := range r.len() {
		parts := cells(nil, r.row(i))
		t, v = append(t, r.at(i)), append(v, string(parts[1]))
	}
	return t, v
}

// bare is a closed bar whose record carries no values.
func bare(sym string, n int64, rev int, seq int64) made {
	m := testBar(sym, n, seq)
	m.values, m.rev = 0, rev
	return m
}

// closeBars closes the bars of BTC numbered from to to-1, one record each.
func closeBars(h *Hub, from, to int64) {
	for n := from; n < to; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
}

// told is all that a stream has to say now.
func told(t *testing.T, s *Subscriber) string {
	t.Helper()
	b, err := drainNow(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dataOf lists the data of the events of one kind.
func dataOf(text, event string) []string {
	var out []string
	for _, block := range strings.Split(text, "\n\n") {
		if _, data, ok := strings.Cut(block, "event: "+event+"\ndata: "); ok {
			out = append(out, data)
		}
	}
	return out
}

// note keeps the newest value of each bar that a client was told.
func note(t fataler, known map[string]string, text string) {
	t.Helper()
	type columns struct {
		T     []int64
		Value []json.Number
	}
	put := func(c columns) {
		for i := range c.T {
			known[fmt.Sprint(c.T[i])] = c.Value[i].String()
		}
	}
	for _, d := range dataOf(text, "snapshot") {
		put(decode[struct{ Ind map[string]columns }](t, d).Ind["mine/decay(0.25)"])
	}
	for _, d := range dataOf(text, "indicator") {
		e := decode[struct {
			T int64
			V struct{ Value json.Number }
		}](t, d)
		known[fmt.Sprint(e.T)] = e.V.Value.String()
	}
	for _, d := range dataOf(text, "revise") {
		put(decode[columns](t, d))
	}
}
