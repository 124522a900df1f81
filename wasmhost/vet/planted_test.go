package vet

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// planted is a module with one bug and the finding that names it.
type planted struct {
	name   string
	change func(*Module)
	check  string
	code   Code
	warns  bool
	stage  Stage
	only   string // the CPU on which it shows, and there without the race detector
}

// value gives a constant out.
func value(v float64, rc int32) []byte {
	return Join(Get(3), F64(v), Store(0x39, 0), I32(rc))
}

// addToSum adds the f64 that code leaves to the state, so that it shows in
// every later value.
func addToSum(code ...[]byte) []byte {
	return Join(Get(1), Get(1), Load(0x2b, 0), Join(code...), Op(0xa0), Store(0x39, 0))
}

// volumeIs0 compares the volume of the bar with 0.
func volumeIs0() []byte { return Join(Get(2), Load(0x2b, barVolume), F64(0), Op(0x61)) }

func plantedState() []planted {
	count := Join(GlobalGet(1), F64(1), Op(0xa0), GlobalSet(1))
	return []planted{
		{name: "a byte of the state is not initialised", change: instead("kl_init", Checked(), Get(1), F64(0), Store(0x39, 0), Get(1), I32(0), Store(0x36, 8), I32(0)), check: "V4", code: CodeUnwritten},
		{name: "no byte of the state is initialised", change: instead("kl_init", I32(0)), check: "V4", code: CodeUnwritten},
		{name: "the value depends on the address", change: first("kl_update", addToSum(Get(1), Op(0xb8))), check: "V5", code: CodeRepeat},
		{name: "a pointer in the state", change: first("kl_update", Get(1), Get(1), Store(0x36, 8)), check: "V6", code: CodeMoved},
		{name: "a sum in a global", change: global('d', F64(0), count, Get(3), GlobalGet(1), Store(0x39, 0), I32(1), Op(Return)), check: "V7", code: CodeShared},
		{name: "a count of calls in the state", change: global('d', F64(0), count, Get(1), GlobalGet(1), Store(0x39, 8)), check: "V7", code: CodeShared},
		{name: "previews are counted", change: global('d', F64(0), Get(2), Load(0x28, barFlags), I32(1), Op(0x71, 0x45), If(count), addToSum(GlobalGet(1))), check: "V8", code: CodePreview},
		{name: "kl_init leaves something in a global", change: func(m *Module) {
			global('i', I32(0), GlobalGet(1), Op(0x45), If(addToSum(F64(1))))(m)
			first("kl_init", I32(1), GlobalSet(1))(m)
		}, check: "V9", code: CodeRestored},
		{name: "a byte behind the state", change: first("kl_update", Get(1), I32(1), Store(0x3a, 16)), check: "V10", code: CodeOutside},
		{name: "a byte before the state", change: first("kl_update", Get(1), I32(1), Op(0x6b), I32(1), Store(0x3a, 0)), check: "V10", code: CodeOutside},
		{name: "a byte far behind the state", change: first("kl_update", Get(1), I32(1), Store(0x3a, 4096)), check: "V10", code: CodeOutside},
		{name: "kl_init writes behind the state", change: first("kl_init", Get(1), I32(1), Store(0x3a, 17)), check: "V10", code: CodeOutside},
		{name: "a number behind the row", change: first("kl_update", Get(3), F64(7), Store(0x39, 8)), check: "V10", code: CodeRow},
		{name: "writes to the bar", change: first("kl_update", Get(2), F64(7), Store(0x39, 32)), check: "V10", code: CodeInput},
		{name: "writes to the configuration", change: first("kl_update", Get(2), I32(960), Op(0x6b), I32(9), Store(0x36, 0)), check: "V10", code: CodeInput},
		{name: "writes to its job", change: first("kl_update_batch", Get(0), I32(9), Store(0x36, 0)), check: "V10", code: CodeInput},
	}
}

func plantedParameters() []planted {
	return []planted{
		{name: "a state of no bytes", change: instead("kl_state_size", Checked(), I32(0)), check: "V2", code: CodeStateSize},
		{name: "a state of 64 KiB and a byte", change: instead("kl_state_size", Checked(), I32(65_537)), check: "V2", code: CodeStateSize},
		{name: "a state too long at the maximum", change: instead("kl_state_size", Checked(), Parameter(), F64(1000), Op(0xa2, 0xaa)), check: "V2", code: CodeStateSize},
		{name: "a state that grows", change: func(m *Module) {
			m.Globals = append(m.Globals, Global{Type: 'i', Mutable: true, Init: I32(16)})
			m.Func("kl_state_size").Code = Join(Checked(), GlobalGet(1), I32(16), Op(0x6a), GlobalSet(1), GlobalGet(1))
		}, check: "V2", code: CodeStateSize},
		{name: "refuses its defaults", change: instead("kl_state_size", I32(-2)), check: "V2", code: CodeRefused},
		{name: "refuses its maximum", change: first("kl_state_size", Parameter(), F64(100), Op(0x61), If(I32(-2), Op(Return))), check: "V2", code: CodeRefused, warns: true},
		{name: "a warm-up that fails", change: func(m *Module) {
			m.Funcs = append(m.Funcs, Func{Export: "kl_warmup", Params: "i", Results: "i", Code: I32(-5)})
		}, check: "V2", code: CodeWarmupSize},
		{name: "traps on NaN", change: first("kl_state_size", Parameter(), Op(0xaa, Drop)), check: "V3", code: CodeTrap},
		{name: "accepts NaN", change: instead("kl_state_size", Get(0), Load(0x28, 0), If(I32(-1), Op(Return)), Get(0), Load(0x28, 4), I32(1), Op(0x47), If(I32(-2), Op(Return)),
			Parameter(), F64(1), Op(0x63), If(I32(-2), Op(Return)), Parameter(), F64(100), Op(0x64), If(I32(-2), Op(Return)), I32(16)), check: "V3", code: CodeAccepted},
		{name: "an error text outside of the memory", change: func(m *Module) {
			m.Funcs = append(m.Funcs, Func{Export: "kl_error", Results: "l", Code: I64(1<<62 | 16)})
		}, check: "V3", code: CodeErrorText},
		{name: "a warm-up that traps on NaN", change: func(m *Module) {
			m.Funcs = append(m.Funcs, Func{Export: "kl_warmup", Params: "i", Results: "i", Code: Join(Parameter(), Op(0xaa))})
		}, check: "V3", code: CodeTrap},
		{name: "accepts any indicator", change: instead("kl_state_size", I32(16)), check: "V3", code: CodeAccepted},
		{name: "kl_init refuses what kl_state_size accepts", change: instead("kl_init", I32(-100)), check: "V4", code: CodeInit},
		{name: "kl_init returns 1", change: instead("kl_init", I32(1)), check: "V4", code: CodeResult},
	}
}

func plantedCalls() []planted {
	counting := Join(GlobalGet(1), I32(1), Op(0x6a), GlobalSet(1), GlobalGet(1), Set(4), Loop(Get(4), I32(1), Op(0x6b), Tee(4), I32(0), Op(0x4a), BrIf(0)))
	return []planted{
		{name: "a batch that does nothing", change: instead("kl_update_batch", I32(0)), check: "V11", code: CodeBatchRC},
		{name: "a batch that returns 1", change: instead("kl_update_batch", I32(1)), check: "V11", code: CodeBatchRC},
		{name: "a batch that adds", change: first("kl_update_batch", Get(0), Load(0x28, 4), Get(0), Load(0x28, 4), Load(0x2b, 0), F64(1), Op(0xa0), Store(0x39, 0)), check: "V11", code: CodeBatch},
		{name: "a batch with fixed bars", change: func(m *Module) {
			f := m.Func("kl_update_batch")
			f.Code = replaced(f.Code, Load(0x28, 16), Join(Op(Drop), I32(80)))
		}, check: "V11", code: CodeBatch},
		{name: "a batch with fixed rows", change: func(m *Module) {
			f := m.Func("kl_update_batch")
			f.Code = replaced(f.Code, Load(0x28, 24), Join(Op(Drop), I32(8)))
		}, check: "V11", code: CodeBatch},
		{name: "a batch that takes an out_stride of 0 for the length of a row", change: func(m *Module) {
			f := m.Func("kl_update_batch")
			f.Code = replaced(f.Code, Load(0x28, 24), Join(Load(0x28, 24), Tee(4), Get(4), Op(0x45), I32(3), Op(0x74, 0x6a)))
		}, check: "V11", code: CodeBatch},
		{name: "a batch that writes behind the one row of many bars", change: first("kl_update_batch",
			Get(0), Load(0x28, 24), Op(0x45), Get(0), Load(0x28, 12), I32(1), Op(0x4b, 0x71), If(Get(0), Load(0x28, 20), F64(7), Store(0x39, 8))), check: "V10", code: CodeRow},
		// Which of two NaN an addition keeps is up to the engine; a module may not look.
		{name: "looks at the bits of NaN", change: first("kl_update", addToSum(
			I64(0x7ff8000000000001), Op(0xbf), I64(0x7ff8000000000002), Op(0xbf, 0xa0, 0xbd), I64(15), Op(0x83, 0xb9))), check: "V12", code: CodeEngines, only: "amd64"},
		{name: "grows in an update", change: first("kl_update", I32(1), Op(0x40, 0, Drop)), check: "V13", code: CodeGrew},
		{name: "grows in a batch", change: first("kl_update_batch", I32(1), Op(0x40, 0, Drop)), check: "V13", code: CodeGrew},
		{name: "asks the system in an update", change: func(m *Module) {
			m.Imports = append(m.Imports, Import{Module: SystemModule, Name: "sched_yield", Results: "i"})
			f := m.Func("kl_update_batch")
			f.Code = replaced(f.Code, Call(m.Index("kl_update")-1), Call(m.Index("kl_update")))
			first("kl_update", Call(0), Op(Drop))(m)
		}, check: "V13", code: CodeSystem},
		{name: "slower with every bar", change: func(m *Module) {
			global('i', I32(0), counting)(m)
			m.Func("kl_update").Locals = "i"
		}, check: "V14", code: CodeDrift},
		{name: "never ends", change: first("kl_update", Forever()), check: "V14", code: CodeFuel},
		{name: "never ends at the maximum", change: func(m *Module) {
			instead("kl_init", Checked(), Get(1), F64(0), Store(0x39, 0), Get(1), Parameter(), Store(0x39, 8), I32(0))(m)
			first("kl_update", Get(1), Load(0x2b, 8), F64(100), Op(0x61), If(Forever()))(m)
		}, check: "V14", code: CodeFuel},
		{name: "traps on an empty bar", change: first("kl_update", volumeIs0(), If(Op(Unreachable))), check: "V15", code: CodeTrap},
		{name: "traps on a huge price", change: first("kl_update", Get(2), Load(0x2b, barClose), F64(1e200), Op(0x64), If(Op(Unreachable))), check: "V15", code: CodeTrap},
		{name: "gives up on a huge price", change: first("kl_update", Get(2), Load(0x2b, barClose), F64(1e200), Op(0x64), If(I32(-4), Op(Return))), check: "V15", code: CodeUpdate, warns: true},
		{name: "a result of 2", change: instead("kl_update", I32(2)), check: "V15", code: CodeResult},
		{name: "an error for an ordinary bar", change: instead("kl_update", I32(-100)), check: "V15", code: CodeUpdate},
		{name: "regions that are not aligned", change: instead("kl_alloc", GlobalGet(0), Tee(1), Get(0), Op(0x6a), GlobalSet(0), Get(1)), check: "V16", code: CodeAlloc},
		{name: "the same region again", change: instead("kl_alloc", I32(2<<16)), check: "V16", code: CodeAlloc},
		{name: "a region behind the memory", change: instead("kl_alloc", I32(1<<30)), check: "V16", code: CodeAlloc},
		{name: "no memory after a MiB", change: first("kl_alloc", GlobalGet(0), I32(1<<21), Op(0x4b), If(I32(0), Op(Return))), check: "V16", code: CodeNoMemory},
		{name: "traps for no bytes", change: first("kl_alloc", Get(0), Op(0x45), If(Op(Unreachable))), check: "V16", code: CodeTrap},
	}
}

func plantedValues() []planted {
	return []planted{
		{name: "NaN when ready", change: instead("kl_update", value(math.NaN(), 1)), check: "V17", code: CodeNaN, warns: true},
		{name: "infinite", change: instead("kl_update", value(math.Inf(-1), 1)), check: "V17", code: CodeInfinite, warns: true},
		{name: "minus zero", change: instead("kl_update", value(math.Copysign(0, -1), 1)), check: "V17", code: CodeNegZero, warns: true},
		{name: "warms up again", change: first("kl_update", volumeIs0(), If(I32(0), Op(Return))), check: "V17", code: CodeUnready, warns: true},
		{name: "a warm-up that is too short", change: func(m *Module) {
			m.Funcs = append(m.Funcs, Func{Export: "kl_warmup", Params: "i", Results: "i", Code: I32(50)})
		}, check: "V18", code: CodeWarmup, warns: true},
	}
}

func plantedStart() []planted {
	return []planted{
		{name: "nothing in it", change: func(m *Module) { m.Order = []byte{99} }, code: "export_missing", stage: StageGuard},
		{name: "imports a file", change: func(m *Module) {
			m.Imports = append(m.Imports, Import{Module: SystemModule, Name: "path_open", Results: "i"})
		}, code: "import_not_allowed", stage: StageGuard},
		{name: "a start section that traps", change: func(m *Module) {
			m.Funcs = append(m.Funcs, Func{Code: Op(Unreachable)})
			m.Start = len(m.Funcs)
		}, check: "V1", code: CodeStart, stage: StageInstantiate},
		{name: "an _initialize that traps", change: first("_initialize", Op(Unreachable)), check: "V1", code: CodeTrap, stage: StageInstantiate},
		{name: "an _initialize without end", change: first("_initialize", Forever()), check: "V1", code: CodeFuel, stage: StageInstantiate},
		{name: "ABI 2", change: instead("kl_abi", I32(0x20000)), check: "V1", code: CodeABI, stage: StageManifest},
		{name: "a manifest outside of the memory", change: instead("kl_describe", I64(1<<62|16)), check: "V1", code: CodeDescribe, stage: StageManifest},
		{name: "a manifest of 17 KiB", change: instead("kl_describe", I64(1024<<32|17<<10)), check: "V1", code: CodeDescribe, stage: StageManifest},
		{name: "a manifest with an unknown key", change: func(m *Module) { m.Describe(ConformingManifest(`"colour":"red",`)) }, check: "V1", code: CodeManifest, stage: StageManifest},
		{name: "the name of the program's own module", change: func(m *Module) {
			m.Describe(strings.Replace(ConformingManifest(""), `"name":"fixture"`, `"name":"builtin"`, 1))
		}, check: "V1", code: CodeReserved, stage: StageManifest},
		{name: "a manifest that moves", change: func(m *Module) {
			m.Globals = append(m.Globals, Global{Type: 'i', Mutable: true, Init: I32(0)})
			doc := ConformingManifest("")
			m.Data = append(m.Data, Data{At: 8192, Bytes: []byte(doc)})
			m.Func("kl_describe").Code = Join(GlobalGet(1), Op(0x45), I32(1), GlobalSet(1), Op(0x04, 0x7e), I64(1024<<32|int64(len(doc))), Op(0x05), I64(8192<<32|int64(len(doc))), Op(End))
		}, check: "V1", code: CodeUnstable, stage: StageManifest},
	}
}

// replaced replaces a part of code, which must be there.
func replaced(code, old, with []byte) []byte {
	for i := range code {
		if len(code)-i >= len(old) && string(code[i:i+len(old)]) == string(old) {
			return Join(code[:i], with, replacedRest(code[i+len(old):], old, with))
		}
	}
	panic("the code has no such part")
}

func replacedRest(code, old, with []byte) []byte {
	for i := range code {
		if len(code)-i >= len(old) && string(code[i:i+len(old)]) == string(old) {
			return Join(code[:i], with, replacedRest(code[i+len(old):], old, with))
		}
	}
	return code
}

func TestAModuleThatKeepsTheRulesHasNoFindings(t *testing.T) {
	r := run(t, fixture(nil), Options{})
	if len(r.Findings) > 0 || !r.OK() {
		t.Errorf("findings:%s", list(r))
	}
	if r.Name != "fixture" || r.Version != "1.0.0" || len(r.Indicators) != 1 || len(r.SHA256) != 64 {
		t.Errorf("report: %+v", r)
	}
	i := r.Indicators[0]
	if i.Name != "total" || i.StateBytes != 16 || i.StateBytesMax != 16 || i.FuelMean < 20 || i.FuelMax < i.FuelMean || i.FuelMax > 500 {
		t.Errorf("figures: %+v", i)
	}
	if i.NSSingle <= 0 || i.NSBatch <= 0 || i.NSBackfill <= 0 || r.CompileMS <= 0 {
		t.Errorf("times: %+v, compile %v", i, r.CompileMS)
	}
}

// Every bug is found by the check that is named after it.
func TestPlantedBugsAreFound(t *testing.T) {
	var all []planted
	for _, part := range [][]planted{plantedStart(), plantedParameters(), plantedState(), plantedCalls(), plantedValues()} {
		all = append(all, part...)
	}
	for _, p := range all {
		if p.only != "" && (p.only != runtime.GOARCH || stride > 1) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			r := run(t, fixture(p.change), Options{Timeout: time.Hour}) // a busy machine must not end it first
			sev := Error
			if p.warns {
				sev = Warning
			}
			if !has(r, p.check, p.code, sev) {
				t.Errorf("no %s %s %s:%s", sev, p.check, p.code, list(r))
			}
			if r.OK() != p.warns {
				t.Errorf("OK is %v:%s", r.OK(), list(r))
			}
			if p.stage != "" && (len(r.Findings) != 1 || r.Findings[0].Stage != p.stage) {
				t.Errorf("not one finding of stage %s: %+v", p.stage, r.Findings)
			}
		})
	}
}
