package badwasm

const (
	manifestAt = 1024
	heapAt     = 2 << 16
	jobSize    = 32

	manifest = `{"abi":1,"name":"attack","version":"1.0.0","indicators":[{"id":0,"name":"attack_sum","input":"src","params":[],"outputs":[{"name":"value"}]}]}`
)

// SystemModule is where modules import from.
const SystemModule = "wasi_snapshot_preview1"

// Indicator is a conforming indicator module: a sum of its source, without
// parameters. Attacks change one thing of it.
func Indicator() *Module {
	m := &Module{
		Memory:  [2]uint32{4, 0},
		Globals: []Global{{'i', true, I32(heapAt)}},
		Data:    []Data{{manifestAt, []byte(manifest)}},
		Funcs: []Func{
			{Export: "_initialize"},
			{Export: "kl_abi", Results: "i", Code: I32(0x00010000)},
			{Export: "kl_describe", Results: "l", Code: I64(manifestAt<<32 | int64(len(manifest)))},
			{Export: "kl_alloc", Params: "i", Results: "i", Locals: "i", Code: allocate()},
			{Export: "kl_state_size", Params: "i", Results: "i", Code: Join(plain(), I32(16))},
			{Export: "kl_init", Params: "ii", Results: "i", Code: Join(plain(), zeroed())},
			{Export: "kl_update", Params: "iiii", Results: "i", Code: sum()},
			{Export: "kl_update_batch", Params: "ii", Results: "i", Locals: "iii"},
		},
	}
	m.Func("kl_update_batch").Code = batch(m.Index("kl_update"))
	return m
}

// plain returns an error unless the configuration at local 0 is of indicator 0
// without parameters. Without it conformance checks would refuse every attack
// for the same reason, and none would ever be stored.
func plain() []byte {
	return Join(
		Get(0), Load(0x28, 0), If(I32(-1), Op(Return)),
		Get(0), Load(0x28, 4), If(I32(-2), Op(Return)))
}

// zeroed writes the state at 1.
func zeroed() []byte {
	return Join(Get(1), F64(0), Store(0x39, 0), Get(1), F64(0), Store(0x39, 8), I32(0))
}

// sum adds the source of the bar at 2 to the state at 1 and gives it out at 3.
func sum() []byte {
	return Join(
		Get(1), Get(1), Load(0x2b, 0), Get(2), Load(0x2b, 64), Op(0xa0), Store(0x39, 0),
		Get(3), Get(1), Load(0x2b, 0), Store(0x39, 0), I32(1))
}

// allocate is a bump allocator on global 0.
func allocate() []byte {
	pages := Join(GlobalGet(0), Get(0), Op(0x6a), I32(1<<16-1), Op(0x6a), I32(16), Op(0x76))
	return Join(
		pages, Op(0x3f, 0, 0x4a),
		If(pages, Op(0x3f, 0, 0x6b, 0x40, 0), I32(-1), Op(0x46), If(I32(0), Op(Return))),
		GlobalGet(0), Tee(1), Get(0), Op(0x6a), I32(15), Op(0x6a), I32(-16), Op(0x71), GlobalSet(0), Get(1))
}

// batch calls update for every bar of every job.
func batch(update uint32) []byte {
	job := func(offset uint32) []byte { return Join(Get(0), Load(0x28, offset)) }
	at := func(base, stride uint32) []byte { return Join(job(base), Get(3), job(stride), Op(0x6c, 0x6a)) }
	return Join(
		Get(0), Get(1), I32(jobSize), Op(0x6c, 0x6a), Set(2),
		Block(Loop(
			Get(0), Get(2), Op(0x4f), BrIf(1),
			I32(0), Set(3),
			Block(Loop(
				Get(3), job(12), Op(0x4f), BrIf(1),
				Get(0), job(0), job(4), at(8, 16), at(20, 24), Call(update), Tee(4), Store(0x36, 28),
				Get(3), I32(1), Op(0x6a), Set(3), Br(0))),
			Get(0), I32(jobSize), Op(0x6a), Set(0), Br(0))),
		I32(0))
}

// with changes an indicator and encodes it.
func with(change func(m *Module)) []byte {
	m := Indicator()
	change(m)
	return m.Bytes()
}

// instead is an indicator whose export does something else.
func instead(export string, code ...[]byte) []byte {
	return with(func(m *Module) { m.Func(export).Code = Join(code...) })
}

// before is an indicator whose export does something first.
func before(export string, code ...[]byte) []byte {
	return with(func(m *Module) { f := m.Func(export); f.Code = Join(Join(code...), f.Code) })
}

// imports adds an import in front and moves the calls of the batch.
func imports(m *Module, name, params, results string) {
	m.Imports = append(m.Imports, Import{SystemModule, name, params, results})
	m.Func("kl_update_batch").Code = batch(m.Index("kl_update"))
}
