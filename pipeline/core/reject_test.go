package core

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// good is a trade that passes every check of testConfig at t0.
func good(id int64, ms int64) Trade {
	return Trade{
		Symbol: []byte("BTC"), Price: Decimal{100, 0}, Size: Decimal{1, 0}, EventNS: ms * 1_000_000,
		ID: TradeID{Kind: IDInt, Num: id}, Side: SideBuy,
	}
}

func TestEveryRejectReason(t *testing.T) {
	for _, c := range []struct {
		name   string
		config func(*Config)
		change func(*Trade)
		reason Reason
		field  string
	}{
		{"decoder verdict", nil, func(x *Trade) { x.Reject, x.Field = ReasonRef, "op" }, ReasonRef, "op"},
		{"no symbol", nil, func(x *Trade) { x.Symbol = nil }, ReasonSymbol, "symbol"},
		{"symbol of 33 bytes", nil, func(x *Trade) { x.Symbol = make33() }, ReasonSymbol, "symbol"},
		{"symbol with newline", nil, func(x *Trade) { x.Symbol = []byte("BTC\n") }, ReasonSymbol, "symbol"},
		{"one symbol too many", func(c *Config) { c.MaxSymbols = 1 }, func(x *Trade) { x.Symbol = []byte("ETH") }, ReasonSymbol, "symbol"},
		{"price zero", nil, func(x *Trade) { x.Price = Decimal{} }, ReasonPrice, "price"},
		{"price below zero", nil, func(x *Trade) { x.Price.Coef = -1 }, ReasonPrice, "price"},
		{"size zero", nil, func(x *Trade) { x.Size = Decimal{} }, ReasonSize, "size"},
		{"size below zero", func(c *Config) {
			c.Symbols = []SymbolRule{{Pattern: "*", PriceScale: -1, SizeScale: -1, AnyPrice: true}}
		},
			func(x *Trade) { x.Size.Coef = -1 }, ReasonSize, "size"},
		{"price of 19 places", nil, func(x *Trade) { x.Price = Decimal{1, 19} }, ReasonPrecision, "price"},
		{"size beyond the declared scale", func(c *Config) { c.Symbols = []SymbolRule{{"BT*", 2, 3, OrderAuto, false}} },
			func(x *Trade) { x.Size = Decimal{1, 4} }, ReasonPrecision, "size"},
		{"widening that does not fit", nil, func(x *Trade) { x.Price = Decimal{1, 18} }, ReasonPrecision, "price"},
		{"value beyond the declared scale", func(c *Config) { c.Symbols = []SymbolRule{{"BTC", 8, 8, OrderAuto, false}} },
			func(x *Trade) { x.Price = Decimal{92_233_720_369, 0} }, ReasonOverflow, "price"},
		{"wrong partition", func(c *Config) {
			c.StrictPartitioner, c.Partitions = true, 12
			c.Partition = PartitionOf([]byte("BTC"), 12)
		},
			func(x *Trade) { x.Symbol = []byte("ETH") }, ReasonWrongPartition, "symbol"},
		{"future", func(c *Config) { c.MaxFuture = 5000 }, func(x *Trade) { x.EventNS = (t0 + 5001) * 1_000_000 }, ReasonFuture, "ts"},
		{"past", func(c *Config) { c.MaxAge = 5000 }, func(x *Trade) { x.EventNS = (t0 - 5001) * 1_000_000 }, ReasonPast, "ts"},
		{"conflict", nil, func(x *Trade) { x.ID.Num, x.Size.Coef = 1, 2 }, ReasonConflict, "id"},
		{"text id of 65 bytes", nil, func(x *Trade) { x.ID = TradeID{Kind: IDText, Text: make([]byte, 65)} }, ReasonDecode, "id"},
		{"too late", nil, func(x *Trade) { x.EventNS = (t0 - 60_000) * 1_000_000 }, ReasonTooLate, "ts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig(t)
			if c.config != nil {
				c.config(&cfg)
			}
			e, out := mustNew(t, cfg), new(Outputs)
			first := good(1, t0)
			first.Price, first.Size = Decimal{100_000, 0}, Decimal{1, 0}
			step(t, e, t0, out, first)
			before, applied := snapshotWithout(e), e.Counters().Applied
			out.Reset()
			x := good(2, t0)
			c.change(&x)
			step(t, e, t0, out, x)
			if len(out.Diverted) != 1 || len(out.Klines) != 0 {
				t.Fatalf("diverted %v, klines %d", out.Diverted, len(out.Klines))
			}
			d := out.Diverted[0]
			if d.Reason != c.reason || d.Field != c.field || d.Dead != c.reason.Dead() || d.So != 1 {
				t.Errorf("diverted %+v, want %v %q", d, c.reason, c.field)
			}
			if after := snapshotWithout(e); after != before || e.Counters().Applied != applied {
				t.Error("a rejected trade left traces")
			}
			checkConservation(t, e)
		})
	}
}

func make33() []byte { return []byte("A23456789012345678901234567890123") }

// snapshotWithout is the state without position and counters.
func snapshotWithout(e *Engine) string {
	n, c := e.next, e.counters
	e.next, e.counters = 0, Counters{}
	b := string(e.Snapshot(nil))
	e.next, e.counters = n, c
	return b
}

func step(tb testing.TB, e *Engine, ts int64, out *Outputs, trades ...Trade) {
	tb.Helper()
	if err := e.Trades(&Record{Offset: e.Next(), Timestamp: ts, Source: "x"}, trades, out); err != nil {
		tb.Fatal(err)
	}
}

func TestRecordLimitsAreExact(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxFuture, cfg.MaxAge = 5000, 5000
	e, out := mustNew(t, cfg), new(Outputs)
	step(t, e, t0, out, good(1, t0-5000))
	step(t, e, t0, out, good(2, t0+5000))
	if c := e.Counters(); c.Applied != 2 {
		t.Fatalf("trades on the limits: %+v %v", c, out.Diverted)
	}
	// A record without a Kafka timestamp cannot be measured against it.
	e = mustNew(t, cfg)
	step(t, e, -1, out, good(3, t0))
	if c := e.Counters(); c.Applied != 1 {
		t.Fatalf("trade of a record without timestamp: %+v", c)
	}
}

func TestFutureTradeDoesNotMoveTheWatermark(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxFuture = 5000
	e, out := mustNew(t, cfg), new(Outputs)
	step(t, e, t0, out, good(1, t0), good(2, t0+3_600_000))
	if len(out.Klines) != 0 || e.Sources()[0].EventMax != t0 {
		t.Fatalf("a trade from the future closed %d bars, newest event %d", len(out.Klines), e.Sources()[0].EventMax)
	}
	r := Record{Offset: e.Next(), Timestamp: t0, Source: "x"}
	if err := e.Heartbeat(&r, Heartbeat{Source: "x", TS: t0 + 3_600_000, Up: true}, out); err != nil {
		t.Fatal(err)
	}
	if len(out.Klines) != 0 || e.Counters().BadHeartbeats != 1 {
		t.Fatalf("a heartbeat from the future closed %d bars", len(out.Klines))
	}
}

func TestNonpositivePricesWhereAllowed(t *testing.T) {
	cfg := testConfig(t, "1m")
	cfg.Symbols = []SymbolRule{{Pattern: "CL*", PriceScale: 2, SizeScale: -1}, {Pattern: "B*", PriceScale: -1, SizeScale: -1, AnyPrice: true}}
	e, out := mustNew(t, cfg), new(Outputs)
	a, b := good(1, t0), good(2, t0+1)
	a.Price, b.Price = Decimal{-125, 1}, Decimal{}
	step(t, e, t0, out, a, b, good(3, t0+61_000))
	want := "BTC 1m t=1795239360000 o=-12.5 h=0 l=-12.5 c=0 v=2 qv=-12.5 bv=2 bqv=-12.5 n=2 f=1 L=2 rev=0 seq=1 q=partial"
	if got := klineLine(&out.Klines[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(out.Klines[0].AppendVWAP(nil)); got != "-6.25" {
		t.Errorf("vwap %s, want -6.25", got)
	}
}

func TestSumsNeverOverflow(t *testing.T) {
	cfg := testConfig(t, "1s", "1m", "1h")
	cfg.Symbols = []SymbolRule{{Pattern: "*", PriceScale: 0, SizeScale: 0}}
	e, out := mustNew(t, cfg), new(Outputs)
	applied := 0
	for i := range 60 {
		x := good(int64(i+1), t0+int64(i)*700)
		x.Price.Coef, x.Size.Coef = math.MaxInt64, math.MaxInt64/16
		step(t, e, t0+int64(i)*700, out, x)
		applied = int(e.Counters().Applied)
	}
	// (2^63-1) x (2^59-1) fits 127 bits 32 times.
	if applied != 32 || e.Counters().ByReason[ReasonOverflow] != 28 {
		t.Fatalf("applied %d, %+v", applied, e.Counters())
	}
	out.Reset()
	hb := Heartbeat{Source: "x", TS: t0 + 3_700_000, Up: true}
	if err := e.Heartbeat(&Record{Offset: e.Next(), Timestamp: t0 + 3_700_000, Source: "x"}, hb, out); err != nil {
		t.Fatal(err)
	}
	last := out.Klines[len(out.Klines)-1]
	if last.Interval != "1h" || last.N != 32 || last.QV.Hi < 0 {
		t.Fatalf("hour bar %s", klineLine(&last))
	}
}

func TestRewindsAndHolesAreCounted(t *testing.T) {
	e, out := mustNew(t, testConfig(t)), new(Outputs)
	offer := func(offset int64) error {
		return e.Trades(&Record{Offset: offset, Timestamp: t0, Source: "x"}, []Trade{good(offset, t0)}, out)
	}
	for _, o := range []int64{500, 501, 503, 510} { // the first offset is where the log starts: no hole
		if err := offer(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := offer(510); !errors.Is(err, ErrRewind) {
		t.Fatalf("error %v", err)
	}
	if c := e.Counters(); c.Holes != 2 || c.Rewinds != 1 || c.Trades != 4 || e.Next() != 511 {
		t.Fatalf("counters %+v, next %d", c, e.Next())
	}
}

func TestArrayElementsAreNamedByIndex(t *testing.T) {
	cfg := testConfig(t, "1m")
	cfg.Symbols = []SymbolRule{{Pattern: "*", PriceScale: -1, SizeScale: -1, Order: OrderArrival}}
	e, out := mustNew(t, cfg), new(Outputs)
	a, bad, b := good(9, t0), good(8, t0), good(7, t0)
	bad.Price = Decimal{}
	b.Price.Coef = 101
	step(t, e, t0, out, a, bad, b)
	if len(out.Diverted) != 1 || out.Diverted[0].Index != 1 || out.Diverted[0].Symbol != "BTC" {
		t.Fatalf("diverted %+v", out.Diverted)
	}
	var k Kline
	if !e.Forming(0, 0, &k) || k.First.Num != 9 || k.Last.Num != 7 || k.O != 100 || k.C != 101 {
		t.Fatalf("forming %s", klineLine(&k))
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := ReasonDecode; r < reasonCount; r++ {
		if back, ok := ParseReason(r.String()); !ok || back != r || seen[r.String()] {
			t.Errorf("reason %d reads back as %v", r, back)
		}
		seen[r.String()] = true
	}
	if len(seen) != 19 || Reason(99).String() != "unknown" || fmt.Sprint(ReasonTooLate) != "too_late" {
		t.Errorf("reasons %v", seen)
	}
}

// Dead letters that named no field left the producer to guess which of two numbers has
// too many places.
func TestPlacesThatDoNotFitNameTheirField(t *testing.T) {
	const large = 9_000_000_000_000_000_000
	for name, c := range map[string]struct {
		price, size Decimal
		field       string
	}{
		"price":       {Decimal{1, 1}, Decimal{1, 0}, "price"},
		"size":        {Decimal{1, 0}, Decimal{1, 1}, "size"},
		"price first": {Decimal{1, 1}, Decimal{1, 1}, "price"},
	} {
		e, out := mustNew(t, testConfig(t)), new(Outputs)
		first := good(1, t0)
		first.Price, first.Size = Decimal{large, 0}, Decimal{large, 0}
		step(t, e, t0, out, first)
		x := good(2, t0)
		x.Price, x.Size = c.price, c.size
		step(t, e, t0, out, x)
		if len(out.Diverted) != 1 || out.Diverted[0].Reason != ReasonPrecision || out.Diverted[0].Field != c.field {
			t.Errorf("%s: %+v, want field %q", name, out.Diverted, c.field)
		}
	}
}
