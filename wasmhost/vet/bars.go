package vet

import (
	"math"
	"math/rand/v2"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// walk makes n bars of a market: a random walk that returns to its middle,
// with quiet stretches, gaps and bars that nothing was traded in. The same
// seed gives the same bars everywhere.
func walk(seed uint64, n int) []wasmhost.Bar {
	r := rand.New(rand.NewPCG(seed, 11))
	price, at := 100.0, int64(1_700_000_000_000)/60_000*60_000
	bars := make([]wasmhost.Bar, n)
	for i := range bars {
		b := wasmhost.Bar{OpenTime: at, Open: price, High: price, Low: price, Close: price}
		if r.IntN(16) > 0 {
			b.Close = cents(price + (r.Float64()-0.5)*2 + (100-price)/50)
			b.High = cents(max(b.Open, b.Close) + r.Float64())
			b.Low = cents(min(b.Open, b.Close) - r.Float64())
			b.Volume = math.Round(r.Float64()*1e6) / 1e4
			b.QuoteVolume = b.Volume * b.Close
			b.TakerBuyVolume = b.Volume / 2
			b.Trades = 1 + r.Uint32N(500)
			b.Flags = wasmhost.FlagHasTaker
		} else {
			b.Flags = wasmhost.FlagSynthetic
		}
		if i%240 == 0 {
			b.Flags |= wasmhost.FlagSessionStart
		}
		bars[i], price = b, b.Close
		at += 60_000
		if r.IntN(100) == 0 {
			at += 60_000 * int64(r.IntN(3000))
		}
	}
	return bars
}

func cents(v float64) float64 { return math.Round(v*100) / 100 }

// flat is a bar with one price.
func flat(price, volume float64) wasmhost.Bar {
	return wasmhost.Bar{Open: price, High: price, Low: price, Close: price, Volume: volume, QuoteVolume: price * volume, Trades: 1}
}

// hostile are bars that are legal and seldom: numbers at the edge of what a
// float64 can be, no volume, equal prices, times that jump.
func hostile() []wasmhost.Bar {
	const tiny = 5e-324
	var bars []wasmhost.Bar
	for _, p := range []float64{1e300, 1e-300, tiny, 0, -1, -1e300, math.MaxFloat64, -math.MaxFloat64, 1e15, 1e-15, 2.2e-308, 0.1, 1e8, 1e6 + 0.5} {
		b := flat(p, 1)
		if math.IsInf(b.QuoteVolume, 0) {
			b.QuoteVolume = 0
		}
		bars = append(bars, b, flat(p, 0), b)
	}
	for p := range 65 {
		bars = append(bars, flat(float64(p), 1))
	}
	bars = append(bars,
		wasmhost.Bar{Open: 1e300, High: 1e300, Low: -1e300, Close: -1e300},
		wasmhost.Bar{Open: -1e300, High: 1e300, Low: -1e300, Close: 1e300, Volume: 1e300, Trades: math.MaxUint32},
		wasmhost.Bar{Open: 1, High: 1, Low: 1, Close: 1, Volume: tiny, QuoteVolume: tiny, TakerBuyVolume: tiny, Flags: wasmhost.FlagHasTaker},
		wasmhost.Bar{Open: 1, High: 1e300, Low: tiny, Close: 1, Volume: 1e-300},
	)
	return timed(bars)
}

// timed gives bars their times: ordinary ones, then gaps, the ends of days,
// weeks and years, and years far away.
func timed(bars []wasmhost.Bar) []wasmhost.Bar {
	at := int64(0)
	for i := range bars {
		bars[i].OpenTime = at
		switch i % 8 {
		case 3:
			at += 86_400_000
		case 5:
			at += 7 * 86_400_000
		case 7:
			at += 400 * 86_400_000
		default:
			at += 60_000
		}
		if i == len(bars)-3 {
			at = 253_402_300_740_000 // the last minute of the year 9999
		}
	}
	return bars
}
