package guard_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// seeds are small modules of every kind: what mutations of them reach is more
// than what bytes of chance do.
func seeds() [][]byte {
	rich := Indicator()
	rich.Imports = []Import{{Module: SystemModule, Name: "fd_write", Params: "iiii", Results: "i"}}
	rich.Func("kl_update_batch").Code = I32(0)
	rich.Table, rich.Elements, rich.Start = 4, []uint32{1, 2}, 2
	rich.Types = []Type{{Params: "il", Results: "li"}, {Results: "ddd"}}
	out := [][]byte{Indicator().Bytes(), rich.Bytes(), function("i", "i", "ld", Get(0)).Bytes()}
	for i := range 12 {
		out = append(out, rapid.Custom(program).Example(i).Bytes())
	}
	for a := range Catalogue("W02", "W03", "W18", "W19", "W20", "W21", "W21b", "W22", "W30", "W31", "W32", "W33", "W36", "W37") {
		if len(a.Bytes) < 2000 {
			out = append(out, a.Bytes)
		}
	}
	return out
}

// allocated is what the guard allocates for a module, in bytes.
func allocated(in []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, _ = guard.Instrument(in, bare())
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// examine holds the guard against its promises on any bytes: an answer in
// time, a finding with a place, and output that the runtime compiles and that
// can neither loop nor recurse for ever.
func examine(t *testing.T, rt wazero.Runtime, in []byte) bool {
	t.Helper()
	kept, rules := bytes.Clone(in), bare()
	rules.Limits.InitialFuel = exerciseFuel
	start := time.Now()
	out, _, err := guard.Instrument(in, rules)
	if took := time.Since(start); took > hang {
		t.Fatalf("took %v", took)
	}
	if !bytes.Equal(in, kept) {
		t.Fatal("the input was changed")
	}
	if err != nil {
		var f *guard.Finding
		if !errors.As(err, &f) || f.Code == guard.CodeInternal || f.Offset < 0 || f.Offset > len(in) || f.Message == "" {
			t.Fatalf("%v is no finding", err)
		}
		return false
	}
	exercise(t, rt, out)
	return true
}

// What the guard may allocate: a factor of the input, and a base.
const (
	memoryFactor = 20
	memoryBase   = 4 << 20
)

// hang is far more than any module takes, on any core.
const hang = 30 * time.Second

const exerciseFuel = 4_000 // units; the interpreter takes 20 ns for one

// exercise compiles a module that passed and calls what it exports, with
// little fuel.
func exercise(t *testing.T, rt wazero.Runtime, out []byte) {
	t.Helper()
	ctx := context.Background()
	cm, err := rt.CompileModule(ctx, out)
	if err != nil {
		t.Fatalf("the guard passed what the runtime refuses: %v", err)
	}
	defer cm.Close(ctx)
	if len(cm.ImportedFunctions()) > 0 {
		t.Fatal("an import passed")
	}
	mod, err := rt.InstantiateModule(ctx, cm, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return // a start function that traps, data outside
	}
	defer mod.Close(ctx)
	fuel := mod.ExportedGlobal(guard.FuelGlobal).(api.MutableGlobal)
	stack := mod.ExportedGlobal(guard.StackGlobal).(api.MutableGlobal)
	for name, def := range mod.ExportedFunctionDefinitions() {
		var args []uint64
		for i, p := range def.ParamTypes() {
			if args = append(args, uint64(i*1000)); p == 0x7b {
				args = append(args, 0) // a vector takes two words
			}
		}
		fuel.Set(exerciseFuel)
		if _, err := mod.ExportedFunction(name).Call(ctx, args...); err == nil && (int64(stack.Get()) != 4<<20 || int64(fuel.Get()) > exerciseFuel) {
			t.Fatalf("%s: %d bytes of stack, %d units of fuel are left", name, int64(stack.Get()), int64(fuel.Get()))
		} else if err != nil {
			return // the instance is undefined now
		}
	}
}

// FuzzGuard is guided by coverage.
func FuzzGuard(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features).WithMemoryLimitPages(1024))
	f.Cleanup(func() { _ = rt.Close(ctx) })
	f.Fuzz(func(t *testing.T, in []byte) {
		examine(t, rt, in)
		if n := allocated(in); n > uint64(memoryFactor*len(in)+memoryBase) {
			t.Errorf("%d bytes allocated for %d", n, len(in))
		}
	})
}

// FuzzProgram lets the fuzzer steer the generator of programs.
func FuzzProgram(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		in := program(t).Bytes()
		out, _, err := guard.Instrument(in, bare())
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features))
		defer rt.Close(ctx)
		plain, guarded := runProgram(t, rt, in, 1, 2), runProgram(t, rt, out, 1, 2)
		if plain.String() != guarded.String() {
			t.Fatalf("was %v, is %v", plain, guarded)
		}
	}))
}

// TestMutantsOfModulesDoNoHarm changes a few bytes of modules that are right.
// KLINE_MUTANTS is their number.
func TestMutantsOfModulesDoNoHarm(t *testing.T) {
	n := 10_000
	if s := os.Getenv("KLINE_MUTANTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	rt, from := runtimeOf(t, true), seeds()
	random := newRandom(11)
	passed := 0
	for range n {
		in := bytes.Clone(from[random.IntN(len(from))])
		for range 1 + random.IntN(3) {
			if len(in) > 0 {
				mutate(random, &in)
			}
		}
		if examine(t, rt, in) {
			passed++
		}
	}
	t.Logf("%d of %d mutants passed", passed, n)
	if passed < n/200 {
		t.Error("too few of them pass to mean anything")
	}
}
