package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// fakeStore is a database that follows the log and has come as far as the tests
// want: it holds the newest revision of what it has seen.
type fakeStore struct {
	name  string
	asked atomic.Int64
	open  atomic.Int64 // questions in progress
	most  atomic.Int64
	spoil func(q BarQuery, k *wire.KlineRecord) // changes what is answered
	hang  chan struct{}                         // not nil: questions end with their context alone

	mu   sync.Mutex
	fail error
	bars map[string]map[int64][]byte // by symbol@interval
}

func newFakeStore() *fakeStore {
	return &fakeStore{name: "postgres", bars: map[string]map[int64][]byte{}}
}

func (s *fakeStore) Name() string { return s.name }

// take writes records as the sink does.
func (s *fakeStore) take(recs ...Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var k wire.KlineRecord
	for _, r := range recs {
		if wire.DecodeKline(r.Value, &k) != nil {
			continue
		}
		key := k.Sym + "@" + k.Itv
		if s.bars[key] == nil {
			s.bars[key] = map[int64][]byte{}
		}
		s.bars[key][k.T] = r.Value
	}
}

func (s *fakeStore) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *fakeStore) Bars(ctx context.Context, q BarQuery, fn func(*wire.KlineRecord) error) error {
	s.asked.Add(1)
	n := s.open.Add(1)
	defer s.open.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	if s.hang != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.hang:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	held := s.bars[q.Symbol+"@"+q.Interval]
	times := slices.DeleteFunc(slices.Sorted(maps.Keys(held)), func(t int64) bool { return t < q.From || t >= q.To })
	if q.Newest {
		times = times[max(len(times)-q.Limit, 0):]
	}
	for _, t := range times[:min(q.Limit, len(times))] {
		var k wire.KlineRecord
		if err := wire.DecodeKline(held[t], &k); err != nil {
			return err
		}
		if s.spoil != nil {
			s.spoil(q, &k)
		}
		if err := fn(&k); err != nil {
			return err
		}
	}
	return nil
}

// deepBed is a hub with little memory, a log that retains some of it, and a store
// that lags.
type deepBed struct {
	h     *Hub
	store *fakeStore
	log   *keptLog
	all   []Record // of the whole log
	truth map[int64]string
	revs  map[int64]int
	at    int64 // of the newest bar, minutes
	seq   int64
	late  int // one of so many records and one more is late
}

func newDeepBed(viewBars int) *deepBed {
	cfg := testConfig(1)
	cfg.ViewBars = viewBars
	b := &deepBed{late: 4, h: NewHub(cfg), store: newFakeStore(), log: &keptLog{}, truth: map[int64]string{}, revs: map[int64]int{}}
	b.h.Loaded()
	b.h.SetArchive(b.log)
	b.h.SetStores([]Store{b.store}, StoreConfig{Timeout: 5 * time.Second})
	return b
}

// bar applies one record: the bar back minutes before the newest one, restated if
// it was there already.
func (b *deepBed) bar(back int64) {
	use := b.at - back
	rev := 0
	if _, known := b.truth[use*minute]; known || back > 0 { // one that is born late begins with revision 1
		b.revs[use*minute]++
		rev = b.revs[use*minute]
	}
	b.seq++
	m := testBar("A", use, b.seq)
	m.rev, m.wm = rev, b.at*minute+minute
	offset := int64(len(b.all))
	rec := m.record(offset, offset, 0)
	b.h.Apply(0, []Record{rec})
	b.all, b.log.recs = append(b.all, rec), append(b.log.recs, rec)
	b.truth[use*minute] = fmt.Sprint(rev, " ", b.seq)
}

// grow makes n bars with holes between them and restatements within the lateness.
func (b *deepBed) grow(t *rapid.T, n int) {
	for range n {
		if b.at > 4 && rapid.IntRange(0, max(b.late, 1)).Draw(t, "late") == 0 {
			b.bar(rapid.Int64Range(0, 1).Draw(t, "back"))
			continue
		}
		b.at += rapid.Int64Range(1, 3).Draw(t, "step")
		b.bar(0)
	}
}

type deepBody struct {
	Bars []struct {
		At  int64 `json:"t"`
		End int64 `json:"T"`
		Rev int
		Seq int64
	}
	Next    *int64
	Missing [][2]*int64
}

// check holds one page against the truth: every bar from low up to the end of the
// page is in it once, in its newest revision, or the answer says that it may lack
// it.
func (b *deepBed) check(t *rapid.T, body deepBody, low, high int64) (gaps int) {
	got := map[int64]bool{}
	last := int64(-1)
	for _, k := range body.Bars {
		if k.At <= last || k.At < low || k.At >= high {
			t.Fatalf("bar %d after %d in a page of [%d,%d)", k.At, last, low, high)
		}
		last = k.At
		got[k.At] = true
		if want := b.truth[k.At]; want != fmt.Sprint(k.Rev, " ", k.Seq) {
			t.Fatalf("bar %d is rev %d seq %d, want %s", k.At, k.Rev, k.Seq, want)
		}
	}
	for at := range b.truth {
		if at < low || at >= high || got[at] {
			continue
		}
		if !slices.ContainsFunc(body.Missing, func(m [2]*int64) bool { return (m[0] == nil || *m[0] <= at) && at < *m[1] }) {
			t.Fatalf("bar %d of [%d,%d) is missing and the answer does not say so: %+v", at, low, high, body)
		}
	}
	return len(body.Missing)
}

// The pages behind memory have every bar once in its newest revision, however far
// the store lags and whatever the log still holds; what nobody holds is said.
func TestPagesAcrossTheSeamHaveNoHoleAndNoDouble(t *testing.T) {
	said, whole := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		b := newDeepBed(rapid.SampledFrom([]int{3, 7, 40}).Draw(t, "view_bars"))
		b.grow(t, rapid.IntRange(1, 250).Draw(t, "records"))
		lag := rapid.SampledFrom([]int{0, 1, 5, 30, 100, 1000}).Draw(t, "lag")
		retained := rapid.SampledFrom([]int{0, 5, 30, 1000}).Draw(t, "retained")
		settle := func() {
			b.store.take(b.all[:max(len(b.all)-lag, 0)]...)
			b.log.recs = b.all[max(len(b.all)-retained, 0):]
		}
		settle()
		gaps := 0
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		if rapid.Bool().Draw(t, "forwards") {
			for next, pages := new(int64), 0; next != nil; pages++ {
				if pages > 600 {
					t.Fatal("paging does not end")
				}
				_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&from=%d&limit=%d", *next, limit))
				body := decode[deepBody](&fatal{T: t}, text)
				end := int64(1) << 60
				if body.Next != nil {
					if end = *body.Next; len(body.Bars) != limit {
						t.Fatalf("a page of %d bars has a next", len(body.Bars))
					}
				}
				gaps += b.check(t, body, *next, end)
				next = body.Next
				if pages < 30 && rapid.IntRange(0, 4).Draw(t, "more") == 4 {
					b.grow(t, rapid.IntRange(1, 9).Draw(t, "records"))
					settle()
				}
			}
		} else {
			for to, pages := int64(1)<<50, 0; ; pages++ {
				if pages > 600 {
					t.Fatal("paging does not end")
				}
				_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&to=%d&limit=%d", to, limit))
				body := decode[deepBody](&fatal{T: t}, text)
				low := int64(0)
				if len(body.Bars) == limit {
					low = body.Bars[0].At
				}
				gaps += b.check(t, body, low, to)
				if len(body.Bars) == 0 {
					break
				}
				to = body.Bars[0].At
				if pages < 30 && rapid.IntRange(0, 4).Draw(t, "more") == 4 {
					b.grow(t, rapid.IntRange(1, 9).Draw(t, "records"))
					settle()
				}
			}
		}
		if gaps > 0 && (lag == 0 || retained == 1000) {
			t.Fatalf("%d gaps are said, and there is none: lag %d, retained %d, %d records", gaps, lag, retained, len(b.all))
		}
		if gaps > 0 {
			said++
		} else {
			whole++
		}
	})
	if said == 0 || whole == 0 {
		t.Errorf("%d runs said a gap, %d had none: the generator does not do its work", said, whole)
	}
}

// More bars are restated than are remembered when they leave memory, and the store
// lags: the log has their last revisions, or the answer says that they may be others.
func TestRevisionsBehindAStoreThatLagsAreTheLast(t *testing.T) {
	said, stale := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		b := newDeepBed(rapid.SampledFrom([]int{3, 7}).Draw(t, "view_bars"))
		b.late = 1
		b.grow(t, rapid.IntRange(200, 400).Draw(t, "records"))
		b.store.take(b.all[:max(len(b.all)-rapid.IntRange(0, 400).Draw(t, "lag"), 0)]...)
		whole := rapid.Bool().Draw(t, "whole")
		if !whole {
			b.log.recs = b.all[max(len(b.all)-rapid.IntRange(0, 300).Draw(t, "retained"), 0):]
		}
		limit := rapid.IntRange(1, 90).Draw(t, "limit")
		for next, pages := new(int64), 0; next != nil; pages++ {
			if pages > 400 {
				t.Fatal("paging does not end")
			}
			_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&from=%d&limit=%d", *next, limit))
			body := decode[deepBody](&fatal{T: t}, text)
			if len(body.Missing) > 0 {
				said++
			}
			if whole && len(body.Missing) > 0 {
				t.Fatalf("the log has everything, and %v is said", body.Missing)
			}
			for _, k := range body.Bars {
				if b.truth[k.At] == fmt.Sprint(k.Rev, " ", k.Seq) {
					continue
				}
				stale++
				if !slices.ContainsFunc(body.Missing, func(m [2]*int64) bool { return (m[0] == nil || *m[0] <= k.At) && k.At < *m[1] }) {
					t.Fatalf("bar %d is rev %d seq %d, want %s, and the answer says %v", k.At, k.Rev, k.Seq, b.truth[k.At], body.Missing)
				}
			}
			next = body.Next
		}
	})
	if said == 0 {
		t.Error("no answer told of a gap: the generator does not do its work")
	}
	t.Logf("%d answers told of a gap, %d bars of them were of an older revision", said, stale)
}

// seamBed has the bars of minutes 1 to n, 4 of them in memory, all in the store.
func seamBed(n int64) *deepBed {
	b := newDeepBed(4)
	for range n {
		b.at++
		b.bar(0)
	}
	b.store.take(b.all...)
	b.log.recs = nil
	return b
}

func (b *deepBed) get(t testing.TB, query string) (Answer, string) {
	t.Helper()
	return get(t, b.h, "/v1/klines?sym=A&itv=1m&"+query)
}

func TestTheSourceOfEachPageIsNamed(t *testing.T) {
	b := seamBed(20)
	for query, want := range map[string]string{
		"limit=3":                      "memory",
		"limit=4":                      "memory",
		"limit=5":                      "postgres, memory",
		"limit=3&to=900000":            "postgres",
		"from=60000&limit=5":           "postgres",
		"from=960000&limit=5":          "postgres, memory",
		"from=1020000&limit=5":         "memory",
		"to=60000":                     "postgres, memory", // nothing is there, and these were asked
		"limit=100&format=csv":         "postgres, memory",
		"from=0&to=99999999&limit=100": "postgres, memory",
	} {
		a, text := b.get(t, query)
		if a.Source() != want {
			t.Errorf("%s: source %q, want %q\n%s", query, a.Source(), want, text)
		}
		if a.Missing != nil || strings.Contains(text, "missing") {
			t.Errorf("%s says that bars are missing: %s", query, text)
		}
	}
	if u, _ := get(t, b.h, "/v1/bundle?s=A@1m&limit=9"); u.Source() != "postgres, memory" {
		t.Errorf("a bundle says %q", u.Source())
	}
}

// Rows of the store have the bytes that memory gave for them.
func TestRowsOfTheStoreHaveTheBytesOfMemory(t *testing.T) {
	b := seamBed(20)
	wide := newDeepBed(1000)
	wide.h.SetStores(nil, StoreConfig{})
	for _, r := range b.all {
		wide.h.Apply(0, []Record{r})
	}
	for _, query := range []string{"limit=20", "from=0&limit=7", "limit=6&to=720000", "exact=1&src=1", "format=lwc", "format=columns", "format=csv"} {
		a, _ := b.get(t, query)
		_, want := wide.get(t, query)
		if string(a.Body) != want || !strings.Contains(a.Source(), "postgres") {
			t.Errorf("%s from %s:\n%s\nwant\n%s", query, a.Source(), a.Body, want)
		}
	}
}

func TestAYoungSeriesDoesNotAskForItsPastEachTime(t *testing.T) {
	b := newDeepBed(100)
	for range 5 {
		b.at++
		b.bar(0)
	}
	b.store.take(b.all...)
	for range 10 {
		if a, text := b.get(t, ""); a.Source() != "memory" && a.Source() != "postgres, memory" || len(decode[deepBody](t, text).Bars) != 5 {
			t.Fatalf("%s from %s", text, a.Source())
		}
	}
	if n := b.store.asked.Load(); n > 2 {
		t.Errorf("the store was asked %d times for what it does not hold", n)
	}
	fake(b.h).Advance(time.Minute)
	if b.get(t, ""); b.store.asked.Load() < 3 {
		t.Error("nobody asks the store again: what was imported meanwhile stays unseen")
	}
}

// away are the ways in which a store does not answer.
var away = map[string]func(*fakeStore){
	"fails":        func(s *fakeStore) { s.failWith(errors.New("secret-user: no route to host")) },
	"hangs":        func(s *fakeStore) { s.hang = make(chan struct{}) },
	"other symbol": func(s *fakeStore) { s.spoil = func(_ BarQuery, k *wire.KlineRecord) { k.Sym = "B" } },
	"no number":    func(s *fakeStore) { s.spoil = func(_ BarQuery, k *wire.KlineRecord) { k.C = []byte(`1,"x":2`) } },
	"no id":        func(s *fakeStore) { s.spoil = func(_ BarQuery, k *wire.KlineRecord) { k.FirstID = []byte(`{}`) } },
	"out of range": func(s *fakeStore) { s.spoil = func(q BarQuery, k *wire.KlineRecord) { k.T = q.To } },
	"no order":     func(s *fakeStore) { s.spoil = func(q BarQuery, k *wire.KlineRecord) { k.T = max(q.From, 60000) } },
}

func TestAStoreThatIsAwayIsSaidAndHidesNothing(t *testing.T) {
	for name, spoil := range away {
		t.Run(name, func(t *testing.T) {
			b := seamBed(20)
			b.h.SetStores([]Store{b.store}, StoreConfig{Timeout: 50 * time.Millisecond})
			spoil(b.store)
			_, text := b.get(t, "from=0&limit=5") // behind memory alone
			p := decode[struct {
				Type, Detail string
				Status       int
			}](t, text)
			if p.Status != 503 || !strings.HasSuffix(p.Type, CodeHistoryAway) || strings.Contains(text, "secret") {
				t.Errorf("behind memory: %s", text)
			}
			if _, text = b.get(t, "from=960000&limit=9"); !strings.Contains(text, CodeHistoryAway) {
				t.Errorf("across the seam, from the old end: %s", text)
			}
			a, text := b.get(t, "limit=9")
			if body := decode[deepBody](t, text); len(body.Bars) != 4 || len(body.Missing) != 1 || body.Missing[0][0] != nil || *body.Missing[0][1] != 17*minute {
				t.Errorf("the newest: %s", text)
			}
			if a.Source() != "memory" || a.MissingText() != "-1020000" || a.Cache != CacheLive {
				t.Errorf("the newest are from %q, missing %q, cache %v", a.Source(), a.MissingText(), a.Cache)
			}
			if a, _ = b.get(t, "limit=4"); a.Source() != "memory" || a.Missing != nil {
				t.Errorf("what memory holds is from %q, missing %v", a.Source(), a.Missing)
			}
		})
	}
}

// The log stands in for a store that is away, as far as it goes.
func TestTheLogStandsInForAStoreThatIsAway(t *testing.T) {
	b := seamBed(20)
	b.store.failWith(errors.New("away"))
	b.log.recs = b.all[8:] // minutes 9 and later
	a, text := b.get(t, "from=660000&limit=20")
	if body := decode[deepBody](t, text); len(body.Bars) != 10 || body.Missing != nil || a.Source() != "log, memory" {
		t.Errorf("%s from %s", text, a.Source())
	}
	if _, text = b.get(t, "from=300000&limit=20"); !strings.Contains(text, CodeHistoryAway) {
		t.Errorf("the log begins later: %s", text)
	}
	a, text = b.get(t, "limit=20")
	if body := decode[deepBody](t, text); len(body.Bars) != 12 || len(body.Missing) != 1 || *body.Missing[0][1] != 660000 {
		t.Errorf("%s from %s", text, a.Source())
	}
}

// A store that failed is left alone for a moment, and asked again afterwards.
func TestAStoreThatFailedRests(t *testing.T) {
	b := seamBed(20)
	b.store.failWith(errors.New("away"))
	for range 20 {
		b.get(t, "from=0&limit=5")
	}
	if n := b.store.asked.Load(); n != 1 {
		t.Errorf("a store that failed was asked %d times within its rest", n)
	}
	b.store.failWith(nil)
	fake(b.h).Advance(firstRest)
	if a, text := b.get(t, "from=0&limit=5"); a.Source() != "postgres" {
		t.Errorf("after the rest: %s", text)
	}
}

// Slow questions take up as many slots as there are; the others are answered at
// once, and those of memory never ask.
func TestASlowStoreHoldsUpNobodyElse(t *testing.T) {
	b := seamBed(20)
	b.store.hang = make(chan struct{})
	b.h.SetStores([]Store{b.store}, StoreConfig{Timeout: 30 * time.Second, Parallel: 2})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { b.get(t, "from=0&limit=5") })
	}
	for b.store.open.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	busy := make(chan string)
	go func() {
		_, text := b.get(t, "from=0&limit=5")
		busy <- text
	}()
	for waiting := true; waiting; {
		if a, _ := b.get(t, "limit=4"); a.Source() != "memory" {
			t.Error("memory was not asked")
		}
		fake(b.h).Advance(queueTime)
		select {
		case text := <-busy:
			if !strings.Contains(text, CodeHistoryAway) || !strings.Contains(text, "busy") {
				t.Errorf("the third one: %s", text)
			}
			waiting = false
		case <-time.After(5 * time.Millisecond):
		}
	}
	close(b.store.hang)
	all.Wait()
	if n := b.store.most.Load(); n != 2 {
		t.Errorf("%d questions at a time, want 2", n)
	}
}

// A client that goes away says nothing about the store.
func TestAClientThatLeavesIsNoFailureOfTheStore(t *testing.T) {
	b := seamBed(20)
	b.store.hang = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for b.store.open.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	q := KlinesQuery{Symbol: "A", Interval: "1m", Format: FormatNative, Range: Range{HasFrom: true, Limit: 5}}
	if _, err := b.h.Klines(ctx, q); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(b.store.hang)
	if a, text := b.get(t, "from=0&limit=5"); a.Source() != "postgres" {
		t.Errorf("the next one: %s", text)
	}
}

// The second database answers while the first does not.
func TestTheNextStoreAnswers(t *testing.T) {
	b := seamBed(20)
	second := newFakeStore()
	second.name = "clickhouse"
	second.take(b.all...)
	b.h.SetStores([]Store{b.store, second}, StoreConfig{})
	if a, _ := b.get(t, "from=0&limit=5"); a.Source() != "postgres" {
		t.Errorf("both are there: %q", a.Source())
	}
	b.store.failWith(errors.New("away"))
	if a, _ := b.get(t, "from=0&limit=50"); a.Source() != "clickhouse, memory" || a.Missing != nil {
		t.Errorf("the first is away: %q %v", a.Source(), a.Missing)
	}
}

// An ETag stands for the rows, also for those that somebody changes in the store.
func TestETagsFollowTheRowsOfTheStore(t *testing.T) {
	b := seamBed(20)
	a, _ := b.get(t, "from=60000&to=300000")
	same, _ := b.get(t, "from=60000&to=300000")
	if a.ETag != same.ETag {
		t.Errorf("the same rows have %s and %s", a.ETag, same.ETag)
	}
	m := testBar("A", 2, 99)
	m.rev, m.close = 1, "7"
	b.store.take(m.record(99, 99, 0))
	changed, text := b.get(t, "from=60000&to=300000")
	if changed.ETag == a.ETag || !strings.Contains(text, `"c":7,`) {
		t.Errorf("changed rows have the tag %s: %s", changed.ETag, text)
	}
}

// storedWhole are the values of all bars by hand.
func (b *deepBed) decayed(factor float64) map[int64]string {
	out, last := map[int64]string{}, 0.0
	held := b.store.bars["A@1m"]
	for _, t := range slices.Sorted(maps.Keys(held)) {
		var k wire.KlineRecord
		if wire.DecodeKline(held[t], &k) != nil {
			panic("a record that cannot be read")
		}
		last = last/2 + float64(factor*recordBar(&k).Close)
		out[t] = fmt.Sprint(last)
	}
	return out
}

type valuesBody struct {
	Rows    [][]json.Number
	Missing [][2]*int64
	Seed    *struct {
		At    int64 `json:"t"`
		Whole bool
	}
}

// Values behind memory are those of a computation of the whole series, where the
// store holds it or the warm-up has forgotten what was before.
func TestValuesBehindMemoryEqualAWholeComputation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newDeepBed(5)
		c := &decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}}
		b.h.SetComputer(c)
		b.grow(t, rapid.IntRange(20, 300).Draw(t, "records"))
		b.store.take(b.all...)
		want := b.decayed(3)
		limit := rapid.IntRange(1, 100).Draw(t, "limit")
		query := fmt.Sprintf("/v1/values?sym=A&itv=1m&closed=1&ind=mine/decay(3)&limit=%d", limit)
		if rapid.Bool().Draw(t, "from?") {
			query += fmt.Sprint("&from=", rapid.Int64Range(0, b.at*minute).Draw(t, "from"))
		}
		_, text := get(&fatal{T: t}, b.h, query)
		body := decode[valuesBody](&fatal{T: t}, text)
		for _, row := range body.Rows {
			at, _ := row[0].Int64()
			// Half of the last value: 80 bars of warm-up leave nothing of what was before.
			if row[1].String() != want[at] {
				t.Fatalf("%s: value of %d is %s, want %s", query, at, row[1], want[at])
			}
		}
		if len(want) <= 5 || len(body.Rows) == 0 {
			return // memory holds all of it, or there is none
		}
		if body.Seed == nil || body.Seed.At > mustInt(body.Rows[0][0]) {
			t.Fatalf("%s: seed %+v", query, body.Seed)
		}
		if first := slices.Min(slices.Collect(maps.Keys(want))); body.Seed.Whole != (body.Seed.At == first) {
			t.Fatalf("%s: seed %+v, the store begins at %d", query, body.Seed, first)
		}
		if c.open.Load() > 1 { // that of memory
			t.Fatalf("%d states were left open", c.open.Load())
		}
	})
}

func mustInt(n json.Number) int64 { v, _ := n.Int64(); return v }

// Values over a gap begin anew behind it.
func TestValuesDoNotRunOverAGap(t *testing.T) {
	b := newDeepBed(4)
	c := &decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}}
	b.h.SetComputer(c)
	for range 40 {
		b.at++
		b.bar(0)
	}
	b.store.take(b.all[:20]...)
	b.log.recs = nil
	_, text := get(t, b.h, "/v1/values?sym=A&itv=1m&ind=mine/decay(1)&limit=10")
	body := decode[valuesBody](t, text)
	if len(body.Missing) != 1 || *body.Missing[0][0] != 21*minute || *body.Missing[0][1] != 37*minute {
		t.Fatalf("missing %+v in %s", body.Missing, text)
	}
	for _, row := range body.Rows {
		if mustInt(row[0]) == 37*minute && row[1].String() != "137.5" {
			t.Errorf("the first value behind the gap is %s, want that of its bar alone", row[1])
		}
	}
}
