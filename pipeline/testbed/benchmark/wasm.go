package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
	"unsafe"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// guestRun is what the child measured, by instance.
type guestRun struct {
	Single map[string]float64 `json:"single"` // ns per bar, one call per bar
	Batch  map[string]float64 `json:"batch"`  // ns per bar, 1,000 series in a call
	Native map[string]float64 `json:"native"` // ns per bar, one state, plain Go
	Spread map[string]float64 `json:"spread"` // ns per bar, 1,000 states, plain Go
}

// updated are the instances whose single update has to stay below 80 ns; compared ones are in the table besides.
var (
	updated  = []string{"sma(200)", "ema(200)"}
	compared = []string{"sma(200)", "ema(200)", "bbands(20)", "rsi(14)", "macd", "vwap"}
	windows  = []string{"sma(20)", "sma(2000)"}
)

// wasm measures one call per bar and batches against the same code as native Go.
func (b *bench) wasm() error {
	var runs []guestRun
	for range b.rounds {
		var r guestRun
		if err := b.child(&r, "wasm"); err != nil {
			return err
		}
		runs = append(runs, r)
	}
	of := func(pick func(guestRun) float64) float64 {
		var values []float64
		for _, r := range runs {
			values = append(values, pick(r))
		}
		return median(values)
	}
	for _, name := range compared {
		single := of(func(r guestRun) float64 { return r.Single[name] })
		if slices.Contains(updated, name) {
			b.figure("wasm_single_update_ns["+name+"]", single, "<=", 80)
		} else {
			b.note("wasm_single_update_ns["+name+"]", single)
		}
		b.note("wasm_single_over_native_ratio["+name+"]", of(func(r guestRun) float64 { return r.Single[name] / r.Native[name] }))
		b.figure("wasm_batch_over_native_ratio["+name+"]", of(func(r guestRun) float64 { return r.Batch[name] / r.Spread[name] }), "<=", 12)
	}
	b.figure("wasm_sma_2000_over_sma_20_ratio", of(func(r guestRun) float64 { return r.Batch["sma(2000)"] / r.Batch["sma(20)"] }), "<=", 1.1)
	return nil
}

func wasmChild(*flag.FlagSet) func() (any, error) {
	return func() (any, error) {
		module := indicators.Module()
		host, err := wasmhost.New(context.Background(), wasmhost.Config{Shards: 1}, sha256.Sum256(module))
		if err != nil {
			return nil, err
		}
		defer host.Close()
		if _, err := host.Load(context.Background(), module); err != nil {
			return nil, err
		}
		r := guestRun{map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{}}
		bars := walk(4096)
		for _, name := range append(slices.Clone(compared), windows...) {
			if err := r.measure(host, name, bars); err != nil {
				return nil, fmt.Errorf("measuring %s: %w", name, err)
			}
		}
		return r, nil
	}
}

// series of a batch; small windows keep 1,000 of them in the cache, a window of 2,000 needs fewer for that.
const batchSeries = 1000

func (r *guestRun) measure(host *wasmhost.Host, name string, bars []wasmhost.Bar) error {
	inst, err := host.Resolve(name)
	if err != nil {
		return err
	}
	series := batchSeries
	if slices.Contains(windows, name) {
		series = 32 // what differs must be the window, not the cache that 1,000 states of 16 KB do not fit in
	}
	if r.Single[name], err = guestTime(host, inst, 1, bars); err != nil {
		return err
	}
	if r.Batch[name], err = guestTime(host, inst, series, bars); err != nil {
		return err
	}
	if r.Native[name], err = nativeTime(inst, 1, bars); err != nil {
		return err
	}
	r.Spread[name], err = nativeTime(inst, series, bars)
	return err
}

const minute = 60_000

// guestTime is ns per bar in calls of 1,000 jobs. With one series every job is a call into the guest of its own, because the bars of
// one slot have an order; the hand-over to the owner goroutine is shared by the 1,000.
func guestTime(host *wasmhost.Host, inst *wasmhost.Instance, series int, bars []wasmhost.Bar) (float64, error) {
	shard := host.Shard(0)
	slots := make([]wasmhost.Slot, series)
	for i := range slots {
		var err error
		if slots[i], err = shard.Open(inst, wasmhost.Series{IntervalMS: minute}); err != nil {
			return 0, err
		}
		if err := warm(shard, slots[i], len(inst.Outputs), bars); err != nil {
			return 0, err
		}
	}
	jobs := make([]wasmhost.Job, max(series, batchSeries)/series*series)
	for i := range jobs {
		jobs[i] = wasmhost.Job{Slot: slots[i%series], Bar: &bars[i%len(bars)], Out: make([]float64, len(inst.Outputs))}
	}
	best, err := timed(len(jobs), func() error { return shard.Apply(jobs) })
	for _, s := range slots {
		_ = shard.Close(s) // the host ends with this process
	}
	return best, err
}

// warm fills the window of a slot.
func warm(shard *wasmhost.Shard, slot wasmhost.Slot, outputs int, bars []wasmhost.Bar) error {
	out := make([]float64, len(bars)*outputs)
	_, err := shard.Backfill(slot, bars, out, nil)
	return err
}

// nativeTime is the same work without a guest: the code of the module, compiled into this program.
func nativeTime(inst *wasmhost.Instance, series int, bars []wasmhost.Bar) (float64, error) {
	converted := make([]indicators.Bar, len(bars))
	for i := range bars {
		converted[i] = nativeBar(&bars[i])
	}
	cfg := &indicators.Cfg{Ind: inst.Indicator.ID, IntervalMS: minute}
	out := make([]float64, len(inst.Outputs)+1)
	states := make([][]byte, series)
	for i := range states {
		words := make([]uint64, (inst.StateSize+7)/8) // 8-aligned
		states[i] = unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), inst.StateSize)
		if rc := indicators.Init(cfg, inst.Params, states[i]); rc != 0 {
			return 0, fmt.Errorf("starting native %s: code %d", inst.Name, rc)
		}
		for j := range converted {
			indicators.Update(cfg.Ind, states[i], &converted[j], out)
		}
	}
	jobs := max(series, batchSeries) / series * series
	return timed(jobs, func() error {
		for i := range jobs {
			indicators.Update(cfg.Ind, states[i%series], &converted[i%len(converted)], out)
		}
		return nil
	})
}

func nativeBar(b *wasmhost.Bar) indicators.Bar {
	return indicators.Bar{
		OpenTimeMS: b.OpenTime, Open: b.Open, High: b.High, Low: b.Low, Close: b.Close, Volume: b.Volume, QuoteVolume: b.QuoteVolume,
		Trades: b.Trades, Flags: b.Flags | indicators.FlagClosed, Src: b.Close, TakerBuyVolume: b.TakerBuyVolume,
	}
}

// timed runs f for about 150 ms in ten pieces and returns the CPU of the median piece in ns per job: a neighbour on the core must not
// count, and on two cores the wall time would count it.
func timed(jobs int, f func() error) (float64, error) {
	began := time.Now()
	if err := f(); err != nil {
		return 0, err
	}
	calls := max(1, int(15*time.Millisecond/max(time.Since(began), 1)))
	var pieces []float64
	for range 10 {
		cpu := ownCPU()
		for range calls {
			if err := f(); err != nil {
				return 0, err
			}
		}
		pieces = append(pieces, float64(ownCPU()-cpu)/float64(calls*jobs))
	}
	return median(pieces), nil
}

// walk is a random walk of bars, the same in every run.
func walk(n int) []wasmhost.Bar {
	random := rand.New(rand.NewPCG(1, 1))
	bars := make([]wasmhost.Bar, n)
	price := 1000.0
	for i := range bars {
		open := price
		price = max(1, price+random.Float64()*2-1)
		volume := random.Float64() * 10
		bars[i] = wasmhost.Bar{
			OpenTime: 1_795_239_360_000 + int64(i)*minute, Open: open, Close: price, High: max(open, price) + random.Float64(), Low: min(open, price) - random.Float64()/2,
			Volume: volume, QuoteVolume: volume * price, TakerBuyVolume: volume / 2, Trades: 42, Flags: wasmhost.FlagHasTaker,
		}
	}
	return bars
}
