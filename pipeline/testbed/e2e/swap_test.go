package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// toldValue is the final value of one bar as a stream told it.
type toldValue struct {
	Sym   string
	T     int64 `json:"t"`
	End   int64 `json:"T"` // exact, or it would be taken for t
	Ver   string
	Rev   int64
	Final bool
	V     json.RawMessage // of an indicator {"value":number or null}
}

// valueStream notes the final values that a client of one stream was told.
type valueStream struct {
	mu     sync.Mutex // protects all below
	values map[string]map[int64][]toldValue
	bars   map[string]map[int64]bool
	anew   map[string]bool // symbols whose series late trades have changed as a whole: a snapshot told them anew
	open   []string        // bars of them that no event had a value for, as a query
	odd    []string        // events that should not be there
}

func (v *valueStream) take(e oracle.Event) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var d toldValue
	switch e.Type {
	case "indicator", "kline":
		if err := json.Unmarshal([]byte(e.Data), &d); err != nil {
			return err
		}
	case "reset", "bye":
		v.ends(e)
	}
	switch {
	case !d.Final:
	case e.Type == "kline":
		put(v.bars, d.Sym)[d.T] = true
	case e.Type == "indicator":
		m := put(v.values, d.Sym)
		m[d.T] = append(m[d.T], d)
	}
	return nil
}

// ends takes what interrupts a stream: it does not live for ever, and a trade that
// comes late changes each sum behind it.
func (v *valueStream) ends(e oracle.Event) {
	var said struct {
		Reason string
		Series []string
	}
	err := json.Unmarshal([]byte(e.Data), &said)
	switch {
	case err == nil && e.Type == "bye" && said.Reason == "rotate":
	case err == nil && e.Type == "reset" && said.Reason == "restated":
		if v.anew == nil {
			v.anew = map[string]bool{}
		}
		for _, series := range said.Series {
			sym, _, _ := strings.Cut(series, "@")
			v.anew[sym] = true
		}
	default:
		v.odd = append(v.odd, e.Type+" "+e.Data)
	}
}

// follow reads a stream until ctx ends, and goes on where it was when the node
// wants it to come again.
func (v *valueStream) follow(ctx context.Context, url string) error {
	last := ""
	for ctx.Err() == nil {
		id, err := oracle.Stream(ctx, http.DefaultClient, url, last, v.take)
		if err != nil && ctx.Err() == nil {
			return err
		}
		last = id
	}
	return nil
}

func put[V any](m map[string]map[int64]V, sym string) map[int64]V {
	if m[sym] == nil {
		m[sym] = map[int64]V{}
	}
	return m[sym]
}

// turn is an activation: the version of the first bars from its time on.
type turn struct {
	from int64 // ms UTC
	ver  string
}

// at is the version that computes the bar that opens then.
func at(turns []turn, open int64) string {
	ver := ""
	for _, turn := range turns {
		if turn.from <= open {
			ver = turn.ver
		}
	}
	return ver
}

// whole tells whether every bar that was told has its value, or will not get one
// by an event: then the stream may be left.
func (v *valueStream) whole() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for sym, closed := range v.bars {
		for open := range closed {
			if len(v.values[sym][open]) == 0 && !v.anew[sym] {
				return false
			}
		}
	}
	return len(v.bars) > 0
}

// told counts the values by version, and is the newest bar that has one.
func (v *valueStream) told() (versions map[string]int, newest int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	versions = map[string]int{}
	for _, bars := range v.values {
		for open, values := range bars {
			newest = max(newest, open)
			for _, value := range values {
				versions[value.Ver]++
			}
		}
	}
	return versions, newest
}

// check holds what was told against what has to be: each bar that was told has
// its value, and all values of a bar, over its revisions and symbols, are of one
// version, which is that of turns if there are any.
func (v *valueStream) check(t *testing.T, turns ...turn) (bars int, versions []string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, odd := range v.odd {
		t.Errorf("the stream said %s", odd)
	}
	of := map[int64]string{}
	var times []int64
	for sym, closed := range v.bars {
		for open := range closed {
			bars++
			got := v.values[sym][open]
			if len(got) == 0 && v.anew[sym] {
				v.open = append(v.open, fmt.Sprintf("sym=%s&itv=1s&from=%d&to=%d", sym, open, open+1))
				continue
			}
			if len(got) == 0 {
				t.Errorf("bar %d of %s has no value", open, sym)
				continue
			}
			if of[open] == "" {
				of[open] = got[0].Ver
				if len(turns) > 0 {
					of[open] = at(turns, open)
				}
				times = append(times, open)
			}
			checkBar(t, got, of[open])
		}
	}
	slices.Sort(times)
	for _, open := range times {
		if n := len(versions); n == 0 || versions[n-1] != of[open] {
			versions = append(versions, of[open])
		}
	}
	return bars, versions
}

// checkBar wants one value of each revision of a bar, each of version ver.
func checkBar(t *testing.T, got []toldValue, ver string) {
	t.Helper()
	revisions := map[int64]bool{}
	for _, value := range got {
		if value.Ver != ver || revisions[value.Rev] || strings.Contains(string(value.V), "null") {
			t.Errorf("bar %d of %s has the values %+v, want one of each revision, of version %s", value.T, value.Sym, got, ver)
			return
		}
		revisions[value.Rev] = true
	}
}

// swaps is how often a version is changed. KLINE_SWAPS asks for more.
func swaps(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("KLINE_SWAPS"))
	if err != nil || n <= 0 {
		return 5
	}
	return n
}

// activated is the turn that the node says it has made since mark.
func (u *uploads) activated(mark int, ver string) turn {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), time.Minute)
	defer cancel()
	text, err := u.node.Logs().Wait(ctx, mark, "a version was activated")
	if err != nil {
		u.t.Fatal(err)
	}
	var said struct{ From int64 }
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		u.t.Fatalf("reading the log: %v in %q", err, text)
	}
	return turn{said.From, ver}
}

// swap changes between two versions n times, faster than a change takes effect,
// the last time by a rollback, and looks after each change.
func (u *uploads) swap(n int, sums []string, look func()) (turns []turn) {
	u.t.Helper()
	for i := range n {
		time.Sleep(1200 * time.Millisecond) // longer than a bar: each version has some
		to, mark := (i+1)%2, u.node.Logs().Mark()
		if i == n-1 {
			u.must(202, "POST", "/v1/modules/trial-sum/rollback", nil)
		} else {
			u.must(202, "POST", "/v1/modules/trial-sum/activate", fmt.Appendf(nil, `{"version":"1.0.%d","now":true}`, 100+to))
		}
		turns = append(turns, u.activated(mark, sums[to]))
		look()
	}
	return turns
}

// drift is by how much the values rise from the first to the last, over their
// mean, by the straight line with the least squares.
func drift(values []float64) float64 {
	n := float64(len(values))
	var mean, slope, spread float64
	for _, v := range values {
		mean += v / n
	}
	for i, v := range values {
		x := float64(i) - (n-1)/2
		slope += x * (v - mean)
		spread += x * x
	}
	return slope / spread * (n - 1) / mean
}

// audience is a node with two versions of a module, trades, and eight clients.
type audience struct {
	*uploads
	flow    *flow
	clients []*valueStream
	reading sync.WaitGroup
	leave   context.CancelFunc
	rss     []float64 // bytes, at each look
}

func newAudience(t *testing.T) *audience {
	t.Helper()
	c := &audience{uploads: newUploads(t)}
	for v := 100; v < 102; v++ {
		c.must(201, "PUT", "/v1/modules/trial-sum", summing(t, v))
	}
	c.must(202, "POST", "/v1/modules/trial-sum/activate", []byte(`{"version":"1.0.100"}`))
	c.flow = startFlow(t, c.bed, 400, 1)
	var ctx context.Context
	ctx, c.leave = context.WithCancel(t.Context())
	t.Cleanup(func() { c.leave(); c.reading.Wait() })
	for i := range 8 {
		v := &valueStream{values: map[string]map[int64][]toldValue{}, bars: map[string]map[int64]bool{}}
		c.clients = append(c.clients, v)
		symbols := []string{"S0000,S0001,S0002,S0003,S0004", "S0003,S0001"}[i%2]
		c.reading.Go(func() {
			if err := v.follow(ctx, c.http+"/v1/stream?s="+symbols+"@1s:kline,trial-sum/running_sum"); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	for i, v := range c.clients { // a client that comes late sees fewer changes
		if !eventually(v.whole) {
			t.Fatalf("client %d was told no bar with its value", i)
		}
	}
	return c
}

func (c *audience) look() { c.rss = append(c.rss, float64(c.uploads.rss())) }

// end stops the trades, lets the clock close the last bars, and ends the clients
// when none of them waits for the value of a bar.
func (c *audience) end() {
	c.flow.stop()
	c.flow.done.Wait()
	c.settle(patience)
	time.Sleep(4 * time.Second)
	for _, v := range c.clients {
		eventually(v.whole) // check says what is missing
	}
	c.leave()
	c.reading.Wait()
}

// An uploaded indicator changes its version while trades flow, again before the
// change before has taken effect: no bar is without a value, none has two, and
// all symbols and clients see the change at the bar that the registry says. A
// node beside it that changes nothing shows what memory grows by trades alone.
func TestEmbeddedVersionsChangeUnderLoad(t *testing.T) {
	t.Parallel()
	n := swaps(t)
	sums := []string{sumOf(summing(t, 100))[:8], sumOf(summing(t, 101))[:8]}
	c := newAudience(t)
	look, calm := c.look, (*audience)(nil)
	if n >= 500 { // with fewer the caches of the nodes still fill
		calm = newAudience(t)
		look = func() { c.look(); calm.look() }
	}
	turns := append([]turn{{0, sums[0]}}, c.swap(n, sums, look)...)
	time.Sleep(6 * time.Second)
	c.end()
	for i, v := range c.clients {
		bars, versions := v.check(t, turns...)
		t.Logf("client %d: %d bars, %d of them by a snapshot, the version changed %d times", i, bars, len(v.open), len(versions)-1)
		for _, query := range v.open {
			if row := c.must(200, "GET", "/v1/values?ind=trial-sum/running_sum&"+query, nil); bytes.Contains(row, []byte("null")) || !bytes.Contains(row, []byte("[[")) {
				t.Errorf("client %d: %s: %.200s", i, query, row)
			}
		}
		if len(versions) <= n*3/4 {
			t.Errorf("client %d saw %d changes of %d", i, len(versions)-1, n)
		}
		if bars < n {
			t.Errorf("client %d was told only %d bars", i, bars)
		}
	}
	rise := drift(c.rss[n/2:])
	t.Logf("figure: RSS after %d swaps %.0f MiB, over the second half it rose by %.2f %%", n, c.rss[n-1]/(1<<20), 100*rise)
	if calm == nil {
		return
	}
	calm.end()
	still := drift(calm.rss[n/2:])
	t.Logf("figure: RSS of a node without swaps %.0f MiB, over the second half it rose by %.2f %%", calm.rss[n-1]/(1<<20), 100*still)
	if rise-still > 0.03 { // two fits over a memory that trades make rise by more
		t.Errorf("the swaps made RSS rise by %.2f %%", 100*(rise-still))
	}
}

// A node that is killed while a change of version lies ahead, and asked for the
// indicator for the first time when it is back, still knows the old version: the
// bars before the change are that one's.
func TestEmbeddedARestartBeforeAChangeKeepsTheOldVersion(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	sums := map[int]string{}
	for v := 100; v < 102; v++ {
		wasm := summing(t, v)
		sums[v] = fmt.Sprintf("%x", sha256.Sum256(wasm))[:8]
		u.must(201, "PUT", "/v1/modules/trial-sum", wasm)
	}
	u.must(202, "POST", "/v1/modules/trial-sum/activate", []byte(`{"version":"1.0.100"}`))
	f := startFlow(t, u.bed, 400, 1)
	time.Sleep(4 * time.Second)
	f.hold.Store(true)
	const lead = 3000 // ms: twice sync_interval and a second
	before := time.Now().UnixMilli() + lead
	u.must(202, "POST", "/v1/modules/trial-sum/activate", []byte(`{"version":"1.0.101","now":true}`))
	after := time.Now().UnixMilli() + lead
	u.kill()
	u.node.Restart()
	u.ready()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // until it has read the modules
		if status, _, _ := u.ask("GET", "/v1/values?sym=S0000&itv=1s&ind=trial-sum/running_sum", nil); status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for the indicator: the node does not know it %v after its restart", patience)
		}
	}
	v := &valueStream{values: map[string]map[int64][]toldValue{}, bars: map[string]map[int64]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended, open := make(chan struct{}), make(chan struct{})
	var first sync.Once
	go func() {
		defer close(ended)
		_, _ = oracle.Stream(ctx, http.DefaultClient, u.http+"/v1/stream?s=S0000,S0001,S0002,S0003,S0004@1s:kline,trial-sum/running_sum", "", func(e oracle.Event) error {
			first.Do(func() { close(open) })
			return v.take(e)
		})
	}()
	select { // the bars before the change come at once
	case <-open:
	case <-time.After(patience):
		t.Fatal("the stream says nothing")
	}
	f.hold.Store(false)
	eventually(func() bool {
		versions, newest := v.told()
		return versions[sums[100]] > 0 && versions[sums[101]] > 0 && newest > after+2000
	})
	cancel()
	<-ended
	told := map[string]int{}
	for sym, bars := range v.values {
		for open, values := range bars {
			for _, value := range values {
				told[value.Ver]++
				if open < before && value.Ver != sums[100] || open >= after && value.Ver != sums[101] {
					t.Errorf("bar %d of %s, %d ms before the change, is of version %s", open, sym, before-open, value.Ver)
				}
			}
		}
	}
	t.Logf("values by version: %v", told)
	if told[sums[100]] == 0 || told[sums[101]] == 0 {
		t.Errorf("values by version are %v, want some of %s and %s", told, sums[100], sums[101])
	}
}
