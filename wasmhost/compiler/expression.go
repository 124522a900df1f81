package compiler

import (
	"encoding/binary"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"math"
)

// value pushes the parts of an expression.
func (b *body) value(e ast.Expr) {
	tv := b.c.info.Types[e]
	if tv.Value != nil {
		b.constant(tv.Value, tv.Type, e)
		return
	}
	if tv.IsNil() {
		b.zeros(tv.Type, e)
		return
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		b.value(e.X)
	case *ast.Ident:
		b.variable(e)
	case *ast.SelectorExpr, *ast.StarExpr, *ast.IndexExpr:
		b.loaded(e)
	case *ast.UnaryExpr:
		b.unary(e)
	case *ast.BinaryExpr:
		b.binary(e)
	case *ast.CallExpr:
		b.call(e)
	case *ast.SliceExpr:
		b.slice(e)
	case *ast.FuncLit:
		b.c.fail(e, "closures are not supported")
	case *ast.CompositeLit:
		b.c.fail(e, "a composite literal can only be assigned to a variable")
	case *ast.TypeAssertExpr:
		b.c.fail(e, "interfaces are not supported")
	default:
		b.c.fail(e, "this expression is not supported")
	}
}

// valueAs is value of what becomes a type. Between types that can be assigned
// to each other only interfaces differ, which there are none of.
func (b *body) valueAs(e ast.Expr, t types.Type) {
	if b.c.info.Types[e].IsNil() {
		b.zeros(t, e)
		return
	}
	if v := b.c.info.Types[e].Value; v != nil {
		b.constant(v, t, e)
		return
	}
	b.value(e)
}

// zeros pushes the zero of all parts of a type.
func (b *body) zeros(t types.Type, at ast.Node) {
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Kind() == types.UntypedNil {
		b.const32(0)
		return
	}
	for _, p := range b.c.parts(t, at) {
		b.zero(p)
	}
}

// constant pushes a constant of a type.
func (b *body) constant(v constant.Value, t types.Type, at ast.Node) {
	if isString(t) {
		s := constant.StringVal(v)
		b.const32(int32(b.c.module.text(s)))
		b.const32(int32(len(s)))
		return
	}
	s, ok := scalarOf(t)
	switch {
	case !ok:
		b.c.fail(at, "constants of type %s are not supported", t)
	case v.Kind() == constant.Bool:
		b.const32(boolean(constant.BoolVal(v)))
	case s.as == f64:
		f, _ := constant.Float64Val(constant.ToFloat(v))
		b.op(opF64Const)
		b.code = binary.LittleEndian.AppendUint64(b.code, math.Float64bits(f))
	case s.as == i64:
		b.const64(integer(v))
	default:
		b.const32(int32(integer(v)))
	}
}

// integer is a constant as the bits of 64.
func integer(v constant.Value) int64 {
	v = constant.ToInt(v)
	if n, exact := constant.Int64Val(v); exact {
		return n
	}
	n, _ := constant.Uint64Val(v)
	return int64(n)
}

func boolean(v bool) int32 {
	if v {
		return 1
	}
	return 0
}

// variable pushes the value of a name.
func (b *body) variable(id *ast.Ident) {
	obj := b.c.info.ObjectOf(id)
	if _, ok := obj.(*types.Var); !ok {
		b.c.fail(id, "functions as values are not supported")
	}
	v := b.lookup(obj, id)
	switch v.kind {
	case localVariable:
		for _, l := range v.locals {
			b.get(l)
		}
	case addressVariable:
		b.base(v.place)
		b.plus(v.place.offset)
	case constantVariable:
		b.constant(v.value, obj.Type(), id)
	case textVariable:
		b.const32(int32(b.c.module.text(v.text)))
		b.const32(int32(len(v.text)))
	case memoryVariable:
		if inMemory(obj.Type()) {
			b.c.fail(id, "a value of type %s can only be assigned, or reached by its fields", obj.Type())
		}
		b.base(v.place)
		b.load(obj.Type(), v.place.offset, id)
	}
}

// loaded pushes a field, an element, or what a pointer points to.
func (b *body) loaded(e ast.Expr) {
	t := b.c.info.TypeOf(e)
	if sel, ok := e.(*ast.SelectorExpr); ok && b.c.info.Selections[sel] == nil {
		b.variable(sel.Sel) // of another package
		return
	}
	if inMemory(t) {
		b.c.fail(e, "a value of type %s can only be assigned, or reached by its fields", t)
	}
	b.load(t, b.address(e), e)
}

// unary pushes the result of an operator with one operand.
func (b *body) unary(e *ast.UnaryExpr) {
	t := b.c.info.TypeOf(e)
	switch e.Op {
	case token.AND:
		b.plus(b.pointer(e))
	case token.NOT:
		b.value(e.X)
		b.op(opI32Eqz)
	case token.ADD:
		b.value(e.X)
	case token.SUB, token.XOR:
		b.flipped(e, t)
	default:
		b.c.fail(e, "the operator %s is not supported", e.Op)
	}
}

// flipped is -x and ^x.
func (b *body) flipped(e *ast.UnaryExpr, t types.Type) {
	s, _ := scalarOf(t)
	switch {
	case s.as == f64:
		b.value(e.X)
		b.op(opF64Neg)
	case e.Op == token.SUB && s.as == i64:
		b.const64(0)
		b.value(e.X)
		b.op(opI64Sub)
	case e.Op == token.SUB:
		b.const32(0)
		b.value(e.X)
		b.op(opI32Sub)
	case s.as == i64:
		b.value(e.X)
		b.const64(-1)
		b.op(opI64Xor)
	default:
		b.value(e.X)
		b.const32(-1)
		b.op(opI32Xor)
	}
	b.narrow(s)
}

// narrow makes the bits above a type of less than 32 what they have to be.
func (b *body) narrow(s scalar) {
	if s.as != i32 || s.bytes == 4 {
		return
	}
	switch {
	case s.signed && s.bytes == 1:
		b.op(opI32Extend8S)
	case s.signed:
		b.op(opI32Extend16S)
	default:
		b.const32(1<<(8*s.bytes) - 1)
		b.op(opI32And)
	}
}
