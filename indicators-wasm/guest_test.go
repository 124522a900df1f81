package indicators

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// wasiNames are all imports a module may have; the host answers them with
// stubs and refuses any other name.
var wasiNames = []string{
	"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get",
	"fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_dir_name", "fd_prestat_get",
	"fd_write", "poll_oneoff", "proc_exit", "random_get", "sched_yield",
}

// guestVM is one instance of builtin.wasm on plain wazero.
type guestVM struct {
	ctx   context.Context
	mod   api.Module
	calls int // WASI stubs called so far
}

// compiled keeps the native code of the module over all tests: under the race
// detector it takes seconds to make.
var compiled = wazero.NewCompilationCache()

// newGuest compiles and starts the embedded module.
func newGuest(t testing.TB) *guestVM {
	t.Helper()
	g := &guestVM{ctx: t.Context()}
	rt := wazero.NewRuntimeWithConfig(g.ctx, wazero.NewRuntimeConfig().WithCompilationCache(compiled))
	t.Cleanup(func() {
		if err := rt.Close(context.WithoutCancel(g.ctx)); err != nil {
			t.Error(err)
		}
	})
	code, err := rt.CompileModule(g.ctx, Module())
	if err != nil {
		t.Fatal(err)
	}
	if err := g.stubs(rt, code); err != nil {
		t.Fatal(err)
	}
	g.mod, err = rt.InstantiateModule(g.ctx, code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// stubs defines each import of the module: sizes and counts are zero, time
// stands still, files do not exist.
func (g *guestVM) stubs(rt wazero.Runtime, code wazero.CompiledModule) error {
	b := rt.NewHostModuleBuilder("wasi_snapshot_preview1")
	for _, f := range code.ImportedFunctions() {
		_, name, _ := f.Import()
		stub := func(_ context.Context, m api.Module, stack []uint64) {
			g.calls++
			g.answer(m.Memory(), name, stack)
		}
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(stub), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	_, err := b.Instantiate(g.ctx)
	return err
}

// answer is one stub; an unwritable pointer shows as a failing test later.
func (g *guestVM) answer(mem api.Memory, name string, stack []uint64) {
	const badf = 8
	p := make([]uint32, len(stack))
	for i, v := range stack {
		p[i] = uint32(v)
	}
	var errno uint64
	switch name {
	case "args_sizes_get", "environ_sizes_get":
		mem.WriteUint32Le(p[0], 0)
		mem.WriteUint32Le(p[1], 0)
	case "clock_time_get":
		mem.WriteUint64Le(p[2], uint64(g.calls))
	case "random_get":
		for i := range p[1] {
			mem.WriteByte(p[0]+i, 7)
		}
	case "fd_write":
		mem.WriteUint32Le(p[3], 0)
	case "fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_get", "fd_prestat_dir_name":
		errno = badf
	case "proc_exit":
		panic("guest called proc_exit")
	}
	if len(stack) > 0 {
		stack[0] = errno
	}
}

// call runs an export and returns its result, 0 for none.
func (g *guestVM) call(t testing.TB, name string, args ...uint64) uint64 {
	t.Helper()
	res, err := g.mod.ExportedFunction(name).Call(g.ctx, args...)
	if err != nil {
		t.Fatalf("calling %s: %v", name, err)
	}
	if len(res) == 0 {
		return 0
	}
	return res[0]
}

// result runs an export that returns a code.
func (g *guestVM) result(t testing.TB, name string, args ...uint64) int32 {
	t.Helper()
	return int32(uint32(g.call(t, name, args...)))
}

// text runs an export that returns an address and a length.
func (g *guestVM) text(t testing.TB, name string) string {
	t.Helper()
	v := g.call(t, name)
	data, ok := g.mod.Memory().Read(uint32(v>>32), uint32(v))
	if !ok {
		t.Fatalf("%s points outside the memory: %#x", name, v)
	}
	return string(data)
}

// alloc asks for a region and fills it with poison, so that bytes the guest
// forgets to write cannot be zero by luck.
func (g *guestVM) alloc(t testing.TB, n int, poison byte) uint32 {
	t.Helper()
	p := uint32(g.call(t, "kl_alloc", uint64(n)))
	if p == 0 || p%16 != 0 {
		t.Fatalf("kl_alloc(%d) = %#x", n, p)
	}
	g.write(t, p, slices.Repeat([]byte{poison}, n))
	return p
}

func (g *guestVM) write(t testing.TB, p uint32, data []byte) {
	t.Helper()
	if !g.mod.Memory().Write(p, data) {
		t.Fatalf("writing %d bytes at %#x: outside the memory", len(data), p)
	}
}

// read is a copy of n bytes of the guest's memory.
func (g *guestVM) read(t testing.TB, p uint32, n int) []byte {
	t.Helper()
	data, ok := g.mod.Memory().Read(p, uint32(n))
	if !ok {
		t.Fatalf("reading %d bytes at %#x: outside the memory", n, p)
	}
	return slices.Clone(data)
}

// cfgAt puts a configuration and its parameters into the guest.
func (g *guestVM) cfgAt(t testing.TB, cfg Cfg, params []float64) uint32 {
	t.Helper()
	if len(params) > 0 {
		cfg.Params = g.alloc(t, 8*len(params), 0)
		g.write(t, cfg.Params, doubles(params))
	}
	cfg.NParams = uint32(len(params))
	p := g.alloc(t, CfgSize, 0)
	g.write(t, p, unsafe.Slice((*byte)(unsafe.Pointer(&cfg)), CfgSize))
	return p
}

// slot initialises a state in poisoned memory of the guest.
func (g *guestVM) slot(t testing.TB, cfg Cfg, params []float64, poison byte) (at uint32, size int) {
	t.Helper()
	c := g.cfgAt(t, cfg, params)
	n := g.result(t, "kl_state_size", uint64(c))
	if n <= 0 {
		t.Fatalf("kl_state_size(%d, %v) = %d", cfg.Ind, params, n)
	}
	at = g.alloc(t, int(n), poison)
	if rc := g.result(t, "kl_init", uint64(c), uint64(at)); rc != 0 {
		t.Fatalf("kl_init(%d, %v) = %d: %s", cfg.Ind, params, rc, g.text(t, "kl_error"))
	}
	return at, int(n)
}

// barBytes are bars as the ABI lays them out.
func barBytes(bars []Bar) []byte {
	if len(bars) == 0 {
		return nil
	}
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&bars[0])), len(bars)*BarSize))
}

func doubles(v []float64) []byte {
	var data []byte
	for _, x := range v {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
	}
	return data
}

// rowsAt reads n rows of w doubles.
func (g *guestVM) rowsAt(t testing.TB, p uint32, n, w int) [][]float64 {
	t.Helper()
	data := g.read(t, p, 8*n*w)
	rows := make([][]float64, n)
	for i := range rows {
		for range w {
			rows[i] = append(rows[i], math.Float64frombits(binary.LittleEndian.Uint64(data)))
			data = data[8:]
		}
	}
	return rows
}

// jobsAt puts jobs into the guest.
func (g *guestVM) jobsAt(t testing.TB, jobs []Job) uint32 {
	t.Helper()
	data := unsafe.Slice((*byte)(unsafe.Pointer(&jobs[0])), len(jobs)*JobSize)
	p := g.alloc(t, len(data), 0)
	g.write(t, p, data)
	return p
}

// batch runs jobs and returns them as the guest left them.
func (g *guestVM) batch(t testing.TB, jobs []Job) []Job {
	t.Helper()
	p := g.jobsAt(t, jobs)
	if rc := g.result(t, "kl_update_batch", uint64(p), uint64(len(jobs))); rc != 0 {
		t.Fatalf("kl_update_batch = %d", rc)
	}
	done := make([]Job, len(jobs))
	data := unsafe.Slice((*byte)(unsafe.Pointer(&done[0])), len(jobs)*JobSize)
	copy(data, g.read(t, p, len(data)))
	return done
}
