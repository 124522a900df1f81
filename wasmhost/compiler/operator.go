package compiler

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// binary pushes the result of an operator with two operands.
func (b *body) binary(e *ast.BinaryExpr) {
	switch e.Op { //nolint:exhaustive // the others are arithmetic
	case token.LAND, token.LOR:
		b.logic(e)
		return
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		b.comparison(e)
		return
	}
	t := b.c.info.TypeOf(e)
	if _, ok := scalarOf(t); !ok {
		b.c.fail(e, "the operator %s of %s is not supported", e.Op, t)
	}
	b.valueAs(e.X, t)
	b.operate(e.Op, t, e.Y, e)
}

// logic evaluates the right side where the left one does not decide.
func (b *body) logic(e *ast.BinaryExpr) {
	b.value(e.X)
	b.open(opIf, i32)
	if e.Op == token.LAND {
		b.value(e.Y)
	} else {
		b.const32(1)
	}
	b.op(opElse)
	if e.Op == token.LAND {
		b.const32(0)
	} else {
		b.value(e.Y)
	}
	b.close()
}

// comparison compares numbers, addresses, or a slice with nil.
func (b *body) comparison(e *ast.BinaryExpr) {
	x, y := e.X, e.Y
	if b.c.info.Types[x].IsNil() {
		x, y = y, x
	}
	t := b.c.info.TypeOf(x)
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Info()&types.IsUntyped != 0 {
		t = b.c.info.TypeOf(y)
	}
	if isSlice(t) {
		defer b.scope()()
		b.get(b.header(x)[0])
		b.const32(0)
		b.op(arithmetic[e.Op.String()][1])
		return
	}
	s, ok := scalarOf(t)
	if !ok {
		b.c.fail(e, "comparing values of type %s is not supported", t)
	}
	b.valueAs(x, t)
	b.valueAs(y, t)
	b.op(opcode(e.Op, s))
}

// opcode is the instruction of an operator.
func opcode(op token.Token, s scalar) byte {
	if s.as == f64 {
		return floating[op.String()]
	}
	i := 0
	if s.as == i64 {
		i = 2
	}
	if !s.signed {
		i++
	}
	return arithmetic[op.String()][i]
}

// operate applies an operator to the value on the stack and y.
func (b *body) operate(op token.Token, t types.Type, y ast.Expr, at ast.Node) {
	s, ok := scalarOf(t)
	if !ok {
		b.c.fail(at, "the operator %s of %s is not supported", op, t)
	}
	switch {
	case op == token.SHL || op == token.SHR:
		b.shift(op, s, y)
	case op == token.AND_NOT:
		b.valueAs(y, t)
		b.ones(s)
		b.op(opcode(token.XOR, s), opcode(token.AND, s))
	case (op == token.QUO || op == token.REM) && s.as != f64:
		b.divide(op, s, t, y)
	default:
		b.valueAs(y, t)
		code := opcode(op, s)
		if code == 0 {
			b.c.fail(at, "the operator %s of %s is not supported", op, t)
		}
		b.op(code)
	}
	b.narrow(s)
}

func (b *body) ones(s scalar) {
	if s.as == i64 {
		b.const64(-1)
		return
	}
	b.const32(-1)
}

// divide writes an integer division. Division by zero ends the call, as in Go;
// the smallest number by -1 is itself in Go and would end the call here.
func (b *body) divide(op token.Token, s scalar, t types.Type, y ast.Expr) {
	v := b.c.info.Types[y].Value
	if !s.signed || op == token.REM || (v != nil && constant.Sign(v) > 0) {
		b.valueAs(y, t)
		b.op(opcode(op, s))
		return
	}
	defer b.scope()()
	b.valueAs(y, t)
	operands := b.pop([]valueType{s.as, s.as})
	b.get(operands[1])
	b.ones(s)
	b.op(opcode(token.EQL, s))
	b.open(opIf, s.as)
	b.zero(s.as)
	b.get(operands[0])
	b.op(opcode(token.SUB, s))
	b.op(opElse)
	b.get(operands[0])
	b.get(operands[1])
	b.op(opcode(op, s))
	b.close()
}

// shift writes a shift. WebAssembly takes the count modulo the width; in Go
// all bits are gone from the width on, and a negative count is a panic.
func (b *body) shift(op token.Token, s scalar, y ast.Expr) {
	width := int64(8 * s.bytes)
	if v := b.c.info.Types[y].Value; v != nil {
		n, exact := constant.Int64Val(constant.ToInt(v))
		if !exact || n >= width {
			b.gone(op, s)
			return
		}
		b.count(s, n)
		b.op(opcode(op, s))
		return
	}
	defer b.scope()()
	b.value(y)
	ys, _ := scalarOf(b.c.info.TypeOf(y))
	if ys.as == i32 {
		b.op(extension(ys.signed))
	}
	operands := b.pop([]valueType{s.as, i64})
	if ys.signed {
		b.get(operands[1])
		b.const64(0)
		b.op(opI64LtS)
		b.trapIf()
	}
	b.get(operands[0])
	b.get(operands[1])
	if s.as == i32 {
		b.op(opI32WrapI64)
	}
	b.op(opcode(op, s))
	b.get(operands[0])
	b.gone(op, s)
	b.get(operands[1])
	b.const64(width)
	b.op(opI64LtU, opSelect)
}

// gone is what is left of the value on the stack when all bits are shifted out.
func (b *body) gone(op token.Token, s scalar) {
	if op == token.SHR && s.signed {
		b.count(s, int64(8*s.bytes-1))
		b.op(opcode(op, s))
		return
	}
	b.op(opDrop)
	b.zero(s.as)
}

func (b *body) count(s scalar, n int64) {
	if s.as == i64 {
		b.const64(n)
		return
	}
	b.const32(int32(n))
}

// extension widens 32 bits to 64.
func extension(signed bool) byte {
	if signed {
		return opI64ExtendI32S
	}
	return opI64ExtendI32U
}
