package guard_test

import (
	"math"
	"testing"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// copies are n functions beside the exported one.
func copies(n int, f Func) *Module {
	m := function("", "", "")
	for range n {
		m.Funcs = append(m.Funcs, f)
	}
	return m
}

// branch is one control operation.
var branch = Join(I32(0), BrIf(0))

// wide has control operations x values of n, at least the number of locals:
// one of the operations stands on operands besides.
func wide(n, locals int) Func {
	rest := n % locals
	return Func{Locals: string(Repeat(locals, 'i')), Code: Join(Repeat(n/locals-1, branch...), Repeat(rest, I32(0)...), I32(0), If(), Repeat(rest, Drop))}
}

// costly has a compile work of n: a truncation and its way back are 41 units,
// what only begins is 1.
func costly(n int) Func {
	return Func{Params: "d", Code: Join(Get(0), Repeat((n-1)/41, 0xb1, 0xba), Op(Drop), Repeat((n-1)%41, Join(I32(0), Op(Drop))...))}
}

// Each limit holds at its number: one less and the number pass, one more is
// refused with the name of the limit.
func TestEachLimitHoldsAtItsNumber(t *testing.T) {
	nop := Op(1)
	for _, tt := range []struct {
		limit string
		at    int
		make  func(n int) *Module
	}{
		{"types", 256, func(n int) *Module { m := function("", "", ""); m.Types = make([]Type, n); return m }},
		{"parameters of a type", 64, func(n int) *Module {
			m := function("", "", "")
			m.Types = []Type{{Params: string(Repeat(n, 'i'))}}
			return m
		}},
		{"results of a type", 16, func(n int) *Module {
			m := function("", "", "")
			m.Types = []Type{{Results: string(Repeat(n, 'i'))}}
			return m
		}},
		{"functions", 4000, func(n int) *Module { return copies(n-1, Func{}) }},
		{"globals", 256, func(n int) *Module {
			m := function("", "", "")
			for range n {
				m.Globals = append(m.Globals, Global{Type: 'i', Init: I32(0)})
			}
			return m
		}},
		{"exports", 64, func(n int) *Module {
			m := function("", "", "")
			for i := range n - 2 {
				m.Exports = append(m.Exports, Export{Name: string(Repeat(i+2, 'x'))})
			}
			return m
		}},
		{"bytes of a name", 128, func(n int) *Module {
			m := function("", "", "")
			m.Exports = []Export{{Name: string(Repeat(n, 'a'))}}
			return m
		}},
		{"entries of the table", 8192, func(n int) *Module { m := function("", "", ""); m.Table = n; return m }},
		{"entries of element segments", 8192, func(n int) *Module {
			m := function("", "", "")
			m.Table, m.Elements = 8192, make([]uint32, n)
			return m
		}},
		{"data segments", 50_000, func(n int) *Module { m := function("", "", ""); m.Data = make([]Data, n); return m }},
		{"initial pages of memory", 256, func(n int) *Module { m := function("", "", ""); m.Memory = [2]uint32{uint32(n), 0}; return m }},
		{"bytes of a function", 64 << 10, func(n int) *Module { return function("", "", "", Repeat(n-2, nop...)) }},
		{"locals of a function", 512, func(n int) *Module { return function("", "", string(Repeat(n, 'i'))) }},
		{"nesting of blocks", 1024, func(n int) *Module { return function("", "", "", Repeat(n, 0x02, 0x40), Repeat(n, End)) }},
		{"control operations of a function", 2048, func(n int) *Module { return function("", "", "", Repeat(n, branch...)) }},
		{"loops of a function", 256, func(n int) *Module { return function("", "", "", Repeat(n, Loop()...)) }},
		{"control operations x values of a function", 100_000, func(n int) *Module { return copies(1, wide(n, 50)) }},
		{"branch table targets of a function", 2048, func(n int) *Module {
			return function("", "", "", Block(I32(0), Op(0x0e), U32(uint32(n-1024)), Repeat(n-1024+1, 0)), Block(I32(0), Op(0x0e), U32(1024), Repeat(1025, 0)))
		}},
		{"branch table targets of the module", 131_072, func(n int) *Module {
			table := func(n int) Func { return Func{Code: Block(I32(0), Op(0x0e), U32(uint32(n)), Repeat(n+1, 0))} }
			m := copies((n-2000)/2048, table(2048))
			m.Funcs = append(m.Funcs, table((n-2000)%2048), table(2000))
			return m
		}},
		{"control operations of the module", 131_072, func(n int) *Module {
			m := copies(n/200, Func{Code: Repeat(200, branch...)})
			m.Funcs = append(m.Funcs, Func{Code: Repeat(n%200, branch...)})
			return m
		}},
		{"compile work of a function", 262_144, func(n int) *Module { return copies(1, costly(n)) }},
		{"control operations x values of the module", 2_000_000, func(n int) *Module {
			m := copies(22, wide(90_000, 500))
			m.Funcs = append(m.Funcs, wide(n-22*90_000, 500))
			return m
		}},
		{"compile work of the module", 8_000_000, func(n int) *Module {
			m := copies(39, costly(200_000))
			m.Funcs = append(m.Funcs, costly(n-39*200_000))
			return m
		}},
		{"sum of squares of control operations and exits", 32_000_000, func(n int) *Module {
			m := function("", "", "")
			for n > 0 {
				k := min(int(math.Sqrt(float64(n))), 2000)
				m.Funcs = append(m.Funcs, Func{Code: Repeat(k, branch...)})
				n -= k * k
			}
			return m
		}},
		{"element segments", 64, func(n int) *Module {
			m := function("", "", "")
			m.Table, m.Swap = 1, map[byte][]byte{9: Join(U32(uint32(n)), Repeat(n, Join(Op(0), I32(0), Op(End, 1, 0))...))}
			return m
		}},
	} {
		t.Run(tt.limit, func(t *testing.T) {
			for _, d := range []int{-1, 0} {
				if _, _, err := guard.Instrument(tt.make(tt.at+d).Bytes(), bare()); err != nil {
					t.Errorf("%d: %v", tt.at+d, err)
				}
			}
			f := refuse(t, tt.make(tt.at+1).Bytes(), bare())
			if f.Code != guard.CodeLimit || f.Limit != tt.limit || f.Allowed != int64(tt.at) || f.Got != int64(tt.at+1) {
				t.Errorf("%d: %+v", tt.at+1, f)
			}
		})
	}
}
