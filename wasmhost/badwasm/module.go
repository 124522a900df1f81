package badwasm

import (
	"slices"
	"strings"
)

// Module is encoded as it stands: nothing is checked. In types, each letter
// is a value: i, l, f, d for i32, i64, f32, f64, and v for a vector.
type Module struct {
	Types    []Type // before those of the functions
	Imports  []Import
	Funcs    []Func
	Table    int // entries; 0: no table
	Memory   [2]uint32
	NoMemory bool
	Globals  []Global
	Exports  []Export // beside those of functions and the memory
	Start    int      // a function index from 1; 0: none
	Elements []uint32
	Data     []Data

	// Swap replaces the body of a section, Tail follows it inside of the
	// section, and Behind follows it outside. Order is the order of the ids.
	Swap, Tail, Behind map[byte][]byte
	Order              []byte
}

// Type is a function type.
type Type struct{ Params, Results string }

// Import is an imported function.
type Import struct{ Module, Name, Params, Results string }

// Func is a function; without Export it has no name.
type Func struct {
	Export, Params, Results string
	Locals                  string // letters
	Code                    []byte // without the last end
	Body                    []byte // if set: all of the body, as it stands
}

// Global is a global with its initialiser.
type Global struct {
	Type    byte // a letter
	Mutable bool
	Init    []byte
}

// Export is an export of any kind.
type Export struct {
	Name  string
	Kind  byte
	Index uint32
}

// Data is an active data segment.
type Data struct {
	At    int32
	Bytes []byte
}

// Header begins every module.
const Header = "\x00asm\x01\x00\x00\x00"

// usual is the order of sections: data count stands before code.
const usual = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0c\x0a\x0b"

// Func returns the function with an export name, to change it.
func (m *Module) Func(export string) *Func {
	i := slices.IndexFunc(m.Funcs, func(f Func) bool { return f.Export == export })
	return &m.Funcs[i]
}

// Index returns the function index of an export.
func (m *Module) Index(export string) uint32 {
	return uint32(len(m.Imports) + slices.IndexFunc(m.Funcs, func(f Func) bool { return f.Export == export }))
}

// Bytes encodes the module.
func (m *Module) Bytes() []byte {
	order := m.Order
	if order == nil {
		order = []byte(usual)
	}
	out := []byte(Header)
	bodies := m.sections()
	for _, id := range order {
		body, ok := m.Swap[id]
		if !ok {
			if body, ok = bodies[id]; !ok && m.Tail[id] == nil {
				out = append(out, m.Behind[id]...)
				continue
			}
		}
		out = append(out, Section(id, body, m.Tail[id])...)
		out = append(out, m.Behind[id]...)
	}
	return out
}

// sections encodes the bodies of all sections that are there.
func (m *Module) sections() map[byte][]byte {
	types := typeTable{index: map[Type]uint32{}}
	for _, t := range m.Types {
		types.add(t)
	}
	b := map[byte][]byte{}
	var list [][]byte
	for _, im := range m.Imports {
		list = append(list, Join(Name(im.Module), Name(im.Name), Op(0), U32(types.of(Type{im.Params, im.Results}))))
	}
	put(b, 2, list)
	list = nil
	for _, f := range m.Funcs {
		list = append(list, U32(types.of(Type{f.Params, f.Results})))
	}
	put(b, 3, list)
	put(b, 1, types.list)
	if m.Table > 0 {
		b[4] = Join(Op(1, 0x70, 0), U32(uint32(m.Table)))
	}
	if !m.NoMemory {
		b[5] = Join(Op(1, 0), U32(m.Memory[0]))
		if m.Memory[1] > 0 {
			b[5] = Join(Op(1, 1), U32(m.Memory[0]), U32(m.Memory[1]))
		}
	}
	m.entities(b)
	return b
}

// put adds a section of items, if there are any.
func put(b map[byte][]byte, id byte, items [][]byte) {
	if len(items) > 0 {
		b[id] = Vector(items...)
	}
}

// entities encodes what refers to functions.
func (m *Module) entities(b map[byte][]byte) {
	var globals, exports, codes, data [][]byte
	for _, g := range m.Globals {
		globals = append(globals, Join(Op(letter(g.Type), boolByte(g.Mutable)), g.Init, Op(End)))
	}
	for i, f := range m.Funcs {
		if f.Export != "" {
			exports = append(exports, Join(Name(f.Export), Op(0), U32(uint32(len(m.Imports)+i))))
		}
		body := f.encode()
		codes = append(codes, Join(U32(uint32(len(body))), body))
	}
	if !m.NoMemory {
		exports = append(exports, Join(Name("memory"), Op(2, 0)))
	}
	for _, e := range m.Exports {
		exports = append(exports, Join(Name(e.Name), Op(e.Kind), U32(e.Index)))
	}
	for _, d := range m.Data {
		data = append(data, Join(Op(0), I32(d.At), Op(End), Name(string(d.Bytes))))
	}
	put(b, 6, globals)
	put(b, 7, exports)
	put(b, 10, codes)
	put(b, 11, data)
	if len(data) > 0 {
		b[12] = U32(uint32(len(data)))
	}
	if m.Start > 0 {
		b[8] = U32(uint32(m.Start - 1))
	}
	if len(m.Elements) > 0 {
		b[9] = Join(Op(1, 0), I32(0), Op(End), U32(uint32(len(m.Elements))), Each(len(m.Elements), func(i int) []byte { return U32(m.Elements[i]) }))
	}
}

// encode returns the body of a function.
func (f Func) encode() []byte {
	if f.Body != nil {
		return f.Body
	}
	var runs [][]byte
	for rest := f.Locals; rest != ""; {
		n := len(rest) - len(strings.TrimLeft(rest, rest[:1]))
		runs = append(runs, Join(U32(uint32(n)), Op(letter(rest[0]))))
		rest = rest[n:]
	}
	return Join(Vector(runs...), f.Code, Op(End))
}

// typeTable numbers function types.
type typeTable struct {
	list  [][]byte
	index map[Type]uint32
}

func (t *typeTable) add(typ Type) {
	if _, ok := t.index[typ]; !ok {
		t.index[typ] = uint32(len(t.list))
	}
	t.list = append(t.list, Join(Op(0x60), Name(values(typ.Params)), Name(values(typ.Results))))
}

func (t *typeTable) of(typ Type) uint32 {
	if _, ok := t.index[typ]; !ok {
		t.add(typ)
	}
	return t.index[typ]
}

// values turns letters into types.
func values(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = letter(b[i])
	}
	return string(b)
}

func letter(c byte) byte {
	return map[byte]byte{'i': 0x7f, 'l': 0x7e, 'f': 0x7d, 'd': 0x7c, 'v': 0x7b}[c]
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
