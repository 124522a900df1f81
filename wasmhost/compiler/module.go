package compiler

import (
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	staticStart = 1024 // below lies nothing: a nil pointer reads zeros there
	pageBytes   = 65536
)

// signature is a type of functions or of a block's results.
type signature struct {
	params, results []valueType
}

// exported is a function under the name by which the host calls it.
type exported struct {
	name  string
	index int
}

// segment is a text at an address.
type segment struct {
	at   uint32
	text string
}

// module collects what the sections of the binary consist of.
type module struct {
	types    []signature
	funcs    []int // type of each function
	code     map[int][]byte
	exported []exported
	static   uint32 // first free address
	segments []segment
	texts    map[string]uint32
}

func (m *module) begin() {
	m.code = map[int][]byte{}
	m.texts = map[string]uint32{}
	m.static = staticStart
}

// typeIndex is the place of a signature in the type section.
func (m *module) typeIndex(s signature) int {
	for i, t := range m.types {
		if slices.Equal(t.params, s.params) && slices.Equal(t.results, s.results) {
			return i
		}
	}
	m.types = append(m.types, s)
	return len(m.types) - 1
}

// function adds a function whose code comes later.
func (m *module) function(s signature) int {
	m.funcs = append(m.funcs, m.typeIndex(s))
	return len(m.funcs) - 1
}

func (m *module) export(name string, index int) {
	m.exported = append(m.exported, exported{name, index})
}

// exports tells whether a name is taken.
func (m *module) exports(name string) bool {
	return name == "memory" || slices.ContainsFunc(m.exported, func(e exported) bool { return e.name == name })
}

// room reserves bytes that are zero at the start. All variables together stay
// below the memory that a module may have.
func (m *module) room(size, align uint32) uint32 {
	at := (m.static + align - 1) &^ (align - 1)
	if m.static = at + size; m.static > maxType {
		panic(&Error{Msg: fmt.Sprintf("the variables and texts have more than %d bytes", maxType)})
	}
	return at
}

// text is the address of a constant text; equal ones share it.
func (m *module) text(s string) uint32 {
	if at, ok := m.texts[s]; ok {
		return at
	}
	at := m.room(uint32(len(s)), 8)
	m.texts[s] = at
	if s != "" {
		m.segments = append(m.segments, segment{at, s})
	}
	return at
}

// encode writes the binary, with the sections in the order of the standard.
func (m *module) encode() []byte {
	heap := (m.static + 15) &^ 15
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = section(out, 1, m.typeSection())
	out = section(out, 3, vector(m.funcs, func(b []byte, t int) []byte { return unsigned(b, uint64(t)) }))
	out = section(out, 5, unsigned([]byte{1, 0}, uint64(heap/pageBytes+1)))
	out = section(out, 6, append(signed([]byte{1, byte(i32), 0, opI32Const}, int64(int32(heap))), opEnd))
	out = section(out, 7, m.exportSection())
	out = section(out, 10, m.codeSection())
	if len(m.segments) > 0 {
		out = section(out, 11, vector(m.segments, func(b []byte, s segment) []byte {
			b = append(signed(append(b, 0, opI32Const), int64(s.at)), opEnd)
			return append(unsigned(b, uint64(len(s.text))), s.text...)
		}))
	}
	return out
}

func (m *module) typeSection() []byte {
	return vector(m.types, func(b []byte, s signature) []byte {
		b = append(b, 0x60)
		for _, list := range [][]valueType{s.params, s.results} {
			b = append(b, vector(list, func(b []byte, t valueType) []byte { return append(b, byte(t)) })...)
		}
		return b
	})
}

// exportSection adds the memory to the functions.
func (m *module) exportSection() []byte {
	const function, memory = 0, 2
	b := unsigned(nil, uint64(len(m.exported)+1))
	b = append(name(b, "memory"), memory, 0)
	for _, e := range m.exported {
		b = unsigned(append(name(b, e.name), function), uint64(e.index))
	}
	return b
}

func (m *module) codeSection() []byte {
	b := unsigned(nil, uint64(len(m.funcs)))
	for i := range m.funcs {
		b = append(unsigned(b, uint64(len(m.code[i]))), m.code[i]...)
	}
	return b
}

func section(out []byte, id byte, body []byte) []byte {
	return append(unsigned(append(out, id), uint64(len(body))), body...)
}

func vector[T any](list []T, one func([]byte, T) []byte) []byte {
	b := unsigned(nil, uint64(len(list)))
	for _, v := range list {
		b = one(b, v)
	}
	return b
}

func name(b []byte, s string) []byte { return append(unsigned(b, uint64(len(s))), s...) }

// unsigned appends a number in LEB128.
func unsigned(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// signed appends a number in signed LEB128.
func signed(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && low&0x40 == 0) || (v == -1 && low&0x40 != 0) {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
