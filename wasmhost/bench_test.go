package wasmhost

import (
	"testing"
	"time"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

// The tables of the documents come from
//
//	go test -run '^$' -bench . ./wasmhost
//
// Ratios compare with native Go in the same run: absolute times of a shared
// machine mean little.

// nativeSeries is the yardstick: n states of one indicator as plain Go.
type nativeSeries struct {
	id     uint32
	states [][]byte
	row    []float64
}

func newNativeSeries(b *testing.B, inst *Instance, n int) *nativeSeries {
	b.Helper()
	cfg := &indicators.Cfg{Ind: inst.Indicator.ID, IntervalMS: minute.IntervalMS}
	s := &nativeSeries{id: cfg.Ind, row: make([]float64, len(inst.Indicator.Outputs))}
	for range n {
		state := bytesOf(make([]uint64, (inst.StateSize+7)/8))[:inst.StateSize]
		if rc := indicators.Init(cfg, inst.Params, state); rc != 0 {
			b.Fatal(rc)
		}
		s.states = append(s.states, state)
	}
	return s
}

// time measures rounds of one bar for every state and returns ns per bar. The
// bars are in the layout of the indicator already.
func (s *nativeSeries) time(bars []Bar, rounds int) float64 {
	converted := make([]indicators.Bar, len(bars))
	for i := range bars {
		converted[i] = nativeBar(&bars[i], Close)
	}
	start := time.Now()
	at := 0
	for range rounds {
		for i := range s.states {
			indicators.Update(s.id, s.states[i], &converted[at], s.row)
			if at++; at == len(converted) {
				at = 0
			}
		}
	}
	return float64(time.Since(start).Nanoseconds()) / float64(rounds*len(s.states))
}

func benchExpressions() []string {
	return []string{"sma(200)", "ema(200)", "bbands(20)", "rsi(14)", "macd", "stoch", "vwap"}
}

// BenchmarkSingle is one kl_update per bar: the jobs of one slot cannot share
// a call. The hand-over to the owner goroutine is paid once per 1000.
func BenchmarkSingle(b *testing.B) {
	benchmarkJobs(b, func(i int, slots []Slot) Slot { return slots[0] })
}

// BenchmarkBatch is 1000 series with one bar each.
func BenchmarkBatch(b *testing.B) {
	benchmarkJobs(b, func(i int, slots []Slot) Slot { return slots[i] })
}

func benchmarkJobs(b *testing.B, pick func(int, []Slot) Slot) {
	h, _ := builtinHost(b, Config{Shards: 1})
	const n = 1000
	bars := randomBars(1, n)
	for _, expr := range benchExpressions() {
		inst := resolve(b, h, expr)
		b.Run(inst.Name, func(b *testing.B) {
			s := h.Shard(0)
			slots := make([]Slot, n)
			jobs := make([]Job, n)
			used := map[Slot]bool{}
			for i := range slots {
				slots[i] = open(b, s, inst)
				jobs[i] = Job{Slot: pick(i, slots), Bar: &bars[i], Out: make([]float64, len(inst.Outputs))}
				used[jobs[i].Slot] = true
			}
			native := newNativeSeries(b, inst, len(used))
			start := time.Now()
			for b.Loop() {
				if err := s.Apply(jobs); err != nil {
					b.Fatal(err)
				}
			}
			perBar := float64(time.Since(start).Nanoseconds()) / float64(b.N*n)
			report(b, perBar, native.time(bars, max(1, 200_000/len(used))))
			closeAll(b, s, slots)
		})
	}
}

// BenchmarkBackfill is one series with 1000 bars.
func BenchmarkBackfill(b *testing.B) {
	h, _ := builtinHost(b, Config{Shards: 1})
	const n = 1000
	bars := randomBars(1, n)
	for _, expr := range append(benchExpressions(), "sma(20)", "sma(2000)") {
		inst := resolve(b, h, expr)
		b.Run(inst.Name, func(b *testing.B) {
			s := h.Shard(0)
			slot := open(b, s, inst)
			out := make([]float64, n*len(inst.Outputs))
			native := newNativeSeries(b, inst, 1)
			start := time.Now()
			for b.Loop() {
				if _, err := s.Backfill(slot, bars, out, nil); err != nil {
					b.Fatal(err)
				}
			}
			perBar := float64(time.Since(start).Nanoseconds()) / float64(b.N*n)
			report(b, perBar, native.time(bars, 200_000))
			closeAll(b, s, []Slot{slot})
		})
	}
}

// BenchmarkHandOver is a call with one job, alone: what a caller waits.
func BenchmarkHandOver(b *testing.B) {
	h, _ := builtinHost(b, Config{Shards: 1})
	s := h.Shard(0)
	slot := open(b, s, resolve(b, h, "ema(200)"))
	jobs := []Job{{Slot: slot, Bar: &randomBars(1, 1)[0], Out: make([]float64, 1)}}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Apply(jobs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPreview is 1000 series with one forming bar each.
func BenchmarkPreview(b *testing.B) {
	h, _ := builtinHost(b, Config{Shards: 1})
	const n = 1000
	for _, expr := range []string{"sma(200)", "ema(200)"} {
		inst := resolve(b, h, expr)
		b.Run(inst.Name, func(b *testing.B) {
			s := h.Shard(0)
			jobs := make([]Job, n)
			bars := randomBars(1, n)
			for i := range jobs {
				jobs[i] = Job{Slot: open(b, s, inst), Bar: &bars[i], Preview: true, Out: make([]float64, 1)}
			}
			start := time.Now()
			for b.Loop() {
				if err := s.Apply(jobs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N*n), "ns/bar")
		})
	}
}

// BenchmarkLoad is the cost of a start, cold and with a compilation cache.
func BenchmarkLoad(b *testing.B) {
	wasm := indicators.Module()
	cached := b.TempDir() + "/cache"
	loadModule(b, Config{Shards: 1, CacheDir: cached}, wasm)
	for _, tt := range []struct{ name, dir string }{{"cold", ""}, {"cached", cached}} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				h, _ := loadModule(b, Config{Shards: 1, CacheDir: tt.dir}, wasm)
				if err := h.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func report(b *testing.B, perBar, native float64) {
	b.ReportMetric(perBar, "ns/bar")
	b.ReportMetric(native, "native-ns/bar")
	b.ReportMetric(perBar/native, "x-native")
}

func closeAll(b *testing.B, s *Shard, slots []Slot) {
	b.Helper()
	for _, slot := range slots {
		if err := s.Close(slot); err != nil {
			b.Fatal(err)
		}
	}
}
