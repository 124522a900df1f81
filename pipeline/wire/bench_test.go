package wire

import (
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

const canonicalTrade = `{"symbol":"BTCUSDT","price":"60123.45","size":"0.01234","ts":1732160000123,"id":123456789,"side":"buy","seq":881}`

func BenchmarkDecode(b *testing.B) {
	for _, bench := range []struct{ name, in string }{
		{"canonical", canonicalTrade},
		{"canonical padded", strings.Replace(canonicalTrade, "60123.45", "60123.45000000", 1)},
		{"canonical spaced", strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(canonicalTrade)},
		{"any order", `{"ts":1732160000123,"symbol":"BTCUSDT","side":"buy","size":"0.01234","price":"60123.45","id":123456789,"ch":"x"}`},
		{"fallback", `{"ts":1732160000123,"symbol":"BTC\u0055SDT","side":"buy","size":"0.01234","price":"60123.45","id":123456789}`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			d := NewDecoder(nil)
			in := []byte(bench.in)
			var dst []core.Trade
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				var err error
				if dst, err = d.Decode(in, dst[:0]); err != nil || dst[0].Reject != core.ReasonNone {
					b.Fatal(err, dst)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/trade")
		})
	}
}
