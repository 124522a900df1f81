package guard_test

import (
	"runtime"
	"strings"
	"testing"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// The prices are part of the version: whoever changes one changes what fails.
func TestFuelOfOrdinaryCode(t *testing.T) {
	const entry = 17 // 16, and 1 for the region
	for _, tt := range []struct {
		name           string
		params, locals string
		code           []byte
		want           int64
	}{
		{"nothing", "", "", nil, entry + 1},
		{"parameters and locals", "il", "fdv", nil, entry + 5*4 + 1},
		{"constants and nops", "", "", Join(I32(1), Op(Drop, 1)), entry + 3 + 1},
		{"load", "", "", Join(I32(0), Load(0x28, 0), Op(Drop)), entry + 1 + 8 + 1 + 1},
		{"store", "", "", Join(I32(0), I32(0), Store(0x36, 0)), entry + 2 + 4 + 1},
		{"float", "", "", Join(F64(1), F64(1), Op(0xa0, Drop)), entry + 2 + 8 + 1 + 1},
		{"division", "", "", Join(I32(1), I32(1), Op(0x6e, Drop)), entry + 2 + 4 + 1 + 1},
		{"vector", "", "", Join(I32(1), Op(0xfd, 15, Drop)), entry + 1 + 8 + 1 + 1},
		{"both sides of an if", "", "", Join(I32(1), Op(0x04, 0x40, 1, 1, 0x05, 1, 1, 1, End)), entry + 1 + 1 + 2 + 1 + 3 + 1 + 1},
		{"loop of three turns", "i", "", Join(I32(3), Set(0), Loop(Get(0), I32(1), Op(0x6b), Tee(0), BrIf(0))), entry + 4 + 2 + 1 + 1 + 3*(1+5+1)},
		{"fill of 64 bytes", "", "", Join(I32(0), I32(0), I32(64), Op(0xfc, 11, 0)), entry + 3 + 8 + 1 + 2},
		{"copy of 64 bytes", "", "", Join(I32(0), I32(0), I32(64), Op(0xfc, 10, 0, 0)), entry + 3 + 8 + 1 + 2},
		{"growing by two pages", "", "", Join(I32(2), Op(0x40, 0, Drop)), entry + 1 + 1 + 1 + 1 + 2048},
		{"growing that fails", "", "", Join(I32(1000), Op(0x40, 0, Drop)), entry + 1 + 1 + 1 + 1 + 1_024_000},
	} {
		i := start(t, function(tt.params, "", tt.locals, tt.code).Bytes())
		_, used := i.must(10_000_000, make([]uint64, len(tt.params))...)
		if used != tt.want {
			t.Errorf("%s: %d units, want %d", tt.name, used, tt.want)
		}
	}
}

// The module stops at the instruction at which the fuel is below 0, whatever
// it had; with exactly what it needs it ends.
func TestFuelIsExact(t *testing.T) {
	i := start(t, function("i", "i", "", Loop(Get(0), I32(1), Op(0x6b), Tee(0), BrIf(0)), Get(0)).Bytes())
	_, need := i.must(1_000_000, 50)
	for _, fuel := range []int64{0, 1, need / 2, need - 1} {
		i := start(t, function("i", "i", "", Loop(Get(0), I32(1), Op(0x6b), Tee(0), BrIf(0)), Get(0)).Bytes())
		if _, _, err := i.call(fuel, 50); err == nil || !strings.Contains(err.Error(), "unreachable") || i.fuel() >= 0 {
			t.Errorf("%d of %d units: %v, %d left", fuel, need, err, i.fuel())
		}
	}
	if _, _, err := i.call(need, 50); err != nil || i.fuel() != 0 {
		t.Errorf("%d units: %v, %d left", need, err, i.fuel())
	}
}

// Calls, through which a program could run long without a loop, pay at entry.
func TestCallsWithoutLoopsRunOutOfFuel(t *testing.T) {
	m := &Module{Memory: [2]uint32{1, 0}}
	for i := range uint32(36) {
		m.Funcs = append(m.Funcs, Func{Code: Join(Call(i+1), Call(i+1))})
	}
	m.Funcs = append(m.Funcs, Func{})
	m.Funcs[0].Export = "f"
	i := start(t, m.Bytes())
	if _, used, err := i.call(1_000_000); err == nil || used > 1_000_100 {
		t.Errorf("2^36 calls used %d: %v", used, err)
	}
}

// However a function is left, its frame is given back.
func TestStackIsBalancedOnEveryWayOut(t *testing.T) {
	for name, code := range map[string][]byte{
		"end":                          Join(I64(1), I64(2)),
		"return":                       Join(I64(1), I64(2), Op(Return)),
		"return with more operands":    Join(I32(9), I64(7), I64(1), I64(2), Op(Return)),
		"return in blocks":             Join(Block(Block(Loop(I64(1), I64(2), Op(Return)))), I64(3), I64(4)),
		"branch to the function":       Join(Block(I64(1), I64(2), Br(1)), I64(3), I64(4)),
		"branch if to the function":    Join(I64(1), I64(2), I32(1), BrIf(0)),
		"branch table to the function": Join(Block(I64(1), I64(2), I32(0), Op(0x0e, 0, 1)), I64(3), I64(4)),
		"dead code behind a return":    Join(I64(1), I64(2), Op(Return), Op(Return), Block(Op(Unreachable, Return)), Op(Unreachable)),
		"return in one side":           Join(I32(1), Op(0x04, 0x40), I64(1), I64(2), Op(Return, 0x05), Op(1), Op(End), I64(3), I64(4)),
	} {
		for _, params := range []string{"", "ii"} {
			m := function(params, "ll", "", Call(1), code)
			m.Funcs = append(m.Funcs, Func{})
			i := start(t, m.Bytes())
			got, _ := i.must(1000, make([]uint64, len(params))...)
			if i.stack() != 4<<20 || got[0] != 1 || got[1] != 2 {
				t.Errorf("%s (%q): stack %d, results %v", name, params, i.stack(), got)
			}
		}
	}
}

// Fuel alone let a recursion take 150 MiB of native stack. The runtime grows
// its stack by doubling and copying, so that some of what is allocated is
// garbage soon.
func TestRecursionRunsOutOfStack(t *testing.T) {
	for a := range Catalogue("W33") {
		rt := runtimeOf(t, false)
		i := instantiate(t, rt, pass(t, a.Bytes, kl1()))
		i.counter(guard.FuelGlobal).Set(20_000_000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := i.mod.ExportedFunction("kl_update").Call(t.Context(), 0, 1024, 2048, 4096)
		runtime.ReadMemStats(&after)
		mib := float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20)
		if t.Logf("%s: %.1f MiB", a.Name, mib); mib > 16 {
			t.Errorf("%s: %.1f MiB allocated for the stack", a.Name, mib)
		}
		if err == nil || i.stack() >= 0 || i.fuel() < 0 || !strings.Contains(err.Error(), "unreachable") {
			t.Errorf("%s: %v, %d bytes of stack and %d units of fuel left", a.Name, err, i.stack(), i.fuel())
		}
	}
}

// A leaf calls nobody and takes no stack; its frame is the last one.
func TestLeavesTakeNoStack(t *testing.T) {
	i := start(t, function("i", "i", "", Block(Get(0), Op(Return)), I32(1)).Bytes())
	i.counter(guard.StackGlobal).Set(0)
	if got, _ := i.must(1000, 5); got[0] != 5 || i.stack() != 0 {
		t.Errorf("result %d, stack %d", got[0], i.stack())
	}
}

func TestGrowingPaysAlsoWhenItFails(t *testing.T) {
	i := start(t, function("i", "i", "", Get(0), Op(0x40, 0)).Bytes())
	if got, used := i.must(3_000_000, 1000); int32(got[0]) != -1 || used < 1_024_000 {
		t.Errorf("result %d, used %d", int32(got[0]), used)
	}
	// A request of 4 G pages must not wrap the price.
	if _, used, err := i.call(1<<40, 1<<32-1); err != nil || used < 1<<41 {
		if err == nil || used < 1<<40 {
			t.Errorf("4 G pages: used %d, %v", used, err)
		}
	}
}

func TestAnInstanceWithoutFuelIsReadable(t *testing.T) {
	i := start(t, function("", "", "", I32(8), F64(1.5), Store(0x39, 0), Forever()).Bytes())
	if _, _, err := i.call(1000); err == nil {
		t.Fatal("ended")
	}
	if v, ok := i.mod.Memory().ReadFloat64Le(8); !ok || v != 1.5 {
		t.Errorf("memory after the trap: %v, %v", v, ok)
	}
}
