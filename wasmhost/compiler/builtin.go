package compiler

import (
	"go/ast"
	"go/token"
)

// callBuiltin writes a function of the language or of package unsafe.
func (b *body) callBuiltin(name string, e *ast.CallExpr) {
	switch name {
	case "len", "cap":
		b.length(name, e.Args[0])
	case "min", "max":
		b.extreme(name, e)
	case "make":
		b.make(e)
	case "append":
		b.appended(e)
	case "clear":
		b.clear(e.Args[0])
	case "copy":
		b.copied(e)
	case "panic":
		b.op(opUnreachable)
	case "Add":
		b.plus(b.pointer(e))
	case "Slice":
		b.plus(b.pointer(e.Args[0]))
		b.index(e.Args[1])
		defer b.scope()()
		n := b.local(i32)
		b.tee(n)
		b.get(n)
	case "StringData", "SliceData":
		defer b.scope()()
		b.get(b.header(e.Args[0])[0])
	default:
		b.c.fail(e, "%s is not supported", name)
	}
}

// length is len and cap of a slice or string; those of arrays are constants.
func (b *body) length(name string, e ast.Expr) {
	if _, ok := arrayOf(b.c.info.TypeOf(e)); ok {
		b.c.fail(e, "%s of what is called first is not supported", name)
	}
	defer b.scope()()
	parts := b.header(e)
	if name == "cap" {
		b.get(parts[2])
		return
	}
	b.get(parts[1])
}

// extreme is min and max. Those of doubles are the instructions: NaN where one
// of them is NaN, and -0 below +0, as in Go.
func (b *body) extreme(name string, e *ast.CallExpr) {
	t := b.c.info.TypeOf(e)
	s, ok := scalarOf(t)
	if !ok {
		b.c.fail(e, "%s of %s is not supported", name, t)
	}
	b.valueAs(e.Args[0], t)
	for _, arg := range e.Args[1:] {
		b.valueAs(arg, t)
		switch {
		case s.as == f64 && name == "min":
			b.op(opF64Min)
		case s.as == f64:
			b.op(opF64Max)
		default:
			b.chosen(name, s)
		}
	}
}

// chosen is the smaller or larger of the two integers on the stack.
func (b *body) chosen(name string, s scalar) {
	defer b.scope()()
	two := b.pop([]valueType{s.as, s.as})
	op := token.LSS
	if name == "max" {
		op = token.GTR
	}
	b.get(two[0])
	b.get(two[1])
	b.get(two[0])
	b.get(two[1])
	b.op(opcode(op, s), opSelect)
}
