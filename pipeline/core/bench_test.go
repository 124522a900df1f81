package core

import (
	"fmt"
	"testing"
)

// benchTrades are trades of symbols symbols that come round and round, step ms
// of event time apart, each with an ascending id.
type benchFeed struct {
	names [][]byte
	ids   []int64
	ns    int64
	stepN int64
	i     int
	rec   Record
	t     [1]Trade
}

func newBenchFeed(symbols int, perSecond int64) *benchFeed {
	f := &benchFeed{ids: make([]int64, symbols), ns: 1_795_239_360_000_000_000, stepN: 1_000_000_000 / perSecond}
	for i := range symbols {
		f.names = append(f.names, []byte(fmt.Sprintf("SYM%04dUSDT", i)))
	}
	f.rec.Source = "bench"
	return f
}

func (f *benchFeed) next() (*Record, []Trade) {
	k := f.i % len(f.names)
	f.ids[k]++
	f.ns += f.stepN
	f.rec.Timestamp = f.ns / 1_000_000
	f.t[0] = Trade{
		Symbol: f.names[k], Price: Decimal{6_000_000 + int64(f.i%977), 2}, Size: Decimal{1234 + int64(f.i%13), 5},
		EventNS: f.ns, ID: TradeID{Kind: IDInt, Num: f.ids[k]}, Side: Side(1 + f.i%2),
	}
	f.rec.Offset = int64(f.i)
	f.i++
	return &f.rec, f.t[:]
}

func benchEngine(tb testing.TB, names ...string) *Engine {
	tb.Helper()
	e, err := New(Config{
		Intervals: intervals(tb, names...), WatermarkDelay: 500, AllowedLateness: 60_000, IdleDelay: 1000, MaxFuture: 5000,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func intervals(tb testing.TB, names ...string) []Interval {
	tb.Helper()
	var out []Interval
	for _, n := range names {
		itv, err := ParseInterval(n)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, itv)
	}
	return out
}

// BenchmarkStep measures the step alone, without decoding and encoding.
//
//	go test -bench Step ./pipeline/core
func BenchmarkStep(b *testing.B) {
	eight := []string{"1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"}
	for _, c := range []struct {
		name      string
		symbols   int
		perSecond int64
		intervals []string
	}{
		{"1000symbols/8intervals/1s-base/100-per-bar", 1000, 100_000, eight},
		{"1000symbols/8intervals/1s-base/1-per-bar", 1000, 1000, eight},
		{"1000symbols/8intervals/1m-base", 1000, 10_000, []string{"1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"}},
		{"1000symbols/1interval/1m", 1000, 10_000, []string{"1m"}},
		{"100symbols/8intervals/1m-base", 100, 10_000, []string{"1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, f, out := benchEngine(b, c.intervals...), newBenchFeed(c.symbols, c.perSecond), new(Outputs)
			for range 200_000 {
				e.Trades(must2(f.next()), f.t[:], out)
				out.Reset()
			}
			b.ReportAllocs()
			b.ResetTimer()
			begun := cpuNanos()
			alone := newBenchFeed(c.symbols, c.perSecond)
			for range b.N {
				alone.next()
			}
			feed := cpuNanos()
			klines := 0
			for i := 0; i < b.N; i++ {
				e.Trades(must2(f.next()), f.t[:], out)
				if i%1000 == 0 {
					klines += len(out.Klines)
					out.Reset()
				}
			}
			// CPU time; ns/op holds the making of the trade twice, ns/trade not at all.
			b.ReportMetric(float64(cpuNanos()-feed-(feed-begun))/float64(b.N), "ns/trade")
			b.ReportMetric(float64(klines)/float64(b.N), "klines/trade")
		})
	}
}

func must2(r *Record, _ []Trade) *Record { return r }

// BenchmarkSnapshot measures a full snapshot of 1,000 symbols, each with 60
// kept bars of one second.
func BenchmarkSnapshot(b *testing.B) {
	e, f, out := benchEngine(b, "1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"), newBenchFeed(1000, 1000), new(Outputs)
	for range 200_000 {
		if err := e.Trades(must2(f.next()), f.t[:], out); err != nil {
			b.Fatal(err)
		}
		out.Reset()
	}
	b.Run("write", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf = e.Snapshot(buf[:0])
		}
		b.ReportMetric(float64(len(buf))/1000, "B/symbol")
	})
	b.Run("restore", func(b *testing.B) {
		buf := e.Snapshot(nil)
		for b.Loop() {
			if err := e.Restore(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
