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
