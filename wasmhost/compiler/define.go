package compiler

import (
	"go/ast"
	"go/types"
)

// define declares variables with their values.
func (b *body) define(lhs, rhs []ast.Expr, at ast.Node) {
	if len(lhs) == 1 && len(rhs) == 1 {
		id := lhs[0].(*ast.Ident)
		if obj := b.c.info.Defs[id]; obj != nil {
			b.declare(obj, rhs[0])
			return
		}
		b.assignOne(id, rhs[0]) // the blank identifier
		return
	}
	for _, e := range lhs {
		id := e.(*ast.Ident)
		if obj := b.c.info.Defs[id]; obj != nil {
			b.declareZero(obj)
			b.vars[obj].fixed = false // several sets it once more
		}
	}
	defer b.scope()()
	b.several(lhs, rhs, at)
}

// declare makes a variable and gives it a value.
func (b *body) declare(obj types.Object, e ast.Expr) {
	f := b.frame.f
	if f.held[obj] || inMemory(obj.Type()) {
		v := b.inMemory(obj.Type())
		b.initialise(v, obj, e)
		b.vars[obj] = v
		return
	}
	if isPointer(obj.Type()) && !f.changed[obj] {
		if p, ok := b.pure(e); ok {
			b.vars[obj] = &variable{kind: addressVariable, place: p, fixed: true}
			return
		}
	}
	v := &variable{fixed: !f.changed[obj]}
	for _, p := range b.c.parts(obj.Type(), e) {
		v.locals = append(v.locals, b.local(p))
	}
	b.valueAs(e, obj.Type())
	b.setAll(v.locals)
	b.vars[obj] = v
}

// initialise gives a variable in memory its first value.
func (b *body) initialise(v *variable, obj types.Object, e ast.Expr) {
	if inMemory(obj.Type()) {
		b.fill(v.place, obj.Type(), e)
		return
	}
	b.base(v.place)
	b.valueAs(e, obj.Type())
	b.store(obj.Type(), v.place.offset)
}

// declareZero makes a variable without a value. A loop comes by again, so that
// its zero is written.
func (b *body) declareZero(obj types.Object) {
	f := b.frame.f
	if f.held[obj] || inMemory(obj.Type()) {
		v := b.inMemory(obj.Type())
		b.wipe(v.place, sizeOf(obj.Type()))
		b.vars[obj] = v
		return
	}
	v := &variable{fixed: !f.changed[obj]}
	for _, p := range b.c.parts(obj.Type(), f.decl) {
		l := b.local(p)
		b.zero(p)
		b.set(l)
		v.locals = append(v.locals, l)
	}
	b.vars[obj] = v
}

func (b *body) setAll(locals []int) {
	for i := len(locals) - 1; i >= 0; i-- {
		b.set(locals[i])
	}
}
