package guard_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// outcome is all that can be seen of a run.
type outcome struct {
	results []uint64
	trap    string
	memory  [sha256.Size]byte
	pages   uint32
	fuel    int64 // used
	stack   int64 // left
}

// runProgram calls f of a module once. An uncharged one has no counters.
func runProgram(t *rapid.T, rt wazero.Runtime, bin []byte, args ...uint64) outcome {
	ctx := context.Background()
	mod, err := rt.InstantiateWithConfig(ctx, bin, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatalf("instantiating: %v", err)
	}
	defer mod.Close(ctx)
	var out outcome
	const budget = 1 << 40
	i := instance{t, mod}
	charged := mod.ExportedGlobal(guard.FuelGlobal) != nil
	if charged {
		i.counter(guard.FuelGlobal).Set(budget)
	}
	if out.results, err = mod.ExportedFunction("f").Call(ctx, args...); err != nil {
		out.trap, _, _ = strings.Cut(err.Error(), "\n")
	}
	view, _ := mod.Memory().Read(0, mod.Memory().Size())
	out.memory, out.pages = sha256.Sum256(view), mod.Memory().Size()>>16
	if charged {
		out.fuel, out.stack = budget-i.fuel(), i.stack()
	}
	return out
}

func (o outcome) String() string {
	return fmt.Sprintf("%v %q %x %d", o.results, o.trap, o.memory[:4], o.pages)
}

// A guarded module computes what it computed before, traps where it trapped,
// balances its stack, and uses the same fuel on both engines.
func TestGuardedProgramsComputeTheSame(t *testing.T) {
	compiler, interpreter := runtimeOf(t, false), runtimeOf(t, true)
	trapped, returned := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		in := program(t).Bytes()
		out, info, err := guard.Instrument(in, bare())
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		if again, _, _ := guard.Instrument(bytes.Clone(in), bare()); !bytes.Equal(out, again) || info.Functions != programFuncs {
			t.Fatal("another output for the same input")
		}
		args := []uint64{rapid.Uint64().Draw(t, "a"), math.Float64bits(rapid.Float64().Draw(t, "b"))}
		plain := runProgram(t, compiler, in, args...)
		guarded := runProgram(t, compiler, out, args...)
		slow := runProgram(t, interpreter, out, args...)
		if plain.String() != guarded.String() {
			t.Fatalf("was %v, is %v", plain, guarded)
		}
		if guarded.trap == "" && guarded.stack != 4<<20 {
			t.Fatalf("%d bytes of stack are left", guarded.stack)
		}
		if slow.String() != guarded.String() || slow.fuel != guarded.fuel || slow.stack != guarded.stack {
			t.Fatalf("compiler: %v, %d units, interpreter: %v, %d units", guarded, guarded.fuel, slow, slow.fuel)
		}
		if guarded.trap != "" {
			trapped++
		} else {
			returned++
		}
	})
	t.Logf("%d programs returned, %d trapped", returned, trapped)
	if trapped == 0 || returned == 0 {
		t.Error("the generator makes only one kind of program")
	}
}

// With less than it needs, a program ends by fuel, at the same state of its
// memory on both engines.
func TestProgramsEndAtTheSamePlaceOnBothEngines(t *testing.T) {
	compiler, interpreter := runtimeOf(t, false), runtimeOf(t, true)
	rapid.Check(t, func(t *rapid.T) {
		out, _, err := guard.Instrument(program(t).Bytes(), bare())
		if err != nil {
			t.Fatal(err)
		}
		budget := rapid.Int64Range(0, 3000).Draw(t, "fuel")
		var seen [2]string
		for k, rt := range []wazero.Runtime{compiler, interpreter} {
			ctx := context.Background()
			mod, err := rt.InstantiateWithConfig(ctx, out, wazero.NewModuleConfig().WithName("").WithStartFunctions())
			if err != nil {
				t.Fatal(err)
			}
			i := instance{t, mod}
			i.counter(guard.FuelGlobal).Set(uint64(budget))
			results, err := mod.ExportedFunction("f").Call(ctx, 3, 4)
			trap := ""
			if err != nil {
				trap, _, _ = strings.Cut(err.Error(), "\n")
			}
			view, _ := mod.Memory().Read(0, mod.Memory().Size())
			seen[k] = fmt.Sprint(results, trap, i.fuel(), i.stack(), sha256.Sum256(view))
			_ = mod.Close(ctx)
		}
		if seen[0] != seen[1] {
			t.Fatalf("with %d units:\n%s\n%s", budget, seen[0], seen[1])
		}
	})
}
