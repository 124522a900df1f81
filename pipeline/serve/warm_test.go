package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// means is a computer of mine/mean(n), the mean of the last n closes: it forgets all that
// was before.
type means struct {
	next int64 // the first bar of another version that computes the same; 0: there is none
}

func (c means) Turns(_ context.Context, text string) ([]Turn, error) {
	var n int
	if _, err := fmt.Sscanf(text, "mine/mean(%d)", &n); err != nil {
		return nil, fmt.Errorf("there is no indicator %q", text)
	}
	m := &InstanceMeta{Name: text, Outputs: []string{"value"}, Module: "mine", Version: "00000001", Warmup: int64(n)}
	turns := []Turn{{Key: text, Program: &mean{m, n}}}
	if c.next > 0 {
		turns = append(turns, Turn{From: c.next, Key: text + "again", Program: &mean{m, n}})
	}
	return turns, nil
}

type mean struct {
	meta *InstanceMeta
	n    int
}

func (m *mean) Meta() *InstanceMeta         { return m.meta }
func (m *mean) Start(int64) (Cursor, error) { return &meanOf{n: m.n}, nil }

type meanOf struct {
	n    int
	last []float64
}

func (c *meanOf) Run(bars []core.Bar, out []float64, _ []bool) (int, error) {
	for i := range bars {
		if c.last = append(c.last, bars[i].Close); len(c.last) > c.n {
			c.last = slices.Clone(c.last[1:])
		}
		out[i] = average(c.last, c.n)
	}
	return len(bars), nil
}

func (c *meanOf) Preview(bar core.Bar, out []float64) (bool, error) {
	out[0] = average(append(slices.Clone(c.last), bar.Close), c.n)
	return false, nil
}

func (*meanOf) Close() {}

// average is the mean of the newest n closes, NaN of fewer.
func average(closes []float64, n int) float64 {
	if len(closes) < n {
		return math.NaN()
	}
	sum := 0.0
	for _, v := range closes[len(closes)-n:] {
		sum += v
	}
	return sum / float64(n)
}

// warmBed is a hub with little memory, and the log of all that it has followed.
type warmBed struct {
	h      *Hub
	log    *slowLog
	closes map[int64]float64 // the newest of each bar, by minute
	revs   map[int64]int
	so     int64
}

// slowLog is a log that can fail, and that tells when a read begins.
type slowLog struct {
	mu    sync.Mutex
	kept  keptLog
	reads atomic.Int64
	fail  error
	begun func()
}

func (l *slowLog) Read(ctx context.Context, p int32, from, to int64, fn func(Record) bool) error {
	l.reads.Add(1)
	l.mu.Lock()
	kept, fail, begun := keptLog{recs: slices.Clone(l.kept.recs)}, l.fail, l.begun
	l.begun = nil
	l.mu.Unlock()
	if begun != nil {
		begun()
	}
	if fail != nil {
		return fail
	}
	return kept.Read(ctx, p, from, to, fn)
}

func (l *slowLog) failWith(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func newWarmBed(viewBars int, c Computer) *warmBed {
	cfg := testConfig(1)
	cfg.ViewBars, cfg.AllowedLateness = viewBars, 20*minute
	b := &warmBed{h: NewHub(cfg), log: &slowLog{}, closes: map[int64]float64{}, revs: map[int64]int{}}
	b.h.Loaded()
	b.h.SetArchive(b.log)
	b.h.SetComputer(c)
	return b
}

// made is the next record of the bar that opens at a minute.
func (b *warmBed) made(at int64, price int) Record {
	rev, known := b.revs[at]
	if known {
		rev++
	} else if len(b.revs) > 0 && at < slices.Max(slices.Collect(maps.Keys(b.revs))) {
		rev = 1 // born late
	}
	m := bare("BTC", at, rev, b.so+1)
	m.close = fmt.Sprint(price)
	b.revs[at], b.closes[at] = rev, float64(price)
	r := m.record(b.so, b.so, 0)
	b.so++
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	b.log.kept.recs = append(b.log.kept.recs, r)
	return r
}

func (b *warmBed) bar(at int64, price int) { b.h.Apply(0, []Record{b.made(at, price)}) }

// close closes the bars from to to-1, each with a price of its own.
func (b *warmBed) close(from, to int64) {
	for at := from; at < to; at++ {
		b.bar(at, int(100+at*at%97))
	}
}

// want is the mean of n closes at each bar, over all bars that ever were.
func (b *warmBed) want(n int) map[int64]string {
	out := map[int64]string{}
	var closes []float64
	for _, at := range slices.Sorted(maps.Keys(b.closes)) {
		closes = append(closes, b.closes[at])
		out[at*minute] = "null"
		if v := average(closes, n); !math.IsNaN(v) {
			text, _ := json.Marshal(v)
			out[at*minute] = string(text)
		}
	}
	return out
}

type toldRow struct {
	at   int64
	text string
}

// values are the rows of a read, "null" where there is no value.
func (b *warmBed) values(t fataler, ind, query string) (out []toldRow) {
	t.Helper()
	_, text := get(t, b.h, "/v1/values?sym=BTC&itv=1m&closed=1&ind="+ind+"&"+query)
	for _, row := range decode[struct{ Rows [][]json.RawMessage }](t, text).Rows {
		var at int64
		if err := json.Unmarshal(row[0], &at); err != nil {
			t.Fatal(err)
		}
		out = append(out, toldRow{at, string(row[1])})
	}
	if len(out) == 0 {
		t.Fatalf("no rows in %s", text)
	}
	return out
}

func (b *warmBed) check(t fataler, when string, rows []toldRow, n int) {
	t.Helper()
	want := b.want(n)
	for _, r := range rows {
		if r.text != want[r.at] {
			t.Fatalf("%s: the value of bar %d is %s, want %s; rows %v", when, r.at/minute, r.text, want[r.at], rows)
		}
	}
}

// All bars in memory have the values of a computation over the whole series, on every
// route, although memory begins right before them.
func TestValuesOnDemandReachBackBeforeMemory(t *testing.T) {
	b := newWarmBed(20, means{})
	b.h.cfg.AllowedLateness = 500 * minute // trades may be later than all that there is
	b.close(1, 100)
	b.check(t, "values", b.values(t, "mine/mean(8)", "limit=20"), 8)
	_, text := get(t, b.h, "/v1/bundle?s=BTC@1m:kline,mine/mean(9)&closed=1&limit=20")
	if c := decode[struct {
		Series []struct {
			Ind map[string]struct{ Value []*float64 }
		}
	}](t, text).Series[0].Ind["mine/mean(9)"].Value; len(c) != 20 || slices.Contains(c, nil) {
		t.Errorf("bundle: %s", text)
	}
	s := stream(t, b.h, "s=BTC@1m:mine/mean(10)&snapshot=20", "")
	defer s.Close()
	if text := told(t, s); strings.Count(text, "event: snapshot") != 1 || strings.Contains(text, "[null") {
		t.Errorf("stream: %s", text)
	}
}

// Where memory holds fewer bars than an indicator takes, the newest value is there, too,
// and goes on with the bars that close, also when one of them is restated.
func TestValuesOnDemandNeedNotWarmUpInMemory(t *testing.T) {
	b := newWarmBed(5, means{})
	b.close(1, 100)
	want := func() string {
		return `"v":{"value":` + b.want(12)[slices.Max(slices.Collect(maps.Keys(b.closes)))*minute] + `}`
	}
	if _, text := get(t, b.h, "/v1/latest?s=BTC@1m:mine/mean(12)"); !strings.Contains(text, want()) {
		t.Errorf("latest: want %s in %s", want(), text)
	}
	s := stream(t, b.h, "s=BTC@1m:mine/mean(12)&snapshot=5", "")
	defer s.Close()
	told(t, s)
	b.bar(100, 777)
	if text := told(t, s); !strings.Contains(text, want()) {
		t.Errorf("stream: want %s in %s", want(), text)
	}
	b.bar(99, 555)
	if text := told(t, s); strings.Count(text, "event: revise") != 1 || !strings.Contains(text, `"t":[5940000,6000000],"value":[`+b.want(12)[99*minute]) {
		t.Errorf("a bar was restated, told %s", text)
	}
	b.check(t, "restated", b.values(t, "mine/mean(12)", "limit=5"), 12)
}

// A stream of which a database has the warm-up and the log nothing.
func TestStreamsOnDemandReachBackIntoAStore(t *testing.T) {
	b, store := newWarmBed(20, means{}), newFakeStore()
	b.h.cfg.AllowedLateness = 500 * minute
	b.h.SetStores([]Store{store}, StoreConfig{})
	b.close(1, 100)
	store.take(b.log.kept.recs...)
	b.log.failWith(errors.New("the brokers are away"))
	s := stream(t, b.h, "s=BTC@1m:mine/mean(10)&snapshot=20", "")
	defer s.Close()
	if text := told(t, s); strings.Count(text, "event: snapshot") != 1 || strings.Contains(text, "[null") {
		t.Errorf("stream: %s", text)
	}
}

// Bars close, are born late and are restated, in memory and in front of it; whatever is
// read has the values of a computation over the whole series, as other nodes do that
// have more memory, or were started at another time.
func TestValuesOnDemandEqualThoseOfTheWholeSeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "n")
		ind := fmt.Sprintf("mine/mean(%d)", n)
		b := newWarmBed(rapid.IntRange(2, 12).Draw(t, "view"), means{})
		next := int64(20)
		for range rapid.IntRange(1, 60).Draw(t, "bars") {
			b.bar(next, rapid.IntRange(1, 999).Draw(t, "price"))
			next += rapid.Int64Range(1, 2).Draw(t, "step")
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				limit, during := fmt.Sprint("limit=", rapid.IntRange(1, 15).Draw(t, "limit")), b.log.begun != nil
				if rows := b.values(t, ind, limit); !during { // an answer may be of before what happens during it
					b.check(t, "read", rows, n)
				}
			case 1:
				back, closed := rapid.Int64Range(1, 15).Draw(t, "meanwhile"), rapid.Int64Range(0, 12).Draw(t, "closed")
				b.log.begun = func() {
					b.close(next, next+closed)
					next += closed
					b.bar(next-back, 7)
				}
			case 2:
				b.restart()
			default:
				var recs []Record
				for range rapid.IntRange(1, 4).Draw(t, "records") {
					at := next
					if rapid.Bool().Draw(t, "late") {
						at = next - rapid.Int64Range(1, 15).Draw(t, "back")
					} else {
						next += rapid.Int64Range(1, 2).Draw(t, "step")
					}
					recs = append(recs, b.made(at, rapid.IntRange(1, 999).Draw(t, "price")))
				}
				b.h.Apply(0, recs)
			}
		}
		b.log.begun = nil
		b.check(t, "in the end", b.values(t, ind, "limit=15"), n)
	})
}

// restart is another hub that follows the same log.
func (b *warmBed) restart() {
	cfg := b.h.cfg
	b.h = NewHub(cfg)
	b.h.Loaded()
	b.h.SetArchive(b.log)
	b.h.SetComputer(means{})
	b.h.Apply(0, b.log.kept.recs)
}

// A value that was stable stays what it was, to the last digit, when those before it get
// theirs: it depends on the bars before memory by less than the warm-up says, but does.
func TestStableValuesDoNotChangeWhenThoseBeforeThemWarmUp(t *testing.T) {
	b := newWarmBed(30, &decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}})
	b.close(1, 100)
	const ind = "mine/decay(0.25)"
	quiet := stream(t, b.h, "s=BTC@1m:"+ind+"&snapshot=5", "")
	defer quiet.Close()
	told(t, quiet)
	newest := b.values(t, ind, "limit=15")
	if n := b.log.reads.Load(); n != 0 {
		t.Fatalf("the log was read %d times for values that are stable", n)
	}
	cold := shownRows(b)
	all := b.values(t, ind, "limit=30")
	if n := b.log.reads.Load(); n != 1 {
		t.Fatalf("the log was read %d times", n)
	}
	if all[0].text == cold[0].text {
		t.Errorf("the oldest value is %s still", cold[0].text)
	}
	if !slices.Equal(all[15:], newest) || !slices.Equal(b.values(t, ind, "limit=15"), newest) {
		t.Errorf("values\n%v\nwere\n%v", all[15:], newest)
	}
	if text := told(t, quiet); strings.Contains(text, "event: ") {
		t.Errorf("a stream that has seen none of them was told %s", text)
	}
	b.values(t, ind, "limit=30")
	if n := b.log.reads.Load(); n != 1 {
		t.Errorf("the log was read %d times", n)
	}
}

func shownRows(b *warmBed) (out []toldRow) {
	at, v := shownValues(b.h, "BTC", "mine/decay(0.25)")
	for i := range at {
		out = append(out, toldRow{at[i], v[i]})
	}
	return out
}

// While the log is away memory is answered as it is, at once from the second time on, and
// the streams that saw no values get them when it is back.
func TestValuesOnDemandWarmUpWhenTheLogIsBack(t *testing.T) {
	for view, newest := range map[int]string{20: "", 5: "null"} { // is the newest value without one, too?
		b := newWarmBed(view, means{})
		b.close(1, 100)
		b.log.failWith(errors.New("the brokers are away"))
		s := stream(t, b.h, "s=BTC@1m:mine/mean(8)&snapshot=20", "")
		defer s.Close()
		if text := told(t, s); !strings.Contains(text, `"value":[null,`) {
			t.Fatalf("told %s", text)
		}
		all := fmt.Sprint("limit=", view)
		rows := b.values(t, "mine/mean(8)", all)
		if n := b.log.reads.Load(); n != 1 || rows[0].text != "null" || (rows[view-1].text == "null") != (newest == "null") {
			t.Fatalf("%d reads, rows %v", n, rows)
		}
		fake(b.h).Advance(leadRest)
		b.h.warmListened(t.Context())
		if text := told(t, s); text != "" {
			t.Fatalf("nothing has changed, told %s", text)
		}
		b.log.failWith(nil)
		fake(b.h).Advance(leadRest)
		b.h.warmListened(t.Context())
		if text := told(t, s); !strings.Contains(text, "event: reset") || strings.Contains(text, "[null") {
			t.Errorf("told %s", text)
		}
		b.check(t, "afterwards", b.values(t, "mine/mean(8)", all), 8)
	}
}

// Nothing that the log does waits in the turn of the partition: bars close, and are
// restated, while it is read.
func TestBarsCloseWhileTheLogIsReadForAWarmUp(t *testing.T) {
	for _, closed := range []int64{5, 15} { // fewer than the warm-up takes, and more
		b := newWarmBed(20, means{})
		b.close(1, 100)
		b.log.begun = func() {
			b.close(100, 100+closed)
			b.bar(84, 5555) // was in memory when the read began, and has left it
			b.bar(79, 4444) // had left it
		}
		b.values(t, "mine/mean(8)", "limit=20")
		b.check(t, "afterwards", b.values(t, "mine/mean(8)", "limit=20"), 8)
	}
}

func TestManyReadersReadTheLogOnceForAWarmUp(t *testing.T) {
	b := newWarmBed(20, means{})
	b.close(1, 100)
	hold, began := make(chan struct{}), make(chan struct{})
	b.log.begun = func() {
		close(began)
		<-hold
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { b.values(t, "mine/mean(8)", "limit=20") })
	}
	<-began
	close(hold)
	all.Wait()
	if n := b.log.reads.Load(); n != 1 {
		t.Errorf("%d reads", n)
	}
	b.check(t, "afterwards", b.values(t, "mine/mean(8)", "limit=20"), 8)
}

// A series whose bars take too long to read is left alone for longer than the others.
func TestAWarmUpThatTakesTooLongRests(t *testing.T) {
	b := newWarmBed(20, means{})
	b.close(1, 100)
	b.values(t, "mine/mean(8)", "limit=1")
	hold, began := make(chan struct{}), make(chan struct{})
	defer close(hold)
	b.log.begun = func() {
		close(began)
		<-hold
	}
	g := b.h.find("BTC", "1m")
	n, _ := b.h.number("mine/mean(8)")
	b.h.warm(t.Context(), []place{{g, n, g.extras[n]}}, time.Millisecond)
	<-began
	fake(b.h).Advance(leadRest)
	if rows := b.values(t, "mine/mean(8)", "limit=20"); rows[0].text != "null" || b.log.reads.Load() > 1 {
		t.Errorf("%d reads, rows %v", b.log.reads.Load(), rows)
	}
	fake(b.h).Advance(nothingTime * time.Millisecond)
	b.check(t, "later", b.values(t, "mine/mean(8)", "limit=20"), 8)
}

// What nobody holds is not looked for again and again.
func TestAWarmUpThatNobodyHoldsIsAskedForOnce(t *testing.T) {
	b := newWarmBed(20, means{})
	b.close(1, 100)
	b.log.kept.recs = b.log.kept.recs[75:] // by retention: bars 76 and later, memory begins with 80
	rows := b.values(t, "mine/mean(30)", "limit=20")
	for range 3 {
		rows = b.values(t, "mine/mean(30)", "limit=20")
	}
	if n := b.log.reads.Load(); n != 1 {
		t.Errorf("%d reads", n)
	}
	if i := slices.IndexFunc(rows, func(r toldRow) bool { return r.text != "null" }); i >= 0 {
		b.check(t, "values", rows[i:], 30)
	}
}

// What the log shows first are bars that were restated, whose neighbours nobody holds.
func TestAWarmUpDoesNotRunOverWhatTheLogHasLost(t *testing.T) {
	b := newWarmBed(20, means{})
	b.close(1, 90)
	b.bar(70, 999)
	b.close(90, 100)
	b.log.kept.recs = b.log.kept.recs[89:] // the restated bar 70, then 90 and later
	b.h.find("BTC", "1m").index.entries = b.h.find("BTC", "1m").index.entries[:1]
	for _, n := range []int{3, 8} {
		want := b.want(n)
		for _, r := range b.values(t, fmt.Sprintf("mine/mean(%d)", n), "limit=20") {
			if r.text != "null" && r.text != want[r.at] {
				t.Errorf("the mean of %d at bar %d is %s, want %s or none", n, r.at/minute, r.text, want[r.at])
			}
		}
	}
}

// A database may hold bars that the log has never shown, and one of them is born again.
func TestABarBornBetweenTheWarmUpOfAStoreAndMemory(t *testing.T) {
	b, store := newWarmBed(50, means{}), newFakeStore()
	for at := range int64(49) {
		store.take(b.made(at+1, int(at)))
	}
	b.h.SetStores([]Store{store}, StoreConfig{})
	b.log.kept.recs = nil
	b.close(50, 54)
	target, newest := "/v1/latest?s=BTC@1m:mine/mean(8)", int64(53*minute)
	if _, text := get(t, b.h, target); !strings.Contains(text, b.want(8)[newest]) {
		t.Fatalf("want %s in %s", b.want(8)[newest], text)
	}
	again := b.made(49, 7777)
	store.take(again)
	b.h.Apply(0, []Record{again})
	if _, text := get(t, b.h, target); !strings.Contains(text, b.want(8)[newest]) {
		t.Errorf("want %s in %s", b.want(8)[newest], text)
	}
}

// A version that takes over has as many values, whether it was prepared before or after
// the bars in front of memory were read.
func TestTheNextVersionOnDemandReachesBackBeforeMemory(t *testing.T) {
	for _, limit := range []string{"limit=1", "limit=20"} {
		b := newWarmBed(20, means{next: 100 * minute})
		b.close(1, 100)
		b.values(t, "mine/mean(8)", limit)
		b.h.mend(t.Context())
		b.values(t, "mine/mean(8)", "limit=20")
		b.h.mend(t.Context())
		b.close(100, 101)
		b.check(t, limit, b.values(t, "mine/mean(8)", "limit=20"), 8)
		if n := b.log.reads.Load(); n != 1 {
			t.Errorf("%d reads", n)
		}
	}
}

// The bars in front of memory take no more than their part of view_memory, and go with
// what was computed from them.
func TestWarmUpsAreBounded(t *testing.T) {
	b := newWarmBed(20, means{})
	b.h.cfg.ViewMemory = 100 * barSize * leadShare
	b.close(1, 300)
	b.check(t, "within", b.values(t, "mine/mean(60)", "limit=20"), 60)
	if rows := b.values(t, "mine/mean(101)", "limit=20"); rows[0].text != "null" {
		t.Errorf("beyond the bound: %v", rows)
	}
	g := b.h.find("BTC", "1m")
	if b.h.leads != 60 || len(g.lead.bars) != 60 {
		t.Errorf("room for %d bars is taken, and %d are kept", b.h.leads, len(g.lead.bars))
	}
	b.close(300, 310)
	if b.check(t, "later", b.values(t, "mine/mean(60)", "limit=20"), 60); len(g.lead.bars) != 60 {
		t.Errorf("%d are kept", len(g.lead.bars))
	}
	fake(b.h).Advance(2 * idleAfter)
	b.h.forgetIdle()
	if b.h.leads != 0 || g.lead.bars != nil {
		t.Errorf("room for %d bars is taken, and %d are kept", b.h.leads, len(g.lead.bars))
	}
}
