package wasmhost

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// fixture builds small modules: an indicator "sum" that adds up its source and
// is ready from the second bar on. A bar with a magic number of trades makes
// it misbehave. Parts can be replaced to break one rule at a time.
type fixture struct {
	manifest string
	pages    [2]uint32 // minimum, maximum; maximum 0: none
	funcs    []fixtureFunc
	imports  []fixtureImport
	noMemory bool
}

type fixtureFunc struct {
	name   string // export, empty: none
	params []byte
	result []byte
	locals byte // i32 locals after the parameters
	code   []byte
}

type fixtureImport struct {
	module, name   string
	params, result []byte
}

// What a number of trades makes the fixture do.
const (
	doTrap     = 1001
	doError    = 1002
	doInfinity = 1003
	doReserved = 1004
	doGrow     = 1005
	doNegZero  = 1006
	doNaN      = 1007
)

const (
	tI32 = 0x7f
	tI64 = 0x7e

	manifestAt = 1024
	errorAt    = 512
	heapAt     = 2 * pageSize
)

const sumManifest = `{"abi":1,"name":"fixture","version":"1.2.3","indicators":[
 {"id":3,"name":"sum","input":"src","warmup":7,
  "params":[{"name":"scale","type":"float","default":1,"min":0,"max":9}],
  "outputs":[{"name":"value"},{"name":"degenerate","plot":"none"}]}]}`

func u32(v uint32) []byte { return binary.AppendUvarint(nil, uint64(v)) }

// s64 encodes a signed LEB128.
func s64(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func get(i byte) []byte                { return []byte{0x20, i} }
func set(i byte) []byte                { return []byte{0x21, i} }
func tee(i byte) []byte                { return []byte{0x22, i} }
func i32c(v int32) []byte              { return join([]byte{0x41}, s64(int64(v))) }
func i64c(v int64) []byte              { return join([]byte{0x42}, s64(v)) }
func load(op byte, off uint32) []byte  { return join([]byte{op, 0}, u32(off)) }
func store(op byte, off uint32) []byte { return join([]byte{op, 0}, u32(off)) }
func ops(b ...byte) []byte             { return b }
func repeated(t byte, n int) []byte    { return slices.Repeat([]byte{t}, n) }
func when(cond []byte, do ...[]byte) []byte {
	return join(cond, ops(0x04, 0x40), join(do...), ops(0x0b))
}

func f64c(v float64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(v))
}

// tradesAre compares the trades of the bar in local 2.
func tradesAre(n int32) []byte { return join(get(2), load(0x28, 56), i32c(n), ops(0x46)) }

func updateCode() []byte {
	return join(
		when(tradesAre(doTrap), get(1), f64c(-1), store(0x39, 0), ops(0x00)),
		when(tradesAre(doError), i32c(-100), ops(0x0f)),
		when(tradesAre(doReserved), i32c(7), ops(0x0f)),
		when(tradesAre(doGrow), i32c(1), ops(0x40, 0), ops(0x1a)),
		get(1), get(1), load(0x2b, 0), get(2), load(0x2b, 64), ops(0xa0), store(0x39, 0),
		get(1), get(1), load(0x29, 8), i64c(1), ops(0x7c), store(0x37, 8),
		get(3), get(1), load(0x2b, 0), store(0x39, 0),
		get(3), get(2), load(0x2b, 40), f64c(0), ops(0x61, 0xb7), store(0x39, 8), // degenerate: volume == 0
		when(tradesAre(doInfinity), get(3), f64c(math.Inf(1)), store(0x39, 0)),
		when(tradesAre(doNegZero), get(3), f64c(math.Copysign(0, -1)), store(0x39, 0)),
		when(tradesAre(doNaN), get(3), f64c(math.Float64frombits(0xfff8000000000123)), store(0x39, 0)),
		get(1), load(0x29, 8), i64c(2), ops(0x5a), // count >= 2
	)
}

// batchCode loops over jobs and bars with calls of kl_update, function number
// update.
func batchCode(update uint32) []byte {
	job := func(off uint32) []byte { return join(get(0), load(0x28, off)) }
	return join(
		get(0), get(1), i32c(jobSize), ops(0x6c, 0x6a), set(2),
		ops(0x02, 0x40, 0x03, 0x40), get(0), get(2), ops(0x4f, 0x0d, 1),
		i32c(0), set(3),
		ops(0x02, 0x40, 0x03, 0x40), get(3), job(12), ops(0x4f, 0x0d, 1),
		get(0),
		job(0), job(4), job(8), get(3), job(16), ops(0x6c, 0x6a), job(20), get(3), job(24), ops(0x6c, 0x6a),
		ops(0x10), u32(update), tee(4), store(0x36, 28),
		when(join(get(4), i32c(0), ops(0x48)), get(0), get(3), store(0x36, 12), ops(0x0c, 2)),
		get(3), i32c(1), ops(0x6a), set(3), ops(0x0c, 0, 0x0b, 0x0b),
		get(0), i32c(jobSize), ops(0x6a), set(0), ops(0x0c, 0, 0x0b, 0x0b),
		i32c(0),
	)
}

// allocCode is a bump allocator on global 0 that grows the memory.
func allocCode() []byte {
	pages := join(ops(0x23, 0), get(0), ops(0x6a), i32c(pageSize-1), ops(0x6a), i32c(16), ops(0x76))
	return join(
		when(join(pages, ops(0x3f, 0, 0x4a)),
			when(join(pages, ops(0x3f, 0, 0x6b), ops(0x40, 0), i32c(-1), ops(0x46)), i32c(0), ops(0x0f))),
		ops(0x23, 0), tee(1), get(0), ops(0x6a), i32c(15), ops(0x6a), i32c(-16), ops(0x71), ops(0x24, 0),
		get(1),
	)
}

func packed(ptr, n int) []byte { return i64c(int64(ptr)<<32 | int64(n)) }

// newFixture returns the well-behaved module.
func newFixture() *fixture {
	i32, i64 := []byte{tI32}, []byte{tI64}
	return &fixture{
		manifest: sumManifest,
		pages:    [2]uint32{2, 0},
		funcs: []fixtureFunc{
			{name: "kl_abi", result: i32, code: i32c(0x00010000)},
			{name: "kl_describe", result: i64, code: packed(manifestAt, len(sumManifest))},
			{name: "kl_alloc", params: i32, result: i32, locals: 1, code: allocCode()},
			{name: "kl_state_size", params: i32, result: i32, code: join(
				// scale == 8 is refused, to have something that only the module knows
				when(join(get(0), load(0x28, 8), load(0x2b, 0), f64c(8), ops(0x61)), i32c(-2), ops(0x0f)), i32c(16))},
			{name: "kl_init", params: repeated(tI32, 2), result: i32, code: join(
				get(1), f64c(0), store(0x39, 0), get(1), i64c(0), store(0x37, 8), i32c(0))},
			{name: "kl_update", params: repeated(tI32, 4), result: i32, code: updateCode()},
			{name: "kl_update_batch", params: repeated(tI32, 2), result: i32, locals: 3, code: batchCode(5)},
			{name: "kl_error", result: i64, code: packed(errorAt, len("no luck\n"))},
		},
	}
}

// replace changes one function.
func (f *fixture) replace(name string, change func(*fixtureFunc)) *fixture {
	i := slices.IndexFunc(f.funcs, func(fn fixtureFunc) bool { return fn.name == name })
	change(&f.funcs[i])
	return f
}

func (f *fixture) code(name string, code []byte) *fixture {
	return f.replace(name, func(fn *fixtureFunc) { fn.code = code })
}

func (f *fixture) describe(manifest string) *fixture {
	f.manifest = manifest
	return f.code("kl_describe", packed(manifestAt, len(manifest)))
}

func section(id byte, items ...[]byte) []byte {
	body := join(u32(uint32(len(items))), join(items...))
	return join([]byte{id}, u32(uint32(len(body))), body)
}

func name(s string) []byte { return join(u32(uint32(len(s))), []byte(s)) }

// bytes encodes the module.
func (f *fixture) bytes() []byte {
	var types, imports, funcs, exports, codes [][]byte
	signature := func(params, result []byte) []byte {
		types = append(types, join([]byte{0x60}, u32(uint32(len(params))), params, u32(uint32(len(result))), result))
		return u32(uint32(len(types) - 1))
	}
	for _, im := range f.imports {
		imports = append(imports, join(name(im.module), name(im.name), []byte{0}, signature(im.params, im.result)))
	}
	for i, fn := range f.funcs {
		funcs = append(funcs, signature(fn.params, fn.result))
		if fn.name != "" {
			exports = append(exports, join(name(fn.name), []byte{0}, u32(uint32(len(f.imports)+i))))
		}
		locals := []byte{0}
		if fn.locals > 0 {
			locals = []byte{1, fn.locals, tI32}
		}
		body := join(locals, fn.code, []byte{0x0b})
		codes = append(codes, join(u32(uint32(len(body))), body))
	}
	if !f.noMemory {
		exports = append(exports, join(name("memory"), []byte{2, 0}))
	}
	limits := join([]byte{0}, u32(f.pages[0]))
	if f.pages[1] > 0 {
		limits = join([]byte{1}, u32(f.pages[0]), u32(f.pages[1]))
	}
	data := func(at int32, s string) []byte {
		return join([]byte{0}, i32c(at), []byte{0x0b}, name(s))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, section(1, types...)...)
	if len(imports) > 0 {
		out = append(out, section(2, imports...)...)
	}
	return join(out, section(3, funcs...), section(5, limits),
		section(6, join([]byte{tI32, 1}, i32c(heapAt), []byte{0x0b})),
		section(7, exports...), section(10, codes...),
		section(11, data(errorAt, "no luck\n"), data(manifestAt, f.manifest)))
}

// newHost makes a host that trusts the given modules and ends with the test.
func newHost(t testing.TB, cfg Config, modules ...[]byte) *Host {
	t.Helper()
	var sums [][sha256.Size]byte
	for _, m := range modules {
		sums = append(sums, sha256.Sum256(m))
	}
	h, err := New(t.Context(), cfg, sums...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// load makes a host with one module.
func loadModule(t testing.TB, cfg Config, wasm []byte) (*Host, *Module) {
	t.Helper()
	h := newHost(t, cfg, wasm)
	m, err := h.Load(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	return h, m
}

func resolve(t testing.TB, h *Host, expr string) *Instance {
	t.Helper()
	inst, err := h.Resolve(expr)
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

var minute = Series{IntervalMS: 60_000}

func open(t testing.TB, s *Shard, inst *Instance) Slot {
	t.Helper()
	slot, err := s.Open(inst, minute)
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// bar is a bar whose prices are all p.
func bar(i int, p float64, trades uint32) Bar {
	return Bar{OpenTime: int64(i) * 60_000, Open: p, High: p, Low: p, Close: p, Volume: 1, QuoteVolume: p, Trades: trades}
}
