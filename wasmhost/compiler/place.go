package compiler

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"math"
)

// place is an address: a local that never changes plus an offset, or an
// absolute address where local is below 0.
type place struct {
	local  int
	offset uint32
}

// add is a place some bytes further.
func (p place) add(n uint32) place { return place{p.local, p.offset + n} }

// base pushes what the offset is added to.
func (b *body) base(p place) {
	if p.local < 0 {
		b.const32(0)
		return
	}
	b.get(p.local)
}

// address pushes the base of a variable, field or element and returns the
// offset that the access has to add.
func (b *body) address(e ast.Expr) uint32 {
	if p, ok := b.pureAddress(e); ok {
		b.base(p)
		return p.offset
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.SelectorExpr:
		field := b.field(e)
		if isPointer(b.c.info.TypeOf(e.X)) {
			return b.pointer(e.X) + field
		}
		return b.address(e.X) + field
	case *ast.StarExpr:
		return b.pointer(e.X)
	case *ast.IndexExpr:
		return b.element(e)
	}
	b.c.fail(e, "this has no address")
	return 0
}

// pureAddress is the address of a variable, field or element, if it can be
// told without code.
func (b *body) pureAddress(e ast.Expr) (place, bool) {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if obj, ok := b.c.info.ObjectOf(e).(*types.Var); ok {
			v := b.lookup(obj, e)
			return v.place, v.kind == memoryVariable
		}
	case *ast.SelectorExpr:
		if b.c.info.Selections[e] == nil {
			return b.pureAddress(e.Sel) // of another package
		}
		field := b.field(e)
		if isPointer(b.c.info.TypeOf(e.X)) {
			p, ok := b.pure(e.X)
			return p.add(field), ok
		}
		p, ok := b.pureAddress(e.X)
		return p.add(field), ok
	case *ast.StarExpr:
		return b.pure(e.X)
	case *ast.IndexExpr:
		return b.pureElement(e)
	}
	return place{}, false
}

// pureElement is the place of an element of an array under a constant index,
// which the type checker has found to be inside.
func (b *body) pureElement(e *ast.IndexExpr) (place, bool) {
	t := b.c.info.TypeOf(e.X)
	array, ok := arrayOf(t)
	index := b.c.info.Types[e.Index].Value
	if !ok || index == nil {
		return place{}, false
	}
	i, _ := constant.Uint64Val(constant.ToInt(index))
	at := uint32(i) * sizeOf(array.Elem())
	if isPointer(t) {
		p, ok := b.pure(e.X)
		return p.add(at), ok
	}
	p, ok := b.pureAddress(e.X)
	return p.add(at), ok
}

// pointer pushes the base of a pointer's value and returns the offset.
func (b *body) pointer(e ast.Expr) uint32 {
	if p, ok := b.pure(e); ok {
		b.base(p)
		return p.offset
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return b.address(e.X)
		}
	case *ast.CallExpr:
		if b.isConversion(e) && isPointer(b.c.info.TypeOf(e.Args[0])) {
			return b.pointer(e.Args[0])
		}
		if b.builtin(e) == "Add" {
			return b.moved(e)
		}
	}
	b.value(e)
	return 0
}

// moved is unsafe.Add.
func (b *body) moved(e *ast.CallExpr) uint32 {
	if n, ok := b.distance(e.Args[1]); ok {
		return b.pointer(e.Args[0]) + n
	}
	if p, ok := b.pure(e.Args[0]); ok && p == (place{-1, 0}) {
		b.word(e.Args[1])
		return 0
	}
	offset := b.pointer(e.Args[0])
	b.word(e.Args[1])
	b.op(opI32Add)
	return offset
}

// word pushes the low 32 bits of an integer.
func (b *body) word(e ast.Expr) {
	b.value(e)
	if s, _ := scalarOf(b.c.info.TypeOf(e)); s.as == i64 {
		b.op(opI32WrapI64)
	}
}

// distance is a constant that can be an offset.
func (b *body) distance(e ast.Expr) (uint32, bool) {
	v := b.c.info.Types[e].Value
	if v == nil {
		return 0, false
	}
	n, exact := constant.Uint64Val(constant.ToInt(v))
	return uint32(n), exact && n <= math.MaxInt16
}

// pure is the value of a pointer that can be told without code.
func (b *body) pure(e ast.Expr) (place, bool) {
	if b.c.info.Types[e].IsNil() {
		return place{-1, 0}, true
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		obj, ok := b.c.info.ObjectOf(e).(*types.Var)
		if !ok {
			return place{}, false
		}
		v := b.lookup(obj, e)
		if v.kind == localVariable && v.fixed {
			return place{v.locals[0], 0}, true
		}
		return v.place, v.kind == addressVariable
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return b.pureAddress(e.X)
		}
	case *ast.CallExpr:
		return b.pureCall(e)
	}
	return place{}, false
}

// pureCall is pure of a conversion, of unsafe.Add, and of a call that is one
// such expression.
func (b *body) pureCall(e *ast.CallExpr) (place, bool) {
	if b.isConversion(e) {
		if !isPointer(b.c.info.TypeOf(e.Args[0])) && !b.c.info.Types[e.Args[0]].IsNil() {
			return place{}, false
		}
		return b.pure(e.Args[0])
	}
	if b.builtin(e) == "Add" {
		n, ok := b.distance(e.Args[1])
		if !ok {
			return place{}, false
		}
		p, ok := b.pure(e.Args[0])
		return p.add(n), ok
	}
	f := b.c.funcs[b.c.callee(e)]
	if f == nil || !f.inline || f.single() == nil || !isPointer(b.c.info.TypeOf(e)) || !b.bindPure(f, e) {
		return place{}, false
	}
	defer b.enter(f, -1)()
	return b.pure(f.single())
}

// field is the offset of a selected field.
func (b *body) field(e *ast.SelectorExpr) uint32 {
	sel := b.c.info.Selections[e]
	if sel == nil || sel.Kind() != types.FieldVal {
		b.c.fail(e, "methods as values are not supported")
	}
	t := sel.Recv()
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	var offset uint32
	for _, i := range sel.Index() {
		s, ok := t.Underlying().(*types.Struct)
		if !ok {
			b.c.fail(e, "fields of an embedded pointer are not supported")
		}
		var fields []*types.Var
		for f := range s.Fields() {
			fields = append(fields, f)
		}
		offset += uint32(sizes.Offsetsof(fields)[i])
		t = fields[i].Type()
	}
	return offset
}

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
