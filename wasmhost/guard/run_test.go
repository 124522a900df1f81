package guard_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// bare are the rules for modules that are no indicators.
func bare() guard.Rules { return guard.Rules{Limits: guard.Untrusted()} }

// kl1 are the rules for uploads.
func kl1() guard.Rules { return guard.Rules{Limits: guard.Untrusted(), Surface: guard.KL1()} }

// function is a module with one exported function f and a memory.
func function(params, results, locals string, code ...[]byte) *badwasm.Module {
	return &badwasm.Module{
		Memory: [2]uint32{1, 0},
		Funcs:  []badwasm.Func{{Export: "f", Params: params, Results: results, Locals: locals, Code: badwasm.Join(code...)}},
	}
}

func pass(t testing.TB, wasm []byte, rules guard.Rules) []byte {
	t.Helper()
	out, _, err := guard.Instrument(wasm, rules)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return out
}

// refuse returns why a module is refused.
func refuse(t testing.TB, wasm []byte, rules guard.Rules) *guard.Finding {
	t.Helper()
	out, _, err := guard.Instrument(wasm, rules)
	var f *guard.Finding
	if !errors.As(err, &f) || out != nil {
		t.Fatalf("passed, with error %v", err)
	}
	return f
}

const features = api.CoreFeaturesV2 &^ api.CoreFeatureReferenceTypes

func runtimeOf(t testing.TB, interpret bool) wazero.Runtime {
	t.Helper()
	cfg := wazero.NewRuntimeConfig()
	if interpret {
		cfg = wazero.NewRuntimeConfigInterpreter()
	}
	rt := wazero.NewRuntimeWithConfig(t.Context(), cfg.WithCoreFeatures(features).WithMemoryLimitPages(1024))
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// instance is a running module with its counters.
type instance struct {
	t   reporter
	mod api.Module
}

// reporter is a test, of this package's or of rapid's kind.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// start passes a module through the guard and runs it.
func start(t testing.TB, wasm []byte) instance {
	t.Helper()
	return instantiate(t, runtimeOf(t, false), pass(t, wasm, bare()))
}

func instantiate(t testing.TB, rt wazero.Runtime, bin []byte) instance {
	t.Helper()
	mod, err := rt.InstantiateWithConfig(t.Context(), bin, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatalf("instantiating: %v", err)
	}
	return instance{t, mod}
}

func (i instance) counter(name string) api.MutableGlobal {
	i.t.Helper()
	g, ok := i.mod.ExportedGlobal(name).(api.MutableGlobal)
	if !ok || g.Type() != api.ValueTypeI64 {
		i.t.Fatalf("%s is %v", name, g)
	}
	return g
}

func (i instance) fuel() int64  { return int64(i.counter(guard.FuelGlobal).Get()) }
func (i instance) stack() int64 { return int64(i.counter(guard.StackGlobal).Get()) }

// call gives fuel, calls f and returns its results and the fuel it used.
func (i instance) call(fuel int64, args ...uint64) (results []uint64, used int64, err error) {
	i.t.Helper()
	i.counter(guard.FuelGlobal).Set(uint64(fuel))
	results, err = i.mod.ExportedFunction("f").Call(context.Background(), args...)
	return results, fuel - i.fuel(), err
}

// must is call for functions that do not trap.
func (i instance) must(fuel int64, args ...uint64) (results []uint64, used int64) {
	i.t.Helper()
	results, used, err := i.call(fuel, args...)
	if err != nil {
		i.t.Fatalf("trapped: %v", err)
	}
	return results, used
}
