package history

import (
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// What a row costs before a database sees it.
func BenchmarkReadRows(b *testing.B) {
	position := []kafka.Header{{Key: "so", Value: []byte("881377")}, {Key: "sk", Value: []byte("3")}}
	trade := []byte(`{"symbol":"BTCUSDT","price":"60123.45","size":"0.01234","ts":1732160000123,"id":123456789,"side":"buy"}`)
	for name, rec := range map[string]kafka.Rec{
		"trades": {Value: trade}, "klines": {Value: []byte(klineA), Headers: position},
	} {
		b.Run(name, func(b *testing.B) {
			stream := Trades
			if name == "klines" {
				stream = Klines
			}
			r := newReader(stream, nil)
			var rows Batch
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if rows.Rows() >= 4000 {
					rows.Trades, rows.Klines = rows.Trades[:0], rows.Klines[:0]
				}
				if err := r.read(0, &rec, &rows); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
