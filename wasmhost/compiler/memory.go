package compiler

import (
	"go/ast"
	"go/types"
)

// smallBytes is the size up to which memory is zeroed by single stores.
const smallBytes = 64

// access is the instruction for a scalar in memory and its alignment.
func access(s scalar, store bool) (code, align byte) {
	switch {
	case s.as == f64 && store:
		return opF64Store, 3
	case s.as == f64:
		return opF64Load, 3
	case s.as == i64 && store:
		return opI64Store, 3
	case s.as == i64:
		return opI64Load, 3
	case s.bytes == 4 && store:
		return opI32Store, 2
	case s.bytes == 4:
		return opI32Load, 2
	case s.bytes == 2 && store:
		return opI32Store16, 1
	case s.bytes == 2 && s.signed:
		return opI32Load16S, 1
	case s.bytes == 2:
		return opI32Load16U, 1
	case store:
		return opI32Store8, 0
	case s.signed:
		return opI32Load8S, 0
	}
	return opI32Load8U, 0
}

func (b *body) memory(s scalar, store bool, offset uint32) {
	code, align := access(s, store)
	b.op(code)
	// Slots and rows are 8-aligned, but a hostile or mistaken host must not
	// be promised it: alignment is a hint in WebAssembly.
	b.code = unsigned(append(b.code, align), uint64(offset))
}

// load replaces the base on the stack by the value at its offset.
func (b *body) load(t types.Type, offset uint32, at ast.Node) {
	if s, ok := scalarOf(t); ok {
		b.memory(s, false, offset)
		return
	}
	defer b.scope()()
	base := b.local(i32)
	b.set(base)
	for i := range b.c.parts(t, at) {
		b.get(base)
		b.memory(word, false, offset+4*uint32(i))
	}
}

// store takes a value and the base below it from the stack.
func (b *body) store(t types.Type, offset uint32) {
	if s, ok := scalarOf(t); ok {
		b.memory(s, true, offset)
		return
	}
	defer b.scope()()
	n := 2
	if isSlice(t) {
		n = 3
	}
	parts := b.pop([]valueType{i32, i32, i32}[:n])
	base := b.local(i32)
	b.set(base)
	for i, l := range parts {
		b.get(base)
		b.get(l)
		b.memory(word, true, offset+4*uint32(i))
	}
}

// wipe zeroes memory.
func (b *body) wipe(p place, size uint32) {
	if size > smallBytes {
		b.base(p)
		b.plus(p.offset)
		b.const32(0)
		b.const32(int32(size))
		b.op(opPrefixFC, opMemoryFill, 0)
		return
	}
	for at := uint32(0); at < size; {
		s := scalar{i64, 8, false}
		switch {
		case size-at < 4:
			s = scalar{i32, 1, false}
		case size-at < 8:
			s = word
		}
		b.base(p)
		b.zero(s.as)
		b.memory(s, true, p.offset+at)
		at += s.bytes
	}
}

// copyMemory copies what lies at the two addresses on the stack, the target
// below.
func (b *body) copyMemory(size uint32) {
	b.const32(int32(size))
	b.op(opPrefixFC, opMemoryCopy, 0, 0)
}

// plus adds an offset to the address on the stack.
func (b *body) plus(n uint32) {
	if n != 0 {
		b.const32(int32(n))
		b.op(opI32Add)
	}
}

// zero pushes the zero of a type.
func (b *body) zero(t valueType) {
	switch t {
	case i32:
		b.const32(0)
	case i64:
		b.const64(0)
	case f64:
		b.op(opF64Const, 0, 0, 0, 0, 0, 0, 0, 0)
	}
}
