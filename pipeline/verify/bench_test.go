package verify

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// benchTrades are trades of several symbols, 20 a second each, as our feeds
// write them.
func benchTrades(n, symbols int) []kafka.Rec {
	recs := make([]kafka.Rec, n)
	for i := range recs {
		ts := 1_700_000_000_000 + int64(i/symbols)*50
		recs[i] = kafka.Rec{Offset: int64(i), Timestamp: ts, Value: fmt.Appendf(nil,
			`{"symbol":"SYM%dUSDT","price":"%d.%02d","size":"0.%04d","ts":%d,"id":%d,"side":"%s"}`,
			i%symbols, 60000+i%97, i%100, 1+i%9000, ts, i/symbols, [...]string{"buy", "sell"}[i&1])}
	}
	return recs
}

// BenchmarkVerify measures everything behind the fetch, on one goroutine.
func BenchmarkVerify(b *testing.B) {
	for _, symbols := range []int{10, 1000} {
		b.Run(fmt.Sprintf("symbols=%d", symbols), func(b *testing.B) {
			const n = 400_000
			log := run(b, benchTrades(n, symbols), time.Minute, nil)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				report := &Report{}
				cfg := log.cfg
				a, err := newAuditor(&cfg, &Range{To: n, End: n}, report)
				if err != nil {
					b.Fatal(err)
				}
				feeds := []feed{&slice{recs: log.ticks}, &slice{recs: log.klines}, &slice{}, &slice{}}
				if err := a.walk(b.Context(), feeds, func(int64) {}); err != nil {
					b.Fatal(err)
				}
				if !report.Equal() {
					b.Fatalf("%+v", report.Tally)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "trades/s")
			b.ReportMetric(float64(len(log.klines))/n, "klines/trade")
			runtime.KeepAlive(log)
		})
	}
}
