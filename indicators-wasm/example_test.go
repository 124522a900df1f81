package indicators_test

import (
	"fmt"
	"unsafe"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

// One instance runs over four bars; its state is a slot of bytes that the
// caller owns.
func Example() {
	cfg := indicators.Cfg{Ind: indicators.SMA, IntervalMS: 60_000}
	params := []float64{3}
	words := make([]uint64, indicators.StateSize(&cfg, params)/8) // 8-aligned
	state := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	if rc := indicators.Init(&cfg, params, state); rc != 0 {
		fmt.Println("init:", rc)
		return
	}
	out := make([]float64, indicators.OutputCount(cfg.Ind))
	for _, close := range []float64{10, 20, 30, 40} {
		bar := indicators.Bar{Close: close, Src: close}
		rc := indicators.Update(cfg.Ind, state, &bar, out)
		fmt.Println(rc, out[0])
	}
	// Output:
	// 0 NaN
	// 0 NaN
	// 1 20
	// 1 30
}

// A wrong parameter is refused before any state exists.
func ExampleStateSize() {
	cfg := indicators.Cfg{Ind: indicators.RSI}
	fmt.Println(indicators.StateSize(&cfg, []float64{14}))
	fmt.Println(indicators.StateSize(&cfg, []float64{1}) == indicators.ErrParams)
	// Output:
	// 72
	// true
}

// An exponential average needs more history than its period.
func ExampleWarmup() {
	cfg := indicators.Cfg{Ind: indicators.EMA, IntervalMS: 60_000}
	fmt.Println(indicators.Warmup(&cfg, []float64{20}))
	// Output: 125
}
