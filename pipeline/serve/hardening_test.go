package serve

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMemoryBoundTakesFromTheLeastRead(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewMemory = 400 << 10
	h := NewHub(cfg)
	h.Loaded()
	so := int64(0)
	for i := range int64(300) {
		for _, sym := range []string{"READ", "A", "B", "C"} {
			h.Apply(0, []Record{testBar(sym, i+1, i+1).record(so, so, 0)})
			so++
		}
		fake(h).Advance(time.Second)
		get(t, h, "/v1/klines?sym=READ&itv=1m&limit=1")
		if n := h.Counters().Memory; n > cfg.ViewMemory {
			t.Fatalf("bar %d: %d bytes are kept, the bound is %d", i, n, cfg.ViewMemory)
		}
	}
	kept := map[string]int{}
	for _, sym := range []string{"READ", "A", "B", "C"} {
		_, text := get(t, h, "/v1/klines?limit=5000&itv=1m&sym="+sym)
		kept[sym] = len(decode[klinesBody](t, text).Bars)
	}
	if kept["READ"] != 300 || kept["A"] < keepBars || kept["A"]+kept["B"]+kept["C"] >= 900 {
		t.Errorf("kept bars: %v", kept)
	}
}

func TestViewBarsBoundsASeries(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewBars = 10
	h := NewHub(cfg)
	h.Loaded()
	for i := range int64(50) {
		h.Apply(0, []Record{testBar("A", i+1, i+1).record(i, i, 0)})
	}
	_, text := get(t, h, "/v1/klines?itv=1m&sym=A")
	if b := decode[klinesBody](t, text).Bars; len(b) != 10 || b[0].At != 41*minute {
		t.Errorf("%d bars from %v", len(b), b)
	}
}

func TestSymbolInTwoPartitionsIsServedFromTheFirst(t *testing.T) {
	h := testHub(2)
	h.Apply(1, []Record{{P: 1, So: 1, Value: testBar("A", 1, 1).json()}})
	h.Apply(0, []Record{{P: 0, So: 1, Value: testBar("A", 2, 1).json()}})
	_, text := get(t, h, "/v1/klines?itv=1m&sym=A")
	if b := decode[klinesBody](t, text).Bars; len(b) != 1 || b[0].At != minute {
		t.Errorf("%s", text)
	}
	d := h.Degraded()
	if len(d) != 1 || !strings.Contains(d[0], "symbol A is in partitions 1 and 0") {
		t.Errorf("%q", d)
	}
	if _, text := get(t, h, "/v1/symbols"); !strings.Contains(text, `"state":"split"`) {
		t.Errorf("%s", text)
	}
}

func TestForeignRecordsMoveThePositionAndNothingElse(t *testing.T) {
	h := testHub(1)
	bad := testBar("A", 1, 1)
	bad.itv = "2m"
	for i, v := range [][]byte{[]byte(`{`), []byte(`{"sym":"A"}`), testBar("<b>", 1, 1).json(), bad.json(), nil} {
		h.Apply(0, []Record{{Offset: int64(i), So: int64(i), Value: v}})
	}
	h.Apply(0, []Record{{Offset: 9, So: 9, Kind: "gap", Value: []byte(`{"sym":"A","kind":"feed_gap"}`)}})
	h.Apply(9, []Record{{So: 1, Value: testBar("A", 1, 1).json()}})
	h.Forming(0, [][]byte{nil, []byte(`[]`), testBar("A", 1, 1).json()})
	if c := h.Counters(); c.Foreign < 5 || h.Position() != "v1.k3.9" || c.Refused != 0 {
		t.Errorf("%+v at %s", c, h.Position())
	}
	if _, text := get(t, h, "/v1/symbols"); !strings.Contains(text, `"symbols":[]`) {
		t.Errorf("%s", text)
	}
}

func TestInterestComesFromStreamsAndReads(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0)})
	asked := 0
	h.OnDemand(func(symbols []string) {
		asked++
		m := testBar(symbols[0], 2, 1)
		m.final = false
		h.Forming(0, [][]byte{m.json()})
	})
	if h.Interested("A", "1m") || h.Interested("NOBODY", "1m") || h.Interested("A", "9m") {
		t.Error("interest without anybody")
	}
	gen := h.InterestGen()
	_, text := get(t, h, "/v1/klines?sym=A&itv=1m")
	if b := decode[klinesBody](t, text).Bars; len(b) != 2 || b[1].Final {
		t.Errorf("the first read lacks the forming bar: %s", text)
	}
	get(t, h, "/v1/klines?sym=A&itv=1m")
	if !h.Interested("A", "1m") || asked != 1 || h.InterestGen() == gen {
		t.Errorf("interested %v, asked %d, gen %d", h.Interested("A", "1m"), asked, h.InterestGen())
	}
	fake(h).Advance(interestMS * time.Millisecond)
	if h.Interested("A", "1m") {
		t.Error("interest never ends")
	}
	s := stream(t, h, "s=A@1m", "")
	read(t, s)
	fake(h).Advance(time.Hour)
	if !h.Interested("A", "1m") || asked != 2 {
		t.Errorf("a stream is no interest, asked %d", asked)
	}
	s.Close()
	if h.Interested("A", "1m") {
		t.Error("interest stays behind a closed stream")
	}
}

func TestTheFirstBarOfAnIntervalIsShownWhileItForms(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0)})
	var asked []string
	h.OnDemand(func(symbols []string) {
		asked = append(asked, symbols...)
		m := testBar("A", 1, 0)
		m.itv, m.final = "5m", false
		if h.Interested("A", "5m") {
			h.Forming(0, [][]byte{m.json()})
		}
	})
	_, text := get(t, h, "/v1/klines?sym=A&itv=5m")
	if b := decode[klinesBody](t, text).Bars; len(b) != 1 || b[0].Final {
		t.Errorf("the forming bar of an interval without a closed one: %s", text)
	}
	get(t, h, "/v1/klines?sym=NOBODY&itv=5m")
	if len(asked) != 1 || h.find("NOBODY", "5m") != nil {
		t.Errorf("asked for %q; a name nobody traded must leave nothing behind", asked)
	}
}

func TestSnapshotsStayBelowTheirBound(t *testing.T) {
	h := testHub(1)
	so := int64(0)
	var syms []string
	for i := range 20 {
		syms = append(syms, fmt.Sprintf("S%d", i))
		var recs []Record
		for j := range int64(1000) {
			recs = append(recs, testBar(syms[i], j+1, j+1).record(so, so, 0))
			so++
		}
		h.Apply(0, recs)
	}
	s := stream(t, h, "s="+strings.Join(syms, ",")+"@1m:kline,ema(3)&snapshot=1000", "")
	defer s.Close()
	out, err := drainNow(s)
	if err != nil || len(out) > maxSnapshot*5/4 || len(out) < maxSnapshot/4 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

func TestIndicatorDocuments(t *testing.T) {
	h := testHub(1)
	if a := h.Indicators(""); string(a.Body) != "[]" {
		t.Errorf("%s", a.Body)
	}
	h.SetIndicators([]byte(`[{"name":"ema"}]`), map[string][]byte{"ema": []byte(`{"name":"ema"}`)})
	a, p := h.Indicator("ema", "")
	if p != nil || string(a.Body) != `{"name":"ema"}` {
		t.Errorf("%s, %v", a.Body, p)
	}
	if b, _ := h.Indicator("ema", a.ETag); !b.NotModified {
		t.Error("the same document is sent again")
	}
	if _, p := h.Indicator("nope", ""); p == nil || p.Status != 404 || p.Code != CodeUnknownIndicator {
		t.Errorf("%+v", p)
	}
}
