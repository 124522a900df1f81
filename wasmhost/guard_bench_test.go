//go:build unix

package wasmhost

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

// BenchmarkGuard is what fuel and stack cost: the built-in module with and
// without charges, in turns, the best of several rounds each, as CPU time.
// Both are given fuel before each call. The last line has the median of all
// ratios.
//
//	go test -run '^$' -bench Guard -benchtime 1x ./wasmhost
func BenchmarkGuard(b *testing.B) {
	guarded, plain := chargeHosts(b)
	var ratios []float64
	for _, expr := range benchExpressions() {
		for _, way := range []string{"single", "batch", "backfill"} {
			b.Run(resolve(b, guarded, expr).Name+"/"+way, func(b *testing.B) {
				for b.Loop() {
					with, without := compareRounds(b, guarded, plain, expr, way)
					ratios = append(ratios, with/without)
					b.ReportMetric(with, "ns/bar")
					b.ReportMetric(without, "plain-ns/bar")
					b.ReportMetric(100*(with/without-1), "overhead-%")
				}
			})
		}
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
		}
		if slices.Sort(ratios); len(ratios) > 0 {
			b.ReportMetric(100*(ratios[len(ratios)/2]-1), "median-%")
			b.ReportMetric(100*(ratios[len(ratios)-1]-1), "largest-%")
		}
	})
}

// chargeHosts makes a host as it is and one whose module has the counters but
// never charges them.
func chargeHosts(b *testing.B) (with, without *Host) {
	wasm := indicators.Module()
	with, _ = builtinHost(b, Config{Shards: 1})
	without = newHost(b, Config{Shards: 1}, wasm)
	without.admit = trustedOnly([][sha256.Size]byte{sha256.Sum256(wasm)}, func(m []byte) ([]byte, error) { return uncharged(m), nil })
	if _, err := without.Load(b.Context(), wasm); err != nil {
		b.Fatal(err)
	}
	return with, without
}

// uncharged adds the exports that the host needs, and nothing else.
func uncharged(wasm []byte) []byte {
	out := append([]byte(nil), wasm[:8]...)
	var globals uint64
	for rest := wasm[8:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		body := rest[1+n : 1+n+int(size)]
		rest = rest[1+n+int(size):]
		count, n := binary.Uvarint(body)
		var more []byte
		switch id {
		case 6:
			globals = count
			more = join(ops(tI64, 1), i64c(0), ops(0x0b, tI64, 1), i64c(0), ops(0x0b))
		case 7:
			more = join(name(guard.FuelGlobal), ops(3), u32(uint32(globals)), name(guard.StackGlobal), ops(3), u32(uint32(globals+1)))
		}
		if more != nil {
			body = join(u32(uint32(count+2)), body[n:], more)
		}
		out = join(out, ops(id), u32(uint32(len(body))), body)
	}
	return out
}

// compareRounds measures both hosts in turns and returns the best ns per bar
// of each.
func compareRounds(b *testing.B, with, without *Host, expr, way string) (float64, float64) {
	const rounds = 15
	runs := [2]func() float64{chargeRun(b, with, expr, way), chargeRun(b, without, expr, way)}
	var best [2]float64
	for range rounds {
		for i, run := range runs {
			if ns := run(); best[i] == 0 || ns < best[i] {
				best[i] = ns
			}
		}
	}
	return best[0], best[1]
}

func chargeRun(b *testing.B, h *Host, expr, way string) func() float64 {
	const n, repeat = 1000, 20
	inst, s, bars := resolve(b, h, expr), h.Shard(0), randomBars(1, n)
	slots, jobs := make([]Slot, n), make([]Job, n)
	for i := range slots {
		slots[i] = open(b, s, inst)
		jobs[i] = Job{Slot: slots[i], Bar: &bars[i], Out: make([]float64, len(inst.Outputs))}
		if way == "single" {
			jobs[i].Slot = slots[0]
		}
	}
	b.Cleanup(func() { closeAll(b, s, slots) })
	out := make([]float64, n*len(inst.Outputs))
	return func() float64 {
		start := cpuTime(b)
		for range repeat {
			var err error
			if way == "backfill" {
				_, err = s.Backfill(slots[0], bars, out, nil)
			} else {
				err = s.Apply(jobs)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		return float64((cpuTime(b) - start).Nanoseconds()) / (n * repeat)
	}
}

// cpuTime is the time this process had a core: others want it too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMeter is what the host does for the counters around each call:
// setting the fuel and reading what is left.
func BenchmarkMeter(b *testing.B) {
	h, m := loadModule(b, Config{Shards: 1}, newFixture().bytes())
	g := h.Shard(0).guests[m][0]
	var used int64
	for b.Loop() {
		g.meter.fill(fuelBar)
		used += fuelBar - g.meter.left()
	}
	if used != 0 {
		b.Errorf("%d units used by nobody", used)
	}
}
