package indicators

import (
	"strconv"
	"testing"
)

// BenchmarkNative is the cost of one bar of each indicator with its defaults.
func BenchmarkNative(b *testing.B) {
	bars := walk(51, 4096)
	for _, spec := range readManifest(b).Indicators {
		b.Run(spec.Name, func(b *testing.B) {
			benchNative(b, spec.ID, spec.defaults(), bars)
		})
	}
}

// BenchmarkWindow shows that the cost of a bar does not grow with the window.
func BenchmarkWindow(b *testing.B) {
	bars := walk(52, 8192)
	for _, c := range []struct {
		name   string
		ind    uint32
		params []float64
	}{
		{"sma", SMA, []float64{0}}, {"wma", WMA, []float64{0}}, {"bbands", BBANDS, []float64{0, 2, 0}},
		{"stoch", STOCH, []float64{0, 3, 3, 0}}, {"rsi", RSI, []float64{0}},
	} {
		for _, n := range []int{20, 200, 2000} {
			b.Run(c.name+"-"+strconv.Itoa(n), func(b *testing.B) {
				c.params[0] = float64(n)
				benchNative(b, c.ind, c.params, bars)
			})
		}
	}
}

func benchNative(b *testing.B, ind uint32, params []float64, bars []Bar) {
	b.Helper()
	s := newInstance(b, ind, params)
	s.rows(b, bars) // fills the window
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		Update(ind, s.state, &bars[i%len(bars)], s.out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/bar")
}

// BenchmarkModule is the cost of one bar in builtin.wasm without the guard's
// counters: 1,000 bars of one series in a call.
func BenchmarkModule(b *testing.B) {
	const n = 1000
	bars := walk(53, n)
	g := newGuest(b)
	at := g.alloc(b, n*BarSize, 0)
	g.write(b, at, barBytes(bars))
	run := g.mod.ExportedFunction("kl_update_batch")
	for _, spec := range readManifest(b).Indicators {
		b.Run(spec.Name, func(b *testing.B) {
			slot, _ := g.slot(b, Cfg{Ind: spec.ID}, spec.defaults(), 0)
			w := OutputCount(spec.ID)
			job := Job{Ind: spec.ID, State: slot, Bars: at, NBars: n, BarStride: BarSize, Out: g.alloc(b, 8*w*n, 0), OutStride: uint32(8 * w)}
			jobs := uint64(g.jobsAt(b, []Job{job}))
			stack := make([]uint64, 2)
			b.ResetTimer()
			for range b.N {
				stack[0], stack[1] = jobs, 1
				if err := run.CallWithStack(g.ctx, stack); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/bar")
		})
	}
}
