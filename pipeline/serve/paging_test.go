package serve

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// keptLog is the topic as a LogReader.
type keptLog struct {
	recs  []Record
	reads int
}

func (l *keptLog) Read(_ context.Context, _ int32, from, to int64, fn func(Record) bool) error {
	for _, r := range l.recs {
		if r.Offset >= from && r.Offset < to {
			l.reads++
			if !fn(r) {
				return nil
			}
		}
	}
	return nil
}

type klinesBody struct {
	Pos  string
	Bars []struct {
		At    int64 `json:"t"`
		End   int64 `json:"T"`
		Rev   int
		Seq   int64
		Final bool
	}
	Next *int64
}

// fill makes n bars with holes, restatements and a second symbol between them.
func fill(t *rapid.T, h *Hub, log *keptLog, n int) (truth map[int64]string) {
	truth = map[int64]string{}
	at, seq, offset := int64(0), int64(0), int64(0)
	revs := map[int64]int{}
	for range n {
		at += rapid.Int64Range(1, 3).Draw(t, "step")
		use, rev := at, 0
		if at > 4 && rapid.IntRange(0, 5).Draw(t, "late") == 0 {
			use = at - rapid.Int64Range(0, 1).Draw(t, "back") // within the lateness
			revs[use]++
			rev = revs[use]
		}
		seq++
		m := testBar("A", use, seq)
		m.rev, m.wm = rev, at*minute+minute
		recs := []Record{m.record(offset, offset, 0), testBar("B", at, seq).record(offset+1, offset+1, 0)}
		offset += 2
		h.Apply(0, recs)
		log.recs = append(log.recs, recs...)
		truth[use*minute] = fmt.Sprint(rev, " ", seq)
	}
	m := testBar("A", at+1, seq)
	m.final = false
	h.Forming(0, [][]byte{m.json()})
	truth[(at+1)*minute] = fmt.Sprint(0, " ", seq)
	return truth
}

func TestWalkingByNextGivesAllRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig(1)
		cfg.ViewBars = rapid.SampledFrom([]int{1000, 40, 7}).Draw(t, "view_bars")
		h := NewHub(cfg)
		h.Loaded()
		log := &keptLog{}
		h.SetArchive(log)
		truth := fill(t, h, log, rapid.IntRange(1, 300).Draw(t, "bars"))
		want := sorted(truth)
		limit := rapid.IntRange(1, 90).Draw(t, "limit")
		start := rapid.Int64Range(0, want[len(want)-1]).Draw(t, "from")
		want = want[slices.IndexFunc(want, func(t int64) bool { return t >= start }):]
		var got []int64
		for next, pages := &start, 0; next != nil; pages++ {
			if pages > 400 {
				t.Fatal("paging does not end")
			}
			_, text := get(&fatal{T: t}, h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&from=%d&limit=%d", *next, limit))
			b := decode[klinesBody](&fatal{T: t}, text)
			for _, k := range b.Bars {
				got = append(got, k.At)
				if truth[k.At] != fmt.Sprint(k.Rev, " ", k.Seq) {
					t.Fatalf("bar %d is rev %d seq %d, want %s", k.At, k.Rev, k.Seq, truth[k.At])
				}
			}
			if b.Next != nil && len(b.Bars) != limit {
				t.Fatalf("a page of %d bars has a next", len(b.Bars))
			}
			next = b.Next
		}
		if !slices.Equal(got, want) {
			t.Fatalf("pages give %v, want %v", got, want)
		}
	})
}

func TestRangesFollowTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig(1)
		cfg.ViewBars = rapid.SampledFrom([]int{1000, 10}).Draw(t, "view_bars")
		h := NewHub(cfg)
		h.Loaded()
		log := &keptLog{}
		h.SetArchive(log)
		truth := fill(t, h, log, rapid.IntRange(1, 150).Draw(t, "bars"))
		all := sorted(truth)
		closed := rapid.Bool().Draw(t, "closed")
		want := slices.Clone(all)
		if closed {
			want = want[:len(want)-1]
		}
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		query := fmt.Sprintf("sym=A&itv=1m&limit=%d", limit)
		if closed {
			query += "&closed=1"
		}
		hasTo, hasFrom := rapid.Bool().Draw(t, "to?"), rapid.Bool().Draw(t, "from?")
		low := rapid.Int64Range(0, all[len(all)-1]).Draw(t, "low")
		high := rapid.Int64Range(low, all[len(all)-1]+2*minute).Draw(t, "high")
		if hasFrom {
			query += fmt.Sprint("&from=", low)
			want = slices.DeleteFunc(want, func(t int64) bool { return t < low })
		}
		if hasTo {
			query += fmt.Sprint("&to=", high)
			want = slices.DeleteFunc(want, func(t int64) bool { return t >= high })
		}
		if hasFrom {
			want = want[:min(limit, len(want))]
		} else {
			want = want[max(len(want)-limit, 0):]
		}
		_, text := get(&fatal{T: t}, h, "/v1/klines?"+query)
		var got []int64
		for _, k := range decode[klinesBody](&fatal{T: t}, text).Bars {
			got = append(got, k.At)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", query, got, want)
		}
		_, text = get(&fatal{T: t}, h, "/v1/values?ind=ema(3)&"+query)
		rows := decode[struct{ Rows [][]*float64 }](&fatal{T: t}, text).Rows
		for i, row := range rows {
			if len(row) != 3 || int64(*row[0]) != want[i] || row[1] == nil {
				t.Fatalf("%s: value row %d is %v of %s", query, i, row, text)
			}
		}
		if len(rows) != len(want) {
			t.Fatalf("%s: %d value rows for %d bars", query, len(rows), len(want))
		}
	})
}

func TestOtherShapes(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0), testBar("A", 4, 2).record(1, 1, 0)})
	for query, want := range map[string]string{
		"format=lwc":      `{"bars":[{"time":60,"open":100,"high":64020,"low":0.00000001,"close":101.5},{"time":120},{"time":180},{"time":240,"open":100,"high":64020,"low":0.00000001,"close":104.5}],"volume":[{"time":60,"value":12.345,"color":"#26a69a"},{"time":240,"value":12.345,"color":"#26a69a"}]}`,
		"format=columns":  `{"t":[60000,240000],"o":[100,100],"h":[64020,64020],"l":[0.00000001,0.00000001],"c":[101.5,104.5],"v":[12.345,12.345]}`,
		"format=csv":      "time,open,high,low,close,volume\n60000,100,64020,0.00000001,101.5,12.345\n240000,100,64020,0.00000001,104.5,12.345\n",
		"exact=1&limit=1": `{"sym":"A","itv":"1m","pos":"v1.k3.1","bars":[{"sym":"A","itv":"1m","t":240000,"T":299999,"o":"100","h":"64020","l":"0.00000001","c":"104.5","v":"12.345","qv":"790214.77","n":42,"bv":"6.1","bqv":"390412.5","vwap":"64010.9","f":1,"L":10482,"final":true,"rev":0,"seq":2,"q":"trades"}]}`,
	} {
		if _, got := get(t, h, "/v1/klines?sym=A&itv=1m&"+query); got != want {
			t.Errorf("%s:\n%s, want\n%s", query, got, want)
		}
	}
	_, got := get(t, h, "/v1/bundle?s=A@1m:kline,macd(2,3,2)&format=columns")
	want := `{"pos":"v1.k3.1","series":[{"sym":"A","itv":"1m","bars":{"t":[60000,240000],"o":[100,100],"h":[64020,64020],"l":[0.00000001,0.00000001],"c":[101.5,104.5],"v":[12.345,12.345]},"ind":{"macd(2,3,2)":{"t":[60000,240000],"macd":[0,0],"signal":[null,null],"hist":[1,2]}},"seq":2}]}`
	if got != want {
		t.Errorf("bundle\n%s, want\n%s", got, want)
	}
	_, got = get(t, h, "/v1/values?sym=A&itv=1m&ind=macd(2,3,2)&limit=1")
	want = `{"sym":"A","itv":"1m","ind":"macd(2,3,2)","mod":"builtin","ver":"9f3c1a77","profile":"talib","warmup":50,"pos":"v1.k3.1","outputs":["macd","signal","hist"],"rows":[[240000,0,null,2,1]]}`
	if got != want {
		t.Errorf("values\n%s, want\n%s", got, want)
	}
	_, got = get(t, h, "/v1/symbols")
	want = `{"pos":"v1.k3.1","symbols":[{"sym":"A","tz":"UTC","session":"24x7","intervals":["1m","5m","1h"],"first":60000,"last":240000,"state":"live"}]}`
	if got != want {
		t.Errorf("symbols\n%s, want\n%s", got, want)
	}
	_, got = get(t, h, "/v1/klines?sym=UNSEEN&itv=1m")
	if want := `{"sym":"UNSEEN","itv":"1m","pos":"v1.k3.1","bars":[]}`; got != want {
		t.Errorf("unseen\n%s, want\n%s", got, want)
	}
	_, got = get(t, h, "/v1/latest?s=A,UNSEEN@1m")
	if !strings.HasPrefix(got, `{"pos":"v1.k3.1","series":[{"sym":"A","itv":"1m","closed":{"sym":"A",`) || !strings.HasSuffix(got, `{"sym":"UNSEEN","itv":"1m","closed":null,"forming":null,"ind":{}}]}`) {
		t.Errorf("latest %s", got)
	}
}

func TestRestatedRowsAreReplaced(t *testing.T) {
	h := testHub(1)
	m := testBar("A", 1, 3)
	m.rev, m.close = 1, "7"
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0), testBar("A", 2, 2).record(1, 1, 0), m.record(2, 2, 0),
		{Offset: 3, So: 2, Sk: 1, Kind: KindRestated, Value: []byte(`{"sym":"A","itv":"1m","ind":"ema(3)","rev":1,"seq":3,"why":"late","ver":"9f3c1a77","out":["value"],"t":[60000,120000],"v":[[8.5,null]]}`)}})
	_, got := get(t, h, "/v1/klines?sym=A&itv=1m&format=csv")
	if !strings.Contains(got, "60000,100,64020,0.00000001,7,") {
		t.Errorf("bars %s", got)
	}
	_, got = get(t, h, "/v1/values?sym=A&itv=1m&ind=ema(3)")
	if !strings.Contains(got, `"rows":[[60000,8.5,1],[120000,null,1]]`) {
		t.Errorf("values %s", got)
	}
	_, got = get(t, h, "/v1/latest?s=A@1m:ema(3)")
	if !strings.Contains(got, `"t":120000,"v":{"value":null}`) {
		t.Errorf("latest %s", got)
	}
}

func TestCachingClasses(t *testing.T) {
	h := testHub(1)
	for i := range int64(10) {
		h.Apply(0, []Record{testBar("A", i+1, i+1).record(i, i, 0)})
	}
	for query, want := range map[string]Cache{
		"":                       CacheLive,
		"closed=1":               CacheClosed,
		"from=60000&to=180000":   CacheHistory,
		"from=60000&to=660000":   CacheClosed,
		"from=60000":             CacheLive,
		"from=60000&to=99999999": CacheLive,
		"to=180000":              CacheClosed,
	} {
		u := "/v1/klines?sym=A&itv=1m&" + query
		a, _ := get(t, h, u)
		if a.Cache != want || strings.HasPrefix(a.ETag, "W/") != (want == CacheLive) {
			t.Errorf("%q: class %d, etag %s, want %d", query, a.Cache, a.ETag, want)
		}
		v, _ := url.ParseQuery("sym=A&itv=1m&" + query)
		q, p := h.ParseKlines(v, 0)
		if p != nil {
			t.Fatal(p)
		}
		q.IfNoneMatch = a.ETag
		if b, err := h.Klines(context.Background(), q); err != nil || !b.NotModified || b.Body != nil {
			t.Errorf("%q: the same again gives %+v", query, b)
		}
		h.Apply(0, []Record{testBar("OTHER", 1, h.Counters().toSeq()).record(int64(20+len(query)), int64(20+len(query)), 0)})
		if b, _ := h.Klines(context.Background(), q); !b.NotModified {
			t.Errorf("%q: another symbol changed the answer", query)
		}
	}
	a, _ := get(t, h, "/v1/klines?sym=A&itv=1m&closed=1")
	m := testBar("A", 10, 11)
	m.rev = 1
	h.Apply(0, []Record{m.record(100, 100, 0)})
	if b, _ := get(t, h, "/v1/klines?sym=A&itv=1m&closed=1"); b.ETag == a.ETag {
		t.Error("a restated bar left the ETag as it was")
	}
}

func (c Counters) toSeq() int64 { return int64(c.Records) } // a rising number for a test
