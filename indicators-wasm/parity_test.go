package indicators

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

func TestModuleExportsTheWholeABI(t *testing.T) {
	rt := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfig().WithCompilationCache(compiled))
	t.Cleanup(func() { _ = rt.Close(t.Context()) })
	code, err := rt.CompileModule(t.Context(), Module())
	if err != nil {
		t.Fatal(err)
	}
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	want := []struct {
		name    string
		params  []api.ValueType
		results []api.ValueType
	}{
		{"kl_abi", nil, []api.ValueType{i32}},
		{"kl_describe", nil, []api.ValueType{i64}},
		{"kl_alloc", []api.ValueType{i32}, []api.ValueType{i32}},
		{"kl_state_size", []api.ValueType{i32}, []api.ValueType{i32}},
		{"kl_init", []api.ValueType{i32, i32}, []api.ValueType{i32}},
		{"kl_update", []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}},
		{"kl_update_batch", []api.ValueType{i32, i32}, []api.ValueType{i32}},
		{"kl_warmup", []api.ValueType{i32}, []api.ValueType{i32}},
		{"kl_error", nil, []api.ValueType{i64}},
	}
	got := code.ExportedFunctions()
	for _, w := range want {
		f := got[w.name]
		if f == nil {
			t.Errorf("%s is not exported", w.name)
			continue
		}
		if !slices.Equal(f.ParamTypes(), w.params) || !slices.Equal(f.ResultTypes(), w.results) {
			t.Errorf("%s has the signature %v -> %v", w.name, f.ParamTypes(), f.ResultTypes())
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d functions exported, want %d", len(got), len(want))
	}
	if m := code.ExportedMemories(); len(m) != 1 || m["memory"] == nil {
		t.Errorf("exported memories: %v, want memory alone", m)
	}
	for _, f := range code.ImportedFunctions() {
		if mod, name, _ := f.Import(); mod != "wasi_snapshot_preview1" || !slices.Contains(wasiNames, name) {
			t.Errorf("the module imports %s.%s, which the host refuses", mod, name)
		}
	}
}

func TestModuleDescribesItself(t *testing.T) {
	g := newGuest(t)
	if v := g.result(t, "kl_abi"); v != 0x00010000 {
		t.Errorf("kl_abi = %#x", v)
	}
	first := g.call(t, "kl_describe")
	if text := g.text(t, "kl_describe"); text != string(Manifest()) || !json.Valid([]byte(text)) {
		t.Error("kl_describe differs from Manifest")
	}
	if g.call(t, "kl_describe") != first {
		t.Error("kl_describe moved")
	}
}

// parityBars are the bars every comparison of wasm and native runs over.
func parityBars(t *testing.T) map[string][]Bar {
	t.Helper()
	sets := map[string][]Bar{"walk": walk(1, 700), "vectors": vectorBars(t), "extreme": extremeBars()}
	if testing.Short() {
		return sets
	}
	sets["long walk"] = walk(2, 5000)
	return sets
}

// extremeBars are legal and hostile: huge, tiny, equal and jumping values.
func extremeBars() []Bar {
	values := []float64{1e300, 1e-300, 5e-324, 1, 1, 1, 1e9, 1e-8, 0, 0, 123.45}
	bars := walk(3, 300)
	for i := range bars {
		b := &bars[i]
		if i%5 == 0 {
			v := values[(i/5)%len(values)]
			b.Open, b.High, b.Low, b.Close, b.Src = v, v, v/2, v, v
			b.Volume = values[(i/7)%len(values)]
		}
		if i%50 == 49 {
			b.OpenTimeMS = -b.OpenTimeMS
		}
	}
	return bars
}

// TestModuleEqualsNative compares every output bit and every state byte of the
// compiled module with the native package: bar by bar, in one batch, in
// chunks, and beside other series.
func TestModuleEqualsNative(t *testing.T) {
	g := newGuest(t)
	sets := parityBars(t)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		cfg := Cfg{Ind: spec.ID, IntervalMS: 60_000, SessionOffsetMS: 34_200_000}
		for name, bars := range sets {
			native := newInstance(t, spec.ID, params)
			native.cfg = cfg
			if rc := Init(&cfg, params, native.state); rc != 0 {
				t.Fatal(rc)
			}
			want := native.rows(t, bars)
			requireSameRows(t, name+" bar by bar", g.barByBar(t, cfg, params, bars, native.state), want)
			requireSameRows(t, name+" in one batch", g.inChunks(t, cfg, params, bars, len(bars), native.state), want)
			requireSameRows(t, name+" in chunks", g.inChunks(t, cfg, params, bars, 37, native.state), want)
		}
	})
}

// barByBar runs kl_update over single bars and compares the final state.
func (g *guestVM) barByBar(t *testing.T, cfg Cfg, params []float64, bars []Bar, state []byte) [][]float64 {
	t.Helper()
	slot, size := g.slot(t, cfg, params, 0x41)
	w := OutputCount(cfg.Ind)
	at := g.alloc(t, BarSize, 0)
	out := g.alloc(t, 8*w, 0)
	pages := g.mod.Memory().Size()
	stubs := g.calls
	var rows [][]float64
	for i := range bars {
		g.write(t, at, barBytes(bars[i:i+1]))
		if rc := g.result(t, "kl_update", uint64(cfg.Ind), uint64(slot), uint64(at), uint64(out)); rc < 0 {
			t.Fatalf("kl_update = %d: %s", rc, g.text(t, "kl_error"))
		}
		rows = append(rows, g.rowsAt(t, out, 1, w)[0])
	}
	if g.mod.Memory().Size() != pages || g.calls != stubs {
		t.Error("an update grew the memory or called the host")
	}
	if !bytes.Equal(g.read(t, slot, size), state) {
		t.Error("the state differs from the native one after single updates")
	}
	return rows
}

// inChunks runs kl_update_batch over chunks of n bars, each call together with
// a second series of the same bars, and compares both and the final state.
func (g *guestVM) inChunks(t *testing.T, cfg Cfg, params []float64, bars []Bar, n int, state []byte) [][]float64 {
	t.Helper()
	slot, size := g.slot(t, cfg, params, 0x41)
	twin, _ := g.slot(t, cfg, params, 0)
	w := OutputCount(cfg.Ind)
	at := g.alloc(t, n*BarSize, 0)
	out := g.alloc(t, 8*w*n, 0)
	last := g.alloc(t, 8*w, 0)
	var rows [][]float64
	for chunk := range slices.Chunk(bars, n) {
		g.write(t, at, barBytes(chunk))
		job := Job{Ind: cfg.Ind, State: slot, Bars: at, NBars: uint32(len(chunk)), BarStride: BarSize, Out: out, OutStride: uint32(8 * w), RC: 0x7fffffff}
		second := job
		second.State, second.Out, second.OutStride = twin, last, 0
		for _, j := range g.batch(t, []Job{job, second}) {
			if j.RC < 0 || j.RC > 1 || j.NBars != uint32(len(chunk)) {
				t.Fatalf("a job ended with rc %d after %d of %d bars", j.RC, j.NBars, len(chunk))
			}
		}
		rows = append(rows, g.rowsAt(t, out, len(chunk), w)...)
		requireSameRows(t, "row overwritten by every bar", g.rowsAt(t, last, 1, w), rows[len(rows)-1:])
	}
	if !bytes.Equal(g.read(t, slot, size), state) || !bytes.Equal(g.read(t, twin, size), state) {
		t.Error("the state differs from the native one after batches")
	}
	return rows
}

func TestModuleAnswersErrors(t *testing.T) {
	g := newGuest(t)
	cases := []struct {
		name   string
		cfg    Cfg
		params []float64
		code   int32
		text   string
	}{
		{"unknown id", Cfg{Ind: 3}, []float64{20}, ErrUnknown, "no built-in indicator"},
		{"period out of range", Cfg{Ind: SMA}, []float64{0}, ErrParams, "parameter 1 "},
		{"fourth parameter", Cfg{Ind: MACD}, []float64{12, 26, 9, 3}, ErrParams, "parameter 4 "},
		{"no parameters", Cfg{Ind: SMA}, nil, ErrParams, "wrong number"},
		{"one too many", Cfg{Ind: SMA}, []float64{20, 1}, ErrParams, "wrong number"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			at := uint64(g.cfgAt(t, c.cfg, c.params))
			slot := uint64(g.alloc(t, 64, 0))
			for _, f := range []struct {
				name string
				rc   int32
			}{
				{"kl_state_size", g.result(t, "kl_state_size", at)},
				{"kl_init", g.result(t, "kl_init", at, slot)},
				{"kl_warmup", g.result(t, "kl_warmup", at)},
			} {
				if f.rc != c.code {
					t.Errorf("%s = %d, want %d", f.name, f.rc, c.code)
				}
			}
			if text := g.text(t, "kl_error"); !strings.Contains(text, c.text) {
				t.Errorf("kl_error says %q", text)
			}
		})
	}
}

func TestModuleRefusesForeignStateAndBadJobs(t *testing.T) {
	g := newGuest(t)
	slot, _ := g.slot(t, Cfg{Ind: SMA}, []float64{3}, 0x41)
	bar := g.alloc(t, BarSize, 0)
	out := g.alloc(t, 64, 0)
	if rc := g.result(t, "kl_update", uint64(EMA), uint64(slot), uint64(bar), uint64(out)); rc != ErrState {
		t.Errorf("EMA on a state of SMA = %d", rc)
	}
	if rc := g.result(t, "kl_update", 3, uint64(slot), uint64(bar), uint64(out)); rc != ErrUnknown {
		t.Errorf("an unknown indicator = %d", rc)
	}
	job := Job{Ind: SMA, State: slot, Bars: bar, NBars: 1, BarStride: BarSize, Out: out, OutStride: 8}
	foreign, narrow := job, job
	foreign.Ind = EMA
	narrow.BarStride = 64
	done := g.batch(t, []Job{foreign, narrow, job})
	if done[0].RC != ErrState || done[0].NBars != 0 {
		t.Errorf("job on a foreign state: rc %d after %d bars", done[0].RC, done[0].NBars)
	}
	if done[1].RC != ErrInput || done[1].NBars != 0 {
		t.Errorf("job with a short stride: rc %d after %d bars", done[1].RC, done[1].NBars)
	}
	if done[2].RC != Warming || done[2].NBars != 1 {
		t.Errorf("job after failed ones: rc %d after %d bars", done[2].RC, done[2].NBars)
	}
}

func TestModuleAllocatesAlignedDisjointRegions(t *testing.T) {
	g := newGuest(t)
	type region struct{ from, to uint64 }
	var seen []region
	for _, n := range []uint64{0, 1, 31, 33, 47, 4097, 1 << 20, 16} {
		p := g.call(t, "kl_alloc", n)
		if p == 0 || p%16 != 0 {
			t.Errorf("kl_alloc(%d) = %#x", n, p)
		}
		for _, r := range seen {
			if p < r.to && r.from < p+max(n, 1) {
				t.Errorf("kl_alloc(%d) = %#x overlaps %#x..%#x", n, p, r.from, r.to)
			}
		}
		seen = append(seen, region{p, p + max(n, 1)})
	}
	for _, n := range []uint64{16<<20 + 1, 1 << 31, 1<<32 - 1} {
		if p := g.call(t, "kl_alloc", n); p != 0 {
			t.Errorf("kl_alloc(%d) = %#x, want 0", n, p)
		}
	}
}

func TestModuleInitWritesEveryByte(t *testing.T) {
	g := newGuest(t)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		a, size := g.slot(t, Cfg{Ind: spec.ID}, params, 0x00)
		b, _ := g.slot(t, Cfg{Ind: spec.ID}, params, 0x41)
		if !bytes.Equal(g.read(t, a, size), g.read(t, b, size)) {
			t.Error("the state after kl_init depends on what was in memory before")
		}
	})
}
