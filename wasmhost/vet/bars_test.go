package vet

import (
	"math"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

func TestReadBars(t *testing.T) {
	for text, want := range map[string]wasmhost.Bar{
		"open,high,low,close\n1,3,0.5,2\n":                                                               {Open: 1, High: 3, Low: 0.5, Close: 2},
		"\ufeffDate, Open, High, Low, Close, Volume, note\n2026-11-21, 1, 3, 0.5, 2, 7, x\n":             {OpenTime: 1795219200000, Open: 1, High: 3, Low: 0.5, Close: 2, Volume: 7},
		"t,o,h,l,c,v,trades,taker_buy_volume\n1700000000,1,3,0.5,2,7,9,4\n":                              {OpenTime: 1700000000000, Open: 1, High: 3, Low: 0.5, Close: 2, Volume: 7, Trades: 9, TakerBuyVolume: 4, Flags: wasmhost.FlagHasTaker},
		"# from a venue\nopen_time,open,high,low,close,quote_volume\n2026-11-21T11:00:00Z,1,3,0.5,2,8\n": {OpenTime: 1795258800000, Open: 1, High: 3, Low: 0.5, Close: 2, QuoteVolume: 8},
	} {
		bars, err := ReadBars(strings.NewReader(text))
		if err != nil || len(bars) != 1 || bars[0] != want {
			t.Errorf("%q: %+v, %v", text, bars, err)
		}
	}
	for text, want := range map[string]string{
		"": "is empty", "open,high,low\n1,2,3\n": `"close" is missing`, "open,open,high,low,close\n": "stands twice",
		"open,high,low,close\n1,2,x,4\n": "line 2, column 3", "open,high,low,close\n1,2,NaN,4\n": "no finite number",
		"time,open,high,low,close\nnoon,1,2,3,4\n": "is no time", "open,high,low,close\n1,2\n": "fields",
	} {
		if _, err := ReadBars(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Bars of checks are finite and legal: high is the highest, low the lowest.
func TestBarsAreLegal(t *testing.T) {
	for _, bars := range [][]wasmhost.Bar{walk(1, 3000), hostile()} {
		last := int64(-1)
		for i, b := range bars {
			for _, v := range []float64{b.Open, b.High, b.Low, b.Close, b.Volume, b.QuoteVolume, b.TakerBuyVolume} {
				if math.IsNaN(v) || math.IsInf(v, 0) || v > b.High && v == b.Close {
					t.Fatalf("bar %d: %+v", i, b)
				}
			}
			if b.High < max(b.Open, b.Close, b.Low) || b.Low > min(b.Open, b.Close) || b.OpenTime <= last {
				t.Fatalf("bar %d: %+v", i, b)
			}
			last = b.OpenTime
		}
	}
}
