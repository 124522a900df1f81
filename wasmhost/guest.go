package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// slabSize is the unit of memory that a guest is asked for.
const slabSize = 1 << 20

// guest is one instantiation of a module with its linear memory. It belongs to
// the goroutine of one shard: two goroutines in one instance end the process.
type guest struct {
	module  *Module
	account *account
	mod     api.Module
	mem     api.Memory
	view    []byte // the whole memory; taken again after every call that grew it
	limit   uint64 // bytes the memory can grow to
	ctx     context.Context
	console *console
	meter   meter

	update api.Function
	batch  api.Function // nil: the module has none
	single bool         // no call has more than one job
	others map[string]api.Function
	stack  [4]uint64

	regions []region
	slabs   []*slab
	io      ioSlab
	stage   stage
	count   counters
	used    int64 // units of fuel since the instance began
	full    bool  // refused a slab; another instance serves new series
	broken  error // why the instance must be replaced before its next call
}

// region is memory obtained from the guest.
type region struct{ from, to uint64 }

// trapError is the end of a guest call by a trap. The instance is undefined
// afterwards, except that its memory can be read.
type trapError struct {
	fault Fault
	text  string
}

func (e *trapError) Error() string { return e.text }

// newGuest instantiates a module, initialises it and takes the I/O slab.
func newGuest(h *Host, m *Module) (*guest, error) {
	def := m.compiled.ExportedMemories()["memory"]
	limit := uint64(m.memory)
	if pages, ok := def.Max(); ok {
		limit = min(limit, uint64(pages)*pageSize)
	}
	if !m.account.room(int64(def.Min())*pageSize + 2*slabSize) {
		return nil, fmt.Errorf("starting an instance: %w", ErrMemory)
	}
	mem, err := newLinearMemory(m.account, int64(def.Min())*pageSize, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("starting an instance: %w", err)
	}
	g := &guest{module: m, account: m.account, limit: limit, console: new(console), others: map[string]api.Function{}}
	g.ctx = &guestContext{context.Background(), g.console}
	// No start functions: _initialize is a call like any other, with the same
	// handling of traps. The empty name lets a module have many instances.
	g.mod, err = h.engine.runtime.InstantiateModule(withMemory(g.ctx, mem), m.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		mem.Free()
		return nil, fmt.Errorf("starting an instance: %w", firstLine(err))
	}
	if err := g.begin(); err != nil {
		g.close()
		return nil, fmt.Errorf("starting an instance: %w", err)
	}
	return g, nil
}

func (g *guest) begin() error {
	var err error
	if g.meter, err = meterOf(g.mod); err != nil {
		return err
	}
	g.console.meter = g.meter
	g.mem = g.mod.Memory()
	g.refresh()
	if g.mod.ExportedFunction("_initialize") != nil {
		if _, err := g.call("_initialize"); err != nil {
			return fmt.Errorf("calling _initialize: %w", err)
		}
	}
	version, err := g.call("kl_abi")
	if err != nil {
		return fmt.Errorf("calling kl_abi: %w", err)
	}
	if err := checkABI(uint32(version)); err != nil {
		return err
	}
	// Looking up a function makes a call engine of 10 KiB: once per instance.
	g.update = g.mod.ExportedFunction("kl_update")
	g.batch = g.mod.ExportedFunction("kl_update_batch")
	g.single = g.batch == nil || g.module.budget.jobs == 1
	base, err := g.allocate(slabSize)
	if err != nil {
		return fmt.Errorf("taking memory for bars: %w", err)
	}
	g.io = newIOSlab(base)
	g.count = counters{}
	return nil
}

func (g *guest) close() {
	// The error is about closing files, of which a guest has none.
	_ = g.mod.Close(context.Background())
}

// refresh takes a new view after the memory grew. A write through an old view
// could be lost.
func (g *guest) refresh() {
	if n := g.mem.Size(); int(n) != len(g.view) {
		g.view, _ = g.mem.Read(0, n)
		g.count.growths++
	}
}

// has tells whether the module exports the function.
func (g *guest) has(name string) bool { return g.function(name) != nil }

func (g *guest) function(name string) api.Function {
	f, ok := g.others[name]
	if !ok {
		f = g.mod.ExportedFunction(name)
		g.others[name] = f
	}
	return f
}

// call runs a function of the set-up path and returns its result. Growing
// memory and calling system functions is allowed there, and not counted.
func (g *guest) call(name string, args ...uint64) (uint64, error) {
	copy(g.stack[:], args)
	before := g.count
	err := g.run(g.function(name), fuelOf(name))
	g.count.growths, g.count.stubCalls, g.count.fuel = before.growths, before.stubCalls, before.fuel
	if err != nil {
		return 0, err
	}
	return g.stack[0], nil
}

// run calls f with the arguments in g.stack and a budget of fuel. An error is
// always a *trapError, and the instance must not be called again.
func (g *guest) run(f api.Function, budget int64) error {
	if g.broken != nil {
		return g.gone()
	}
	before := g.console.calls
	g.console.text = g.console.text[:0] // what an earlier call printed is not why this one ends
	g.meter.fill(budget)
	err := f.CallWithStack(g.ctx, g.stack[:])
	g.count.stubCalls += g.console.calls - before
	used := budget - g.meter.left()
	g.used += used
	g.count.fuel += uint64(used)
	g.refresh()
	if err == nil {
		return nil
	}
	trap := g.meter.explain(err, budget, g.console.take())
	g.count.trapped(trap.fault)
	g.broken = trap
	return trap
}

// runUpdate is run for an update. What an upload does there to the world outside
// of its slots ends the instance: clocks that count calls, and memory that
// earlier calls have filled, would make a value depend on which other series the
// node computes. The modules of this program are only counted, since their
// values stand in the log.
func (g *guest) runUpdate(f api.Function, budget int64) error {
	calls, size := g.console.calls, len(g.view)
	if err := g.run(f, budget); err != nil || !g.module.budget.strict {
		return err
	}
	var trap *trapError
	switch {
	case g.console.calls != calls:
		trap = &trapError{FaultSystem, "system call: the update calls " + g.console.last}
	case len(g.view) > size:
		trap = &trapError{FaultGrowth, fmt.Sprintf("memory growth: the update makes the memory grow from %d to %d bytes", size, len(g.view))}
	default:
		return nil
	}
	g.count.trapped(trap.fault)
	g.broken = trap
	return trap
}

// gone is the error of a call to an instance that has trapped before.
func (g *guest) gone() *trapError { return &trapError{FaultTrap, g.broken.Error()} }

// allocate asks the guest for n bytes and does not believe the answer.
func (g *guest) allocate(n uint32) (uint32, error) {
	got, err := g.call("kl_alloc", uint64(n))
	if err != nil {
		return 0, fmt.Errorf("calling kl_alloc: %w", err)
	}
	r := region{from: uint64(uint32(got)), to: uint64(uint32(got)) + uint64(n)}
	switch {
	case r.from == 0:
		return 0, errors.New("kl_alloc has no memory")
	case r.from%16 != 0:
		return 0, fmt.Errorf("kl_alloc returned %#x, which is not a multiple of 16", r.from)
	case r.to > uint64(len(g.view)):
		return 0, fmt.Errorf("kl_alloc returned %#x: %d bytes from there end behind the memory of %d bytes", r.from, n, len(g.view))
	}
	for _, o := range g.regions {
		if r.from < o.to && o.from < r.to {
			return 0, fmt.Errorf("kl_alloc returned %#x, which overlaps an earlier region at %#x", r.from, o.from)
		}
	}
	g.regions = append(g.regions, r)
	return uint32(r.from), nil
}

// canGrow tells whether another slab may be asked for. Guests of some
// languages trap when memory is out, and a trap costs the instance; so nobody
// asks for the last MiB.
func (g *guest) canGrow() bool {
	return uint64(g.mem.Size())+2*slabSize <= g.limit && g.account.room(2*slabSize)
}

// text calls a function that returns a pointer and a length, and copies the
// text.
func (g *guest) text(name string, limit uint32) ([]byte, error) {
	packed, err := g.call(name)
	if err != nil {
		return nil, fmt.Errorf("calling %s: %w", name, err)
	}
	ptr, n := packed>>32, packed&math.MaxUint32
	switch {
	case n > uint64(limit):
		return nil, fmt.Errorf("%s returned %d bytes, allowed are %d", name, n, limit)
	case ptr == 0 || ptr+n > uint64(len(g.view)):
		return nil, fmt.Errorf("%s returned %d bytes at %#x, outside of the memory of %d bytes", name, n, ptr, len(g.view))
	}
	return append([]byte(nil), g.view[ptr:ptr+n]...), nil
}

// explain returns the module's words about the last result below 0, ready to
// stand in an error.
func (g *guest) explain(code int32) string {
	const maxErrorText = 512
	said := fmt.Sprintf("code %d", code)
	if g.broken != nil || !g.has("kl_error") {
		return said
	}
	if t, err := g.text("kl_error", maxErrorText); err == nil && len(t) > 0 {
		said += ": " + strings.Trim(fmt.Sprintf("%q", t), `"`)
	}
	return said
}

// firstLine cuts the stack trace off an error of the runtime.
func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	const limit = 200
	if len(line) > limit {
		line = line[:limit]
	}
	return errors.New(line)
}
