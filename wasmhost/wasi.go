package wasmhost

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

const (
	wasiModule = "wasi_snapshot_preview1"

	// guestEnviron is the whole environment. A conforming guest allocates
	// nothing while it updates; a collector would only take time in kl_alloc.
	guestEnviron = "GOGC=off\x00"

	errnoBadf  = 8
	errnoFault = 21
	errnoInval = 28

	maxRandom     = 4096
	maxVectors    = 64
	maxWriteBytes = 64 << 10
	maxConsole    = 4 << 10
)

// console is the outside world of one guest: a clock that counts calls, and
// the first bytes of what it printed. It belongs to the shard of the guest.
type console struct {
	meter meter // of the guest; stubs pay from it
	clock uint64
	calls uint64
	last  string // name of the stub that was called last
	text  []byte
}

type consoleKey struct{}

// guestContext gives the stubs the console of the guest that calls them. The
// runtime asks the context of every call for keys of its own; this one says no
// without a walk to its parents.
type guestContext struct {
	context.Context
	console *console
}

// Value knows the console and nothing else.
func (c *guestContext) Value(key any) any {
	if _, ok := key.(consoleKey); ok {
		return c.console
	}
	return nil
}

// take returns what was printed since the last take.
func (c *console) take() string {
	s := string(c.text)
	c.text = c.text[:0]
	return s
}

// stub is one function of the system interface. It sees the arguments in s
// and returns an errno.
type stub struct {
	name   string
	params []api.ValueType
	fn     func(c *console, mem api.Memory, s []uint64) uint64
}

// stubs is the complete surface that a module may import, as the guard knows
// it. Nothing in it leads out of the guest: no files, no sockets, no time, no
// entropy. Each stub pays for the bytes it touches where a guest chooses how
// many.
func stubs() []stub {
	return []stub{
		{"args_sizes_get", i32s(2), twoWords(0, 0)},
		{"args_get", i32s(2), answer(0)},
		{"environ_sizes_get", i32s(2), twoWords(1, uint32(len(guestEnviron)))},
		{"environ_get", i32s(2), environGet},
		{"clock_time_get", []api.ValueType{api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeI32}, clockTimeGet},
		{"random_get", i32s(2), randomGet},
		{"poll_oneoff", i32s(4), pollOneoff},
		{"sched_yield", nil, answer(0)},
		{"fd_write", i32s(4), fdWrite},
		{"fd_close", i32s(1), answer(errnoBadf)},
		{"fd_fdstat_get", i32s(2), answer(errnoBadf)},
		{"fd_fdstat_set_flags", i32s(2), answer(errnoBadf)},
		{"fd_prestat_get", i32s(2), answer(errnoBadf)},
		{"fd_prestat_dir_name", i32s(3), answer(errnoBadf)},
		{"proc_exit", i32s(1), procExit},
	}
}

func instantiateWASI(ctx context.Context, rt wazero.Runtime) error {
	b := rt.NewHostModuleBuilder(wasiModule)
	for _, s := range stubs() {
		results := i32s(1)
		if s.name == "proc_exit" {
			results = nil
		}
		b.NewFunctionBuilder().WithGoModuleFunction(s.function(), s.params, results).Export(s.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func (s stub) function() api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		c, ok := ctx.Value(consoleKey{}).(*console)
		if !ok {
			// A start section runs before the host has a console to give.
			c = new(console)
		}
		if c.meter.fuel == nil {
			var err error
			if c.meter, err = meterOf(m); err != nil {
				panic(err)
			}
		}
		c.calls++
		c.last = s.name
		c.meter.take(fuelStub)
		errno := s.fn(c, m.Memory(), stack)
		if len(stack) > 0 {
			stack[0] = errno
		}
	}
}

func i32s(n int) []api.ValueType {
	return slices.Repeat([]api.ValueType{api.ValueTypeI32}, n)
}

func answer(errno uint64) func(*console, api.Memory, []uint64) uint64 {
	return func(*console, api.Memory, []uint64) uint64 { return errno }
}

// errnoOf is 0 or, when a pointer of the guest was out of bounds, EFAULT.
func errnoOf(ok bool) uint64 {
	if ok {
		return 0
	}
	return errnoFault
}

func twoWords(a, b uint32) func(*console, api.Memory, []uint64) uint64 {
	return func(_ *console, mem api.Memory, s []uint64) uint64 {
		return errnoOf(mem.WriteUint32Le(uint32(s[0]), a) && mem.WriteUint32Le(uint32(s[1]), b))
	}
}

func environGet(_ *console, mem api.Memory, s []uint64) uint64 {
	return errnoOf(mem.WriteUint32Le(uint32(s[0]), uint32(s[1])) && mem.WriteString(uint32(s[1]), guestEnviron))
}

func clockTimeGet(c *console, mem api.Memory, s []uint64) uint64 {
	c.clock++
	return errnoOf(mem.WriteUint64Le(uint32(s[2]), c.clock))
}

func randomGet(c *console, mem api.Memory, s []uint64) uint64 {
	if uint32(s[1]) > maxRandom {
		return errnoInval
	}
	c.meter.take(int64(uint32(s[1])) * fuelStubByte)
	view, ok := mem.Read(uint32(s[0]), uint32(s[1]))
	for i := range view {
		view[i] = byte(i*151 + 89)
	}
	return errnoOf(ok)
}

// pollOneoff succeeds: on an error the Go runtime dies inside its own panic
// printer, and the message that tells why is lost.
func pollOneoff(c *console, mem api.Memory, s []uint64) uint64 {
	c.clock += 1000
	return errnoOf(mem.WriteUint32Le(uint32(s[3]), uint32(s[2])))
}

func fdWrite(c *console, mem api.Memory, s []uint64) uint64 {
	count := uint32(s[2])
	if count > maxVectors {
		return errnoInval
	}
	vectors, ok := mem.Read(uint32(s[1]), count*8)
	if !ok {
		return errnoFault
	}
	var total uint64
	for i := range count {
		total += uint64(binary.LittleEndian.Uint32(vectors[i*8+4:]))
	}
	if total > maxWriteBytes {
		return errnoInval
	}
	c.meter.take(int64(total) * fuelStubByte)
	for i := range count {
		text, ok := mem.Read(binary.LittleEndian.Uint32(vectors[i*8:]), binary.LittleEndian.Uint32(vectors[i*8+4:]))
		if !ok {
			return errnoFault
		}
		c.text = append(c.text, text[:min(len(text), maxConsole-len(c.text))]...)
	}
	return errnoOf(mem.WriteUint32Le(uint32(s[3]), uint32(total)))
}

func procExit(_ *console, _ api.Memory, s []uint64) uint64 {
	panic(sys.NewExitError(uint32(s[0])))
}

var _ context.Context = (*guestContext)(nil)
