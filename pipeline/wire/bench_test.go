package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// The table of the documents: go test -run - -bench . ./pipeline/wire

const anyOrderTrade = `{"ts":1732160000123,"symbol":"BTCUSDT","side":"buy","size":"0.01234","price":"60123.45","id":123456789,"ch":"xyz1"}`

func BenchmarkDecode(b *testing.B) {
	for _, bench := range []struct{ name, in string }{
		{"canonical", whole},
		{"canonical/padded", strings.Replace(whole, "60123.45", "60123.45000000", 1)},
		{"canonical/spaced", strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(whole)},
		{"any-order", anyOrderTrade},
		{"fallback", strings.Replace(anyOrderTrade, "USDT", `\u0055SDT`, 1)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			d := NewDecoder(nil)
			in := []byte(bench.in)
			var dst []core.Trade
			b.ReportAllocs()
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

// The yardstick: ratios to it hold on shared cores, absolute figures do not.
func BenchmarkDecodeEncodingJSON(b *testing.B) {
	in := []byte(anyOrderTrade)
	var t struct {
		Symbol string `json:"symbol"`
		Price  string `json:"price"`
		Size   string `json:"size"`
		TS     int64  `json:"ts"`
		ID     int64  `json:"id"`
		Side   string `json:"side"`
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(in, &t); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/trade")
}

func BenchmarkAppendTrade(b *testing.B) {
	trades, err := NewDecoder(nil).Decode([]byte(whole), nil)
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendTrade(dst[:0], &trades[0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/trade")
}

func BenchmarkKlineEncode(b *testing.B) {
	k, ind := designBar()
	for _, bench := range []struct {
		name string
		ind  []Value
	}{{"bare", nil}, {"one-value", ind}} {
		b.Run(bench.name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendKline(dst[:0], k, bench.ind)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/kline")
			b.ReportMetric(float64(len(dst)), "B/kline")
		})
	}
}

func BenchmarkKlineDecode(b *testing.B) {
	k, ind := designBar()
	for _, bench := range []struct {
		name string
		ind  []Value
	}{{"bare", nil}, {"one-value", ind}} {
		b.Run(bench.name, func(b *testing.B) {
			value := AppendKline(nil, k, bench.ind)
			var r KlineRecord
			b.ReportAllocs()
			for b.Loop() {
				if err := DecodeKline(value, &r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/kline")
		})
	}
}
