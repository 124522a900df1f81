package wasmhost_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// A host runs the modules it trusts. A series is a slot of a shard: closed
// bars advance it, previews show what the forming bar would give.
func Example() {
	ctx := context.Background()
	builtin := indicators.Module()
	host, err := wasmhost.New(ctx, wasmhost.Config{Shards: 1}, sha256.Sum256(builtin))
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	if _, err := host.Load(ctx, builtin); err != nil {
		log.Fatal(err)
	}
	sma, err := host.Resolve("sma(period=3)")
	if err != nil {
		log.Fatal(err)
	}
	shard := host.Shard(0)
	slot, err := shard.Open(sma, wasmhost.Series{IntervalMS: 60_000})
	if err != nil {
		log.Fatal(err)
	}
	var jobs []wasmhost.Job
	for i, price := range []float64{1, 2, 3, 4} {
		b := wasmhost.Bar{OpenTime: int64(i) * 60_000, Open: price, High: price, Low: price, Close: price, Volume: 1}
		jobs = append(jobs, wasmhost.Job{Slot: slot, Bar: &b, Out: make([]float64, len(sma.Outputs))})
	}
	jobs[3].Preview = true
	if err := shard.Apply(jobs); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sma.Name, "is stable after", sma.Warmup, "bars")
	for _, j := range jobs {
		fmt.Println(j.RC == wasmhost.RCReady, j.Out, j.Preview)
	}
	// Output:
	// sma(3) is stable after 3 bars
	// false [NaN] false
	// false [NaN] false
	// true [2] false
	// true [3] true
}

// Expressions have one canonical form; errors say what is allowed.
func ExampleHost_Resolve() {
	ctx := context.Background()
	builtin := indicators.Module()
	host, err := wasmhost.New(ctx, wasmhost.Config{Shards: 1}, sha256.Sum256(builtin))
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	if _, err := host.Load(ctx, builtin); err != nil {
		log.Fatal(err)
	}
	for _, expr := range []string{"macd", "macd(profile=tv,slow=30)", "bbands(20,2,ema)", "sma(20,src=hl2)", "obv()", "sma(0)", "bbnads"} {
		inst, err := host.Resolve(expr)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(inst.Name, inst.Outputs)
	}
	// Output:
	// macd(12,26,9) [macd signal hist]
	// macd(12,30,9,profile=tv) [macd signal hist]
	// bbands(20,2,ma=ema) [upper middle lower percent_b bandwidth]
	// sma(20,src=hl2) [value]
	// obv [value]
	// reading indicator "sma(0)": sma: period is "0" (allowed: 1 to 5000)
	// reading indicator "bbnads": unknown indicator "bbnads" (did you mean "bbands"? known: atr, bbands, ema, kdj, macd, obv, rsi, sma, stoch, vwap, wma)
}

// State bytes travel in records that say what they belong to.
func ExampleEncodeSnapshot() {
	record, err := wasmhost.EncodeSnapshot(nil, &wasmhost.Snapshot{Indicator: 1, StateVersion: 1, OpenTime: 60_000, Bars: 2, State: []byte("state")})
	if err != nil {
		log.Fatal(err)
	}
	snap, rest, err := wasmhost.DecodeSnapshot(record)
	fmt.Println(len(record), string(snap.State), snap.Bars, len(rest), err)
	record[80]++
	_, _, err = wasmhost.DecodeSnapshot(record)
	fmt.Println(err)
	// Output:
	// 81 state 2 0 <nil>
	// decoding a snapshot: the checksum does not match
}
