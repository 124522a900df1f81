package core_test

import (
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

func Example() {
	minute, err := core.ParseInterval("1m")
	if err != nil {
		panic(err)
	}
	e, err := core.New(core.Config{Intervals: []core.Interval{minute}, WatermarkDelay: 500, AllowedLateness: 60_000, MaxFuture: 5000})
	if err != nil {
		panic(err)
	}
	var out core.Outputs
	for i, price := range []string{"64000.5", "64020", "64012.1"} {
		p, _ := core.ParseDecimal([]byte(price))
		ms := 1_795_239_360_000 + int64(i)*30_500 // the third trade closes the first minute
		err := e.Trades(&core.Record{Offset: int64(i), Timestamp: ms, Source: "spot"}, []core.Trade{{
			Symbol: []byte("BTCUSDT"), Price: p, Size: core.Decimal{Coef: 15, Scale: 1}, EventNS: ms * 1_000_000,
			ID: core.TradeID{Kind: core.IDInt, Num: int64(100 + i)}, Side: core.SideBuy,
		}}, &out)
		if err != nil {
			panic(err)
		}
	}
	for i := range out.Klines {
		k := &out.Klines[i]
		fmt.Printf("%s %s open %s high %s volume %s vwap %s trades %d\n", k.Symbol, k.Interval,
			core.AppendDecimal(nil, k.O, k.PriceScale), core.AppendDecimal(nil, k.H, k.PriceScale),
			core.AppendInt128(nil, k.V, k.SizeScale), k.AppendVWAP(nil), k.N)
	}
	// Output: BTCUSDT 1m open 64000.5 high 64020 volume 3 vwap 64010.25 trades 2
}
