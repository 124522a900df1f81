package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// history makes the records of two partitions with four symbols as a worker
// would: new bars, restated ones with a record of values behind them.
type history struct {
	t      *rapid.T
	last   map[string]int64
	seq    map[string]int64
	rev    map[string]int
	so     [2]int64
	offset [2]int64
	// truth is what a client that saw everything must hold.
	truth map[string]map[int64]string
}

func newHistory(t *rapid.T) *history {
	return &history{t: t, last: map[string]int64{}, seq: map[string]int64{}, rev: map[string]int{}, truth: map[string]map[int64]string{}}
}

func (y *history) next(p int) []Record {
	sym := fmt.Sprintf("S%d", 2*rapid.IntRange(0, 1).Draw(y.t, "sym")+p)
	at, rev := y.last[sym]+rapid.Int64Range(1, 2).Draw(y.t, "step"), 0
	if y.last[sym] > 1 && rapid.IntRange(0, 4).Draw(y.t, "late") == 0 {
		at = max(y.last[sym]-rapid.Int64Range(0, 3).Draw(y.t, "back"), 1)
		y.rev[fmt.Sprint(sym, at)]++
		rev = y.rev[fmt.Sprint(sym, at)]
	}
	y.last[sym] = max(y.last[sym], at)
	y.seq[sym]++
	y.so[p] += rapid.Int64Range(0, 1).Draw(y.t, "so") + 1
	y.offset[p]++
	m := testBar(sym, at, y.seq[sym])
	m.rev = rev
	out := []Record{m.record(y.offset[p], y.so[p], 0)}
	if y.truth[sym] == nil {
		y.truth[sym] = map[int64]string{}
	}
	y.truth[sym][at*minute] = fmt.Sprint(rev, " ", y.seq[sym])
	if rev > 0 {
		for i, ind := range []string{"ema(3)", "macd(2,3,2)"} {
			y.offset[p]++
			out = append(out, Record{Offset: y.offset[p], So: y.so[p], Sk: int64(i + 1), Kind: KindRestated, Value: restatedJSON(sym, ind, rev, y.seq[sym], at)})
		}
	}
	return out
}

func restatedJSON(sym, ind string, rev int, seq, at int64) []byte {
	out, v := `["value"]`, fmt.Sprintf(`[[%d.75]]`, seq)
	if ind != "ema(3)" {
		out, v = `["macd","signal","hist"]`, fmt.Sprintf(`[[%d.75],[null],[1]]`, seq)
	}
	return fmt.Appendf(nil, `{"sym":"%s","itv":"1m","ind":"%s","rev":%d,"seq":%d,"why":"late","ver":"9f3c1a77","out":%s,"t":[%d],"v":%s}`, sym, ind, rev, seq, out, at*minute, v)
}

// client is a model of a careful subscriber: it keeps what events say and fails
// on everything that comes twice, out of turn or not at all.
type client struct {
	t      *rapid.T
	lastID string
	bars   map[string]map[int64]string
	seq    map[string]int64 // per series, klines and values
	newest map[string]int64
	snap   bool // between a reset and the last snapshot
	resets int
}

type klineEvent struct {
	Sym   string
	At    json.RawMessage `json:"t"`
	End   json.RawMessage `json:"T"` // or it would be taken for t
	T     int64           `json:"-"`
	Rev   int
	Seq   int64
	Final bool
	Ind   string
}

func (c *client) take(m message) {
	switch m.event {
	case eventKline, eventRevise, eventIndicator:
		c.live(m)
	case eventSnapshot:
		c.snapshot(m)
	case eventReset:
		c.bars, c.seq, c.newest, c.snap = map[string]map[int64]string{}, map[string]int64{}, map[string]int64{}, true
		c.resets++
	}
	if m.id != "" {
		c.lastID = m.id
	}
}

func (c *client) live(m message) {
	e := decode[klineEvent](&fatal{T: c.t}, m.data)
	e.T, _ = strconv.ParseInt(string(e.At), 10, 64) // columns of restated values stay 0
	name := e.Sym + e.Ind
	if !e.Final && m.event != eventRevise {
		if e.Seq < c.seq[name] || e.Ind == "" && e.T <= c.newest[e.Sym] {
			c.t.Fatalf("a forming frame goes back: %s", m.data)
		}
		return
	}
	if e.Seq != c.seq[name]+1 {
		c.t.Fatalf("seq of %s is %d after %d: %s", name, e.Seq, c.seq[name], m.data)
	}
	c.seq[name] = e.Seq
	if e.Ind != "" {
		return
	}
	if m.event == eventKline && e.T <= c.newest[e.Sym] {
		c.t.Fatalf("a closed bar goes back in t: %s", m.data)
	}
	c.newest[e.Sym] = max(c.newest[e.Sym], e.T)
	c.put(e)
}

func (c *client) put(e klineEvent) {
	if c.bars[e.Sym] == nil {
		c.bars[e.Sym] = map[int64]string{}
	}
	c.bars[e.Sym][e.T] = fmt.Sprint(e.Rev, " ", e.Seq)
}

func (c *client) snapshot(m message) {
	s := decode[struct {
		Sym  string
		Seq  int64
		Bars []klineEvent
		Ind  map[string]struct{ Seq int64 }
		Of   int
		I    int
	}](&fatal{T: c.t}, m.data)
	for _, e := range s.Bars {
		e.T, _ = strconv.ParseInt(string(e.At), 10, 64)
		c.put(e)
		c.newest[e.Sym] = max(c.newest[e.Sym], e.T)
	}
	c.seq[s.Sym] = s.Seq
	for ind, v := range s.Ind {
		c.seq[s.Sym+ind] = v.Seq
	}
	if s.I == s.Of && m.id == "" {
		c.t.Fatalf("the last snapshot has no id")
	}
	c.snap = c.snap && s.I < s.Of
}

// fatal makes a rapid.T enough of a testing.TB for decode.
type fatal struct {
	testing.TB
	T *rapid.T
}

func (f *fatal) Helper()                      {}
func (f *fatal) Fatalf(s string, args ...any) { f.T.Fatalf(s, args...) }

// TestEachClosedBarExactlyOnceOrAReset cuts a stream at random bytes and comes
// back with the id a browser would have.
func TestEachClosedBarExactlyOnceOrAReset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig(2)
		cfg.RingBytes = rapid.SampledFrom([]int64{1 << 20, 6000}).Draw(t, "ring")
		h := NewHub(cfg)
		h.Loaded()
		y := newHistory(t)
		c := &client{t: t, bars: map[string]map[int64]string{}, seq: map[string]int64{}, newest: map[string]int64{}}
		query := "s=S0,S1,S2,S3@1m:kline,ema(3),macd(2,3,2)&snapshot=1000"
		if rapid.Bool().Draw(t, "quiet") {
			query = "s=S0,S1,S2,S3@1m:kline,ema(3),macd(2,3,2)" // resumes without snapshots
			for p := range 2 {
				h.Apply(int32(p), nil)
			}
		}
		var s *Subscriber
		for range rapid.IntRange(3, 25).Draw(t, "rounds") {
			if s == nil {
				s = stream(&fatal{T: t}, h, query, c.lastID)
			}
			for range rapid.IntRange(0, 6).Draw(t, "batches") {
				p := rapid.IntRange(0, 1).Draw(t, "p")
				recs := y.next(p)
				if rapid.Bool().Draw(t, "repeat") {
					h.Apply(int32(p), recs)
				}
				h.Apply(int32(p), recs)
			}
			s = c.read(s, rapid.IntRange(0, 2).Draw(t, "cut") == 0)
		}
		if s != nil {
			c.read(s, false)
			s.Close()
		}
		s = stream(&fatal{T: t}, h, query, c.lastID)
		c.read(s, false)
		s.Close()
		for sym, bars := range y.truth {
			if query[len(query)-4:] == "1000" && !maps.Equal(bars, c.bars[sym]) {
				t.Fatalf("%s: the client holds %v, the log says %v", sym, c.bars[sym], bars)
			}
			if c.seq[sym] != y.seq[sym] {
				t.Fatalf("%s: the client is at %d of %d", sym, c.seq[sym], y.seq[sym])
			}
		}
	})
}

// read feeds what the stream has to a browser; a cut stream ends at a random
// byte and is gone.
func (c *client) read(s *Subscriber, cut bool) *Subscriber {
	out, err := drainNow(s)
	if err != nil && !errors.Is(err, io.EOF) {
		c.t.Fatal(err)
	}
	if cut {
		out = out[:rapid.IntRange(0, len(out)).Draw(c.t, "at")]
	}
	b := browser{id: c.lastID, lastID: c.lastID}
	b.feed(out)
	for _, m := range b.got {
		c.take(m)
	}
	c.lastID = b.lastID
	if cut {
		s.Close()
		return nil
	}
	return s
}

func TestBarAndValuesAreOneBatchKlineFirst(t *testing.T) {
	h := testHub(1)
	s := stream(t, h, "s=BTCUSDT@1m:ema(3),kline,macd(2,3,2)", "")
	defer s.Close()
	read(t, s)
	h.Apply(0, []Record{testBar("BTCUSDT", 1, 1).record(0, 0, 0)})
	got := read(t, s)
	if names(got) != "kline indicator indicator" {
		t.Fatalf("events %s", names(got))
	}
	if got[0].id != "v1.k3.0~0~1" || got[1].id != "v1.k3.0~0~2" || got[2].id != "v1.k3.0" {
		t.Errorf("ids %s %s %s", got[0].id, got[1].id, got[2].id)
	}
	want := `{"sym":"BTCUSDT","itv":"1m","ind":"macd(2,3,2)","t":60000,"v":{"macd":0,"signal":null,"hist":1},"final":true,"rev":0,"seq":1,"n":1,"stable":true,"deg":false,"ver":"9f3c1a77"}`
	if got[2].data != want {
		t.Errorf("indicator\n%s, want\n%s", got[2].data, want)
	}
	want = `{"sym":"BTCUSDT","itv":"1m","t":60000,"T":119999,"o":100,"h":64020,"l":0.00000001,"c":101.5,"v":12.345,"qv":790214.77,"n":42,"bv":6.1,"bqv":390412.5,"vwap":64010.9,"f":1,"L":10482,"final":true,"rev":0,"seq":1,"q":"trades"}`
	if got[0].data != want {
		t.Errorf("kline\n%s, want\n%s", got[0].data, want)
	}
}

func TestStreamCutBetweenBarAndValueResumesWithTheValue(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("BTCUSDT", 1, 1).record(0, 0, 0)})
	s := stream(t, h, "s=BTCUSDT@1m:kline,ema(3),macd(2,3,2)", "v1.k3.0~0~1")
	defer s.Close()
	got := read(t, s)
	if names(got) != "pos indicator indicator" || !strings.Contains(got[0].data, `"frames":2`) {
		t.Errorf("events %v", got)
	}
}
