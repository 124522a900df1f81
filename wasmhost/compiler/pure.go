package compiler

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

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
