package compiler

import (
	"go/ast"
	"go/types"
	"math"
)

// element pushes the address of an element, whose index has to be inside.
func (b *body) element(e *ast.IndexExpr) uint32 {
	t := b.c.info.TypeOf(e.X)
	size := sizeOf(elem(t))
	defer b.scope()()
	at := b.local(i32)
	if array, ok := arrayOf(t); ok {
		var offset uint32
		if isPointer(t) {
			offset = b.pointer(e.X)
		} else {
			offset = b.address(e.X)
		}
		b.index(e.Index)
		b.tee(at)
		b.const32(int32(array.Len()))
		b.inside(at, size)
		b.op(opI32Add)
		return offset
	}
	parts := b.header(e.X)
	b.get(parts[0])
	b.index(e.Index)
	b.tee(at)
	b.get(parts[1])
	b.inside(at, size)
	b.op(opI32Add)
	return 0
}

// inside checks an index against the length on the stack and pushes its
// distance in bytes.
func (b *body) inside(at int, size uint32) {
	b.op(opI32GeU)
	b.trapIf()
	b.get(at)
	b.times(size)
}

// times multiplies the word on the stack.
func (b *body) times(n uint32) {
	if n != 1 {
		b.const32(int32(n))
		b.op(opI32Mul)
	}
}

// header are locals with address and length of a slice or string.
func (b *body) header(e ast.Expr) []int {
	if id, ok := ast.Unparen(e).(*ast.Ident); ok {
		if obj, ok := b.c.info.ObjectOf(id).(*types.Var); ok {
			if v := b.lookup(obj, id); v.kind == localVariable && v.fixed {
				return v.locals
			}
		}
	}
	b.value(e)
	return b.pop(b.c.parts(b.c.info.TypeOf(e), e))
}

// pop moves values from the stack into locals.
func (b *body) pop(parts []valueType) []int {
	locals := make([]int, len(parts))
	for i := len(parts) - 1; i >= 0; i-- {
		locals[i] = b.local(parts[i])
		b.set(locals[i])
	}
	return locals
}

// index pushes an integer as a word. One of 64 bits that does not fit becomes
// the largest word, which is inside of nothing.
func (b *body) index(e ast.Expr) {
	b.value(e)
	s, _ := scalarOf(b.c.info.TypeOf(e))
	if s.as != i64 {
		return
	}
	defer b.scope()()
	at := b.local(i64)
	b.tee(at)
	b.op(opI32WrapI64)
	b.const32(-1)
	b.get(at)
	b.const64(math.MaxUint32)
	b.op(opI64LtU)
	b.op(opSelect)
}
