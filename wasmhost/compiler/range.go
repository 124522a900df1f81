package compiler

import (
	"go/ast"
	"go/token"
	"go/types"
)

// over is range over an integer, a slice, a string's bytes or an array.
func (b *body) over(s *ast.RangeStmt, label string) {
	defer b.scope()()
	t := b.c.info.TypeOf(s.X)
	scalar, number := scalarOf(t)
	_, array := arrayOf(t)
	switch {
	case number && scalar.as != f64 && !array:
		b.counted(s, label, scalar)
	case isSlice(t) || array:
		b.elements(s, label, t)
	default:
		b.c.fail(s, "range over %s is not supported", t)
	}
}

// counted is range over an integer.
func (b *body) counted(s *ast.RangeStmt, label string, sc scalar) {
	b.value(s.X)
	n := b.pop([]valueType{sc.as})[0]
	i := b.local(sc.as)
	b.zero(sc.as)
	b.set(i)
	b.turns(label, func() {
		b.get(i)
		b.get(n)
		b.op(opcode(token.LSS, sc))
	}, func() {
		defer b.scope()()
		b.loopVariable(s, s.Key, func() { b.get(i) })
		b.statements(s.Body.List)
	}, func() {
		b.get(i)
		b.count(sc, 1)
		b.op(opcode(token.ADD, sc))
		b.set(i)
	})
}

// elements is range over a slice or an array. As many turns are made as there
// are elements at the beginning.
func (b *body) elements(s *ast.RangeStmt, label string, t types.Type) {
	parts := b.ranged(s, t)
	size := sizeOf(elem(t))
	i := b.local(i32)
	b.zero(i32)
	b.set(i)
	b.turns(label, func() {
		b.get(i)
		b.get(parts[1])
		b.op(opI32LtU)
	}, func() {
		defer b.scope()()
		b.loopVariable(s, s.Key, func() { b.get(i) })
		b.loopVariable(s, s.Value, func() {
			b.get(parts[0])
			b.get(i)
			b.times(size)
			b.op(opI32Add)
			b.load(elem(t), 0, s)
		})
		b.statements(s.Body.List)
	}, func() {
		b.get(i)
		b.plus(1)
		b.set(i)
	})
}

// ranged are the elements that a loop goes over. Those of an array are the ones
// at the beginning, whatever the body does to it, where the body looks at them.
func (b *body) ranged(s *ast.RangeStmt, t types.Type) []int {
	if !isArray(t) || s.Value == nil {
		return b.whole(s.X, t)
	}
	v := b.inMemory(t)
	b.fill(v.place, t, s.X)
	n := int32(t.Underlying().(*types.Array).Len())
	b.const32(int32(v.place.offset))
	b.const32(n)
	b.const32(n)
	return b.pop([]valueType{i32, i32, i32})
}

// loopVariable sets the variable of a turn.
func (b *body) loopVariable(s *ast.RangeStmt, e ast.Expr, push func()) {
	if e == nil {
		return
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		b.c.fail(e, "range sets variables alone")
	}
	if id.Name == "_" {
		return
	}
	obj := b.c.info.ObjectOf(id)
	if inMemory(obj.Type()) {
		b.c.fail(e, "range over values of type %s is not supported: use the index", obj.Type())
	}
	if b.frame.f.held[obj] {
		b.c.fail(e, "the address of a loop variable is not supported")
	}
	if s.Tok == token.DEFINE {
		v := &variable{}
		for _, p := range b.c.parts(obj.Type(), e) {
			v.locals = append(v.locals, b.local(p))
		}
		b.vars[obj] = v
	}
	push()
	v := b.lookup(obj, id)
	if v.kind != localVariable {
		b.c.fail(e, "range sets local variables alone")
	}
	b.setAll(v.locals)
}
