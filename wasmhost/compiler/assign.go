package compiler

import (
	"go/ast"
	"go/token"
	"go/types"
)

// assign is = and := and the operators with =.
func (b *body) assign(s *ast.AssignStmt) {
	switch {
	case s.Tok == token.DEFINE:
		b.define(s.Lhs, s.Rhs, s)
	case s.Tok != token.ASSIGN:
		b.update(s.Lhs[0], plain(s.Tok), s.Rhs[0], s)
	case len(s.Lhs) == 1:
		b.assignOne(s.Lhs[0], s.Rhs[0])
	default:
		defer b.scope()()
		b.several(s.Lhs, s.Rhs, s)
	}
}

// step is ++ and --.
func (b *body) step(s *ast.IncDecStmt) {
	op := token.ADD
	if s.Tok == token.DEC {
		op = token.SUB
	}
	b.update(s.X, op, nil, s)
}

// assignOne is an assignment of one value.
func (b *body) assignOne(lhs, rhs ast.Expr) {
	if id, ok := ast.Unparen(lhs).(*ast.Ident); ok {
		if id.Name == "_" {
			b.value(rhs)
			for range b.c.parts(b.c.info.TypeOf(rhs), rhs) {
				b.op(opDrop)
			}
			return
		}
		obj := b.c.info.ObjectOf(id)
		if v := b.lookup(obj, id); v.kind == localVariable {
			b.valueAs(rhs, obj.Type())
			b.setAll(v.locals)
			return
		}
	}
	t := b.c.info.TypeOf(lhs)
	b.keepsNoPointer(lhs, t)
	defer b.scope()()
	if inMemory(t) {
		b.fill(b.placeOf(lhs), t, rhs)
		return
	}
	offset := b.address(lhs)
	b.valueAs(rhs, t)
	b.store(t, offset)
}

// placeOf is the place of a variable, in a local where it takes code.
func (b *body) placeOf(e ast.Expr) place {
	if p, ok := b.pureAddress(e); ok {
		return p
	}
	offset := b.address(e)
	return place{b.pop([]valueType{i32})[0], offset}
}

// keepsNoPointer refuses to store a pointer behind a pointer: what the address
// of a local variable was passed to could keep it.
func (b *body) keepsNoPointer(lhs ast.Expr, t types.Type) {
	if pointsAnywhere(t) && b.c.rootOf(lhs) == nil {
		b.c.fail(lhs, "a pointer or slice may be kept in variables alone, not behind a pointer")
	}
}

// update is lhs = lhs op rhs, where lhs is found once; without rhs it is 1.
func (b *body) update(lhs ast.Expr, op token.Token, rhs ast.Expr, at ast.Node) {
	t := b.c.info.TypeOf(lhs)
	if id, ok := ast.Unparen(lhs).(*ast.Ident); ok {
		if v := b.lookup(b.c.info.ObjectOf(id), id); v.kind == localVariable {
			b.variable(id)
			b.by(op, t, rhs, at)
			b.setAll(v.locals)
			return
		}
	}
	defer b.scope()()
	p := b.placeOf(lhs)
	b.base(p)
	b.base(p)
	b.load(t, p.offset, lhs)
	b.by(op, t, rhs, at)
	b.store(t, p.offset)
}

// by applies an operator with rhs, or with 1.
func (b *body) by(op token.Token, t types.Type, rhs ast.Expr, at ast.Node) {
	if rhs != nil {
		b.operate(op, t, rhs, at)
		return
	}
	s, ok := scalarOf(t)
	if !ok {
		b.c.fail(at, "counting a %s is not supported", t)
	}
	switch s.as {
	case f64:
		b.op(opF64Const, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f) // 1
	case i64:
		b.const64(1)
	default:
		b.const32(1)
	}
	b.op(opcode(op, s))
	b.narrow(s)
}

// several is an assignment of several values: all are known before the first
// is stored.
func (b *body) several(lhs, rhs []ast.Expr, at ast.Node) {
	var values [][]int
	if len(rhs) == 1 {
		call, ok := ast.Unparen(rhs[0]).(*ast.CallExpr)
		if !ok {
			b.c.fail(at, "this assignment is not supported")
		}
		b.call(call)
		all := b.pop(b.resultParts(call))
		for v := range b.c.info.TypeOf(call).(*types.Tuple).Variables() {
			n := len(b.c.parts(v.Type(), at))
			values = append(values, all[:n])
			all = all[n:]
		}
	}
	for i, e := range rhs {
		if len(rhs) == 1 {
			break
		}
		t := b.assigned(lhs[i], e)
		b.valueAs(e, t)
		values = append(values, b.pop(b.c.parts(t, e)))
	}
	for i, e := range lhs {
		b.storeLocals(e, values[i])
	}
}

// assigned is the type that a value is stored as.
func (b *body) assigned(lhs, rhs ast.Expr) types.Type {
	if id, ok := lhs.(*ast.Ident); ok && id.Name == "_" {
		return b.c.info.TypeOf(rhs)
	}
	return b.c.info.TypeOf(lhs)
}

// storeLocals assigns what stands in locals.
func (b *body) storeLocals(lhs ast.Expr, locals []int) {
	if id, ok := ast.Unparen(lhs).(*ast.Ident); ok {
		if id.Name == "_" {
			return
		}
		if v := b.lookup(b.c.info.ObjectOf(id), id); v.kind == localVariable {
			for _, l := range locals {
				b.get(l)
			}
			b.setAll(v.locals)
			return
		}
	}
	t := b.c.info.TypeOf(lhs)
	b.keepsNoPointer(lhs, t)
	p, ok := b.pureAddress(lhs)
	if !ok {
		b.c.fail(lhs, "several values are assigned to variables and fields alone: an index could be one of the others")
	}
	b.base(p)
	for _, l := range locals {
		b.get(l)
	}
	b.store(t, p.offset)
}
