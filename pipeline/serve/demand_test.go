package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

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

func (c *decays) Turns(text string) ([]Turn, error) {
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

func TestValuesOnDemandEqualAComputationOfAllBars(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, c := demandHub(nil)
		next, so := int64(10), int64(0)
		rev := map[int64]int{}
		asked := false
		var seq int64
		for range rapid.IntRange(1, 25).Draw(t, "batches") {
			if !asked && rapid.IntRange(0, 3).Draw(t, "ask") == 0 {
				asked = true
				if _, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)"); strings.Contains(body, "problem") {
					t.Fatal(body)
				}
			}
			var recs []Record
			for range rapid.IntRange(1, 6).Draw(t, "records") {
				so++
				seq++
				bar := next
				if next > 12 && rapid.IntRange(0, 2).Draw(t, "late") == 0 {
					bar = next - rapid.Int64Range(1, 4).Draw(t, "back")
				} else {
					next += rapid.Int64Range(1, 2).Draw(t, "gap") // holes, which may be born late
				}
				m := testBar("BTC", bar, seq)
				m.values = 0
				m.close = fmt.Sprint(rapid.IntRange(1, 1000).Draw(t, "close"))
				if _, ok := rev[bar]; ok {
					rev[bar]++
				} else if bar < next-2 {
					rev[bar] = 1
				} else {
					rev[bar] = 0
				}
				m.rev = rev[bar]
				recs = append(recs, m.record(so, so, 0))
			}
			h.Apply(0, recs)
		}
		if !asked {
			return
		}
		if _, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)"); strings.Contains(body, "problem") {
			t.Fatal(body)
		}
		wt, wv := wantValues(h, "BTC", 0.25)
		gt, gv := shownValues(h, "BTC", "mine/decay(0.25)")
		if fmt.Sprint(wt, wv) != fmt.Sprint(gt, gv) {
			t.Fatalf("values\n%v %v\nwant\n%v %v", gt, gv, wt, wv)
		}
		if n := c.open.Load(); n != 1 {
			t.Fatalf("%d states are open, want 1", n)
		}
	})
}

// A stream of an instance on demand gets every bar's value once, restatements
// included, and what it was told in the end is what the rows say.
func TestStreamsOnDemandAreToldEveryValue(t *testing.T) {
	h, c := demandHub(nil)
	for n := int64(10); n < 20; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)&snapshot=1000", "")
	defer s.Close()
	known := map[string]string{}
	read := func() string {
		text := told(t, s)
		note(t, known, text)
		return text
	}
	if text := read(); !strings.Contains(text, `"mine/decay(0.25)"`) {
		t.Fatalf("no snapshot in %s", text)
	}
	h.Apply(0, []Record{bare("BTC", 20, 0, 20).record(20, 20, 0), bare("BTC", 21, 0, 21).record(21, 21, 0)})
	if text := read(); strings.Count(text, "event: indicator") != 2 {
		t.Fatalf("two bars closed, told %s", text)
	}
	late := bare("BTC", 15, 1, 22)
	late.close = "7777"
	h.Apply(0, []Record{late.record(22, 22, 0)})
	if text := read(); strings.Count(text, "event: revise") != 1 {
		t.Fatalf("a bar was restated, told %s", text)
	}
	wt, wv := wantValues(h, "BTC", 0.25)
	for i := range wt {
		if known[fmt.Sprint(wt[i])] != wv[i] {
			t.Errorf("bar %d: told %q, want %s", wt[i], known[fmt.Sprint(wt[i])], wv[i])
		}
	}
	if c.open.Load() != 1 {
		t.Errorf("%d states are open, want 1", c.open.Load())
	}
}

func TestVersionsChangeAtOneBarOnDemand(t *testing.T) {
	h, c := demandHub(nil)
	for n := int64(10); n < 20; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	c.supersede(h, 22*minute, "00000002")
	h.mend(context.Background())
	for n := int64(20); n < 24; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
		if n == 20 {
			if got := h.Compare("mine"); got.Series != 1 || got.Bars != 11 || got.Differing != 11 || got.Relative != 2 {
				t.Errorf("comparison %+v", got)
			}
		}
	}
	var vers []string
	for _, data := range dataOf(told(t, s), "indicator") {
		e := decode[struct {
			T   int64
			Ver string
		}](t, data)
		vers = append(vers, fmt.Sprintf("%d:%s", e.T/minute, e.Ver))
	}
	want := "[20:00000001 21:00000001 22:00000002 23:00000002]"
	if fmt.Sprint(vers) != want {
		t.Errorf("versions %v, want %v", vers, want)
	}
	_, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)")
	if !strings.Contains(body, `"ver":"00000002"`) {
		t.Errorf("the answer does not name the version: %s", body)
	}
	_, wv := wantValues(h, "BTC", -0.25)
	_, gv := shownValues(h, "BTC", "mine/decay(0.25)")
	if fmt.Sprint(gv) != fmt.Sprint(wv) {
		t.Errorf("rows %v, want %v", gv, wv)
	}
	if c.open.Load() != 1 {
		t.Errorf("%d states are open, want 1", c.open.Load())
	}
}

func TestVersionsChangeAgainAndAgainOnDemand(t *testing.T) {
	h, c := demandHub(nil)
	n := int64(10)
	bars := func(count int) {
		for range count {
			h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
			n++
		}
	}
	bars(5)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	want := []string{}
	for v := 2; v < 8; v++ {
		c.supersede(h, (n+2)*minute, fmt.Sprintf("%08d", v%3+1))
		h.mend(context.Background())
		bars(2)
		fake(h).Advance(time.Hour) // the time of the change has come long ago
		h.mend(context.Background())
		bars(2)
		want = append(want, fmt.Sprintf("%08d", v%3+1), fmt.Sprintf("%08d", v%3+1))
	}
	var got []string
	for _, data := range dataOf(told(t, s), "indicator") {
		got = append(got, decode[struct{ Ver string }](t, data).Ver)
	}
	for i := 0; i < len(want); i += 2 {
		if at := 2*i + 2; got[at] != want[i] || got[at+1] != want[i] {
			t.Errorf("change %d: %v, want %s", i/2, got[at:at+2], want[i])
		}
	}
	if c.open.Load() != 1 {
		t.Errorf("%d states are open, want 1", c.open.Load())
	}
}

// A program that takes too long loses its place in the batch, not the bars of
// others; its listeners are told anew.
func TestSlowProgramsOnDemandLapse(t *testing.T) {
	var hub *Hub
	h, c := demandHub(func(d *decay) {
		if d.factor == 0.5 {
			d.clock, d.delay = fake(hub), 15*time.Millisecond
		}
	})
	hub = h
	for n := int64(10); n < 20; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25),mine/decay(0.5)", "")
	defer s.Close()
	told(t, s)
	var batch []Record
	for n := int64(20); n < 26; n++ {
		batch = append(batch, bare("BTC", n, 0, n).record(n, n, 0))
	}
	h.Apply(0, batch)
	text := told(t, s)
	if got := strings.Count(text, `"ind":"mine/decay(0.25)"`); got != 6 {
		t.Errorf("the fast one has %d values, want 6", got)
	}
	if got := strings.Count(text, `"ind":"mine/decay(0.5)"`); got >= 6 {
		t.Errorf("the slow one has %d values: it was not left out", got)
	}
	h.mend(context.Background())
	text = told(t, s)
	if !strings.Contains(text, "event: reset") || !strings.Contains(text, `"BTC@1m:mine/decay(0.5)"`) {
		t.Errorf("the listener was not told anew: %s", text)
	}
	_, wv := wantValues(h, "BTC", 0.5)
	if _, gv := shownValues(h, "BTC", "mine/decay(0.5)"); fmt.Sprint(gv) != fmt.Sprint(wv) {
		t.Errorf("rows %v, want %v", gv, wv)
	}
	if c.open.Load() != 2 {
		t.Errorf("%d states are open, want 2", c.open.Load())
	}
}

// One pause of the machine in the middle of a batch leaves nothing out.
func TestOnePauseIsNotThatOfAProgram(t *testing.T) {
	var hub *Hub
	h, _ := demandHub(func(d *decay) {
		if d.factor == 0.5 {
			d.clock, d.pause = fake(hub), 13
		}
	})
	hub = h
	for n := int64(10); n < 20; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	s := stream(t, h, "s=BTC@1m:mine/decay(0.5)", "")
	defer s.Close()
	told(t, s)
	var batch []Record
	for n := int64(20); n < 26; n++ {
		batch = append(batch, bare("BTC", n, 0, n).record(n, n, 0))
	}
	h.Apply(0, batch)
	if got := strings.Count(told(t, s), `"ind":"mine/decay(0.5)"`); got != 6 {
		t.Errorf("%d values, want 6", got)
	}
}

func TestFailingProgramsOnDemandHaveNullsAndAFlag(t *testing.T) {
	h, c := demandHub(func(d *decay) { d.fails = 12 })
	for n := int64(10); n < 20; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	for n := int64(20); n < 23; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	events := dataOf(told(t, s), "indicator")
	if len(events) < 2 || strings.Contains(events[0], "fault") || !strings.Contains(events[1], `"v":{"value":null},"final":true`) || !strings.Contains(events[1], `"fault":"error"`) {
		t.Errorf("told %q", events)
	}
	_, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)&from=1200000")
	if want := `[1260000,null,4],[1320000,null,4]]`; !strings.Contains(body, want) {
		t.Errorf("values %s, want %s", body, want)
	}
	// One when the bar closed, one when the series was tried again.
	if len(c.faults) != 2 || !strings.Contains(c.faults[0], "BTC@1m: trap") {
		t.Errorf("faults %q", c.faults)
	}
	if c.open.Load() != 0 {
		t.Errorf("%d states are open, want none", c.open.Load())
	}
}

func TestProvisionalValuesOnDemand(t *testing.T) {
	h, _ := demandHub(nil)
	for n := int64(10); n < 20; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	forming := bare("BTC", 20, 0, 19)
	forming.final = false
	h.Forming(0, [][]byte{forming.json()})
	for g := range h.wakes.take() {
		h.previewGroup(g)
	}
	fake(h).Advance(50 * time.Millisecond)
	text := told(t, s)
	_, wv := wantValues(h, "BTC", 0.25)
	var last float64
	if _, err := fmt.Sscan(wv[len(wv)-1], &last); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`"t":1200000,"v":{"value":%v},"final":false`, last/2+0.25*120.5)
	if !strings.Contains(text, want) {
		t.Errorf("told %s, want %s", text, want)
	}
	if math.IsNaN(last) {
		t.Error("no value at all")
	}
}

func TestIdleInstancesOnDemandAreForgotten(t *testing.T) {
	h, c := demandHub(nil)
	for n := int64(10); n < 20; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
	}
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	told(t, s)
	get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.75)")
	fake(h).Advance(idleAfter + time.Second)
	h.forgetIdle()
	h.forgetIdle()
	if c.open.Load() != 1 || h.dyn.extras.Load() != 1 {
		t.Errorf("%d states, %d series, want the one that is listened to", c.open.Load(), h.dyn.extras.Load())
	}
	s.Close()
	fake(h).Advance(idleAfter + time.Second)
	h.forgetIdle()
	if c.open.Load() != 0 || h.dyn.extras.Load() != 0 || len(h.computed) != 0 {
		t.Errorf("%d states, %d series are left", c.open.Load(), h.dyn.extras.Load())
	}
}

// bare is a closed bar whose record carries no values.
func bare(sym string, n int64, rev int, seq int64) made {
	m := testBar(sym, n, seq)
	m.values, m.rev = 0, rev
	return m
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
func note(t *testing.T, known map[string]string, text string) {
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
