//go:build unix

package guard_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

// BenchmarkInstrument is what the guard takes for the built-in module, the
// largest honest one, and for the slowest ones of the catalogue. The design
// allows 50 ms for a refusal and 40 ms for a Go module.
func BenchmarkInstrument(b *testing.B) {
	list := map[string][]byte{"builtin": indicators.Module(), "small": Indicator().Bytes()}
	for _, s := range AtLimits() {
		if len(s.Bytes) > 3_500_000 {
			list[s.Name] = s.Bytes
		}
	}
	for a := range Catalogue() {
		if len(a.Bytes) > 3_000_000 && len(a.Bytes) < 4<<20 {
			list[a.Name] = a.Bytes
		}
	}
	rules := guard.Rules{Limits: guard.Builtin(), Surface: guard.KL1()}
	for name, bytes := range list {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(bytes)))
			b.ReportAllocs()
			best := time.Hour
			for b.Loop() {
				from := cpuTime(b)
				_, _, _ = guard.Instrument(bytes, rules)
				best = min(best, cpuTime(b)-from)
			}
			b.ReportMetric(best.Seconds()*1e3, "cpu-ms")
		})
	}
}

// chain is a slow instruction, again and again on its own result. Locals: 0
// i32 parameter, 1 and 2 i64, 3 and 4 f64, 5 i32, 6 and 7 v128.
type chain struct {
	name       string
	head, unit []byte
	local      uint32
	repeat     int
	prepare    func([]byte)
}

func chains() []chain {
	long := func(i uint32, v int64) []byte { return Join(I64(v), Set(i)) }
	float := func(i uint32, v float64) []byte { return Join(F64(v), Set(i)) }
	splat := func(v float64) []byte { return Join(F64(v), Op(0xfd, 20), Set(6), F64(v), Op(0xfd, 20), Set(7)) }
	out := []chain{
		{"i64.mul", Join(long(1, 1), long(2, 3)), Join(Get(2), Op(0x7e)), 1, 500, nil},
		{"i64.div_s", Join(long(1, math.MaxInt64), long(2, 1)), Join(Get(2), Op(0x7f)), 1, 500, nil},
		{"i64.rem_u", Join(long(1, math.MaxInt64), long(2, math.MaxInt64-5)), Join(Get(2), Op(0x82)), 1, 500, nil},
		{"f64.mul of subnormals", Join(float(3, 5e-310), float(4, 1)), Join(Get(4), Op(0xa2)), 3, 500, nil},
		{"f64.div of subnormals", Join(float(3, 5e-310), float(4, 1)), Join(Get(4), Op(0xa3)), 3, 500, nil},
		{"f64.min", Join(float(3, 5e-310), float(4, 1)), Join(Get(4), Op(0xa4)), 3, 500, nil},
		{"f64.sqrt", float(3, 1.7), Op(0x9f), 3, 500, nil},
		{"f64.ceil", float(3, 1.7), Op(0x9b), 3, 500, nil},
		{"demote and promote of subnormals", float(3, 1e-40), Op(0xb6, 0xbb), 3, 500, nil},
		{"truncate and convert", float(3, 1e18), Op(0xb1, 0xba), 3, 500, nil},
		{"saturate and convert", float(3, 1e300), Op(0xfc, 7, 0xba), 3, 500, nil},
		{"pointer chase", nil, Op(0x28, 2, 0), 5, 500, scatter},
		{"memory.fill of 8 MiB", nil, Join(I32(0), I32(1), I32(8<<20), Op(0xfc, 11, 0)), 5, 1, nil},
		{"memory.copy of 8 MiB", nil, Join(I32(8<<20), I32(0), I32(8<<20), Op(0xfc, 10, 0, 0)), 5, 1, nil},
		{"fills of nothing", nil, Join(I32(0), I32(1), I32(0), Op(0xfc, 11, 0)), 5, 500, nil},
		{"calls", nil, Call(1), 5, 500, nil},
		{"indirect calls", nil, Join(I32(0), Op(0x11, 1, 0)), 5, 500, nil},
	}
	for _, v := range []struct {
		name string
		sub  uint32
	}{{"f64x2.div", 243}, {"f64x2.mul", 242}, {"f64x2.min", 244}, {"i64x2.mul", 213}, {"i8x16.swizzle", 14}} {
		out = append(out, chain{v.name + " of subnormals", splat(5e-310), Join(Get(7), Op(0xfd), U32(v.sub)), 6, 500, nil})
	}
	return append(out, chain{"f64x2.sqrt", splat(5e-310), Op(0xfd, 239, 1), 6, 500, nil}, chain{"i8x16.popcnt", splat(1), Op(0xfd, 98), 6, 500, nil})
}

// scatter makes a random ring of pointers, one to a cache line.
func scatter(b []byte) {
	r, ring := newRandom(1), make([]int, len(b)/64)
	for i, p := range r.Perm(len(ring)) {
		ring[i] = p
	}
	for i, p := range ring {
		binary.LittleEndian.PutUint32(b[p*64:], uint32(ring[(i+1)%len(ring)]*64))
	}
}

// BenchmarkUnitOfFuel is the worst time of a unit of fuel: budgets are times
// only as far as no chain is above 10 ns.
//
//	go test -run '^$' -bench UnitOfFuel -benchtime 1x ./wasmhost/guard
func BenchmarkUnitOfFuel(b *testing.B) {
	const fuel = 2_000_000
	worst, name := 0.0, ""
	for _, c := range chains() {
		b.Run(c.name, func(b *testing.B) {
			turn := Join(Get(c.local), Repeat(c.repeat, c.unit...), Set(c.local))
			m := function("i", "", "llddivv", c.head, Forever(turn))
			m.Types = []Type{{Params: "i", Results: ""}, {}}
			m.Funcs = append(m.Funcs, Func{})
			m.Table, m.Elements, m.Memory = 1, []uint32{1}, [2]uint32{256, 256}
			i := instantiate(b, runtimeOf(b, false), pass(b, m.Bytes(), bare()))
			if c.prepare != nil {
				view, _ := i.mod.Memory().Read(0, i.mod.Memory().Size())
				c.prepare(view)
			}
			best := math.Inf(1)
			for b.Loop() {
				for range 4 {
					start := cpuTime(b)
					_, used, err := i.call(fuel, 0)
					if err == nil {
						b.Fatal("it ended")
					}
					best = min(best, float64((cpuTime(b)-start).Nanoseconds())/float64(used))
					i.counter(guard.StackGlobal).Set(4 << 20)
				}
			}
			if b.ReportMetric(best, "ns/unit"); best > worst {
				worst, name = best, c.name
			}
		})
	}
	b.Run("worst", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(worst, "ns/unit")
		b.Log(name)
	})
}
