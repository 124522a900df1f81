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

// pending is a value that is known and not stored yet: in locals, or in memory
// where it has no parts.
type pending struct {
	locals []int
	at     place
}

// several is an assignment of several values: where they go is found first,
// then all of them, and then the first is stored.
func (b *body) several(lhs, rhs []ast.Expr, at ast.Node) {
	places := make([]place, len(lhs))
	for i, e := range lhs {
		if !b.isPlain(e) {
			b.keepsNoPointer(e, b.c.info.TypeOf(e))
			places[i] = b.placeOf(e)
		}
	}
	values := b.pendings(lhs, rhs, at)
	for i, e := range lhs {
		b.storePending(e, places[i], values[i])
	}
}

// isPlain is true of the blank identifier and of variables that are locals.
func (b *body) isPlain(lhs ast.Expr) bool {
	id, ok := ast.Unparen(lhs).(*ast.Ident)
	return ok && (id.Name == "_" || b.lookup(b.c.info.ObjectOf(id), id).kind == localVariable)
}

// pendings evaluates all values of an assignment.
func (b *body) pendings(lhs, rhs []ast.Expr, at ast.Node) []pending {
	var values []pending
	if len(rhs) == 1 {
		call, ok := ast.Unparen(rhs[0]).(*ast.CallExpr)
		if !ok {
			b.c.fail(at, "this assignment is not supported")
		}
		b.call(call)
		all := b.pop(b.resultParts(call))
		for v := range b.c.info.TypeOf(call).(*types.Tuple).Variables() {
			n := len(b.c.parts(v.Type(), at))
			values = append(values, pending{locals: all[:n]})
			all = all[n:]
		}
		return values
	}
	for i, e := range rhs {
		t := b.assigned(lhs[i], e)
		if inMemory(t) {
			v := b.inMemory(t)
			b.fill(v.place, t, e)
			values = append(values, pending{at: v.place})
			continue
		}
		b.valueAs(e, t)
		values = append(values, pending{locals: b.pop(b.c.parts(t, e))})
	}
	return values
}

// assigned is the type that a value is stored as.
func (b *body) assigned(lhs, rhs ast.Expr) types.Type {
	if id, ok := ast.Unparen(lhs).(*ast.Ident); ok && id.Name == "_" {
		return b.c.info.TypeOf(rhs)
	}
	return b.c.info.TypeOf(lhs)
}

// storePending assigns a value that is known.
func (b *body) storePending(lhs ast.Expr, to place, v pending) {
	if b.isPlain(lhs) {
		if id := ast.Unparen(lhs).(*ast.Ident); id.Name != "_" {
			for _, l := range v.locals {
				b.get(l)
			}
			b.setAll(b.lookup(b.c.info.ObjectOf(id), id).locals)
		}
		return
	}
	t := b.c.info.TypeOf(lhs)
	b.base(to)
	if inMemory(t) {
		b.plus(to.offset)
		b.base(v.at)
		b.plus(v.at.offset)
		b.copyMemory(sizeOf(t))
		return
	}
	for _, l := range v.locals {
		b.get(l)
	}
	b.store(t, to.offset)
}
