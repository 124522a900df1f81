package compiler

import (
	"go/ast"
	"go/types"
)

// isConversion tells a conversion from a call.
func (b *body) isConversion(e *ast.CallExpr) bool { return b.c.info.Types[e.Fun].IsType() }

// conversion pushes T(x).
func (b *body) conversion(e *ast.CallExpr) {
	to, arg := b.c.info.TypeOf(e), e.Args[0]
	from := b.c.info.TypeOf(arg)
	switch {
	case isPointer(to) && (isPointer(from) || b.c.info.Types[arg].IsNil()):
		b.plus(b.pointer(arg))
		return
	case isPointer(to):
		b.c.fail(e, "a pointer can only be made from another one: use unsafe.Add(unsafe.Pointer(nil), n)")
	case isString(to) && isString(from), isSlice(to) && isSlice(from):
		b.value(arg)
		return
	}
	src, known := scalarOf(from)
	dst, ok := scalarOf(to)
	if !ok || !known {
		b.c.fail(e, "converting %s to %s is not supported", from, to)
	}
	if v := b.c.info.Types[arg].Value; v != nil {
		b.constant(v, to, e)
		return
	}
	b.value(arg)
	b.convert(src, dst)
}

// convert changes the number on the stack. A double that does not fit becomes
// the nearest number that does, NaN 0; Go leaves both open.
func (b *body) convert(from, to scalar) {
	switch {
	case from.as == f64 && to.as == f64:
		return
	case from.as == f64:
		b.op(opPrefixFC, truncation(to))
	case to.as == f64:
		b.op(toDouble(from))
		return
	case from.as == i64 && to.as == i32:
		b.op(opI32WrapI64)
	case from.as == i32 && to.as == i64:
		b.op(extension(from.signed))
	}
	// What fits as it is: a narrower number, but for a negative one without sign.
	if to.bytes <= from.bytes || from.signed != to.signed || from.as == f64 {
		b.narrow(to)
	}
}

func truncation(to scalar) byte {
	switch {
	case to.as == i64 && to.signed:
		return opI64TruncSatS
	case to.as == i64:
		return opI64TruncSatU
	case to.signed:
		return opI32TruncSatS
	}
	return opI32TruncSatU
}

func toDouble(from scalar) byte {
	switch {
	case from.as == i64 && from.signed:
		return opF64ConvertI64S
	case from.as == i64:
		return opF64ConvertI64U
	case from.signed:
		return opF64ConvertI32S
	}
	return opF64ConvertI32U
}

// builtin is the name of a function of the language or of package unsafe, or
// nothing.
func (b *body) builtin(e *ast.CallExpr) string { return b.c.builtinName(e) }

func (c *compiler) builtinName(e *ast.CallExpr) string {
	var id *ast.Ident
	switch fun := ast.Unparen(e.Fun).(type) {
	case *ast.Ident:
		id = fun
	case *ast.SelectorExpr:
		id = fun.Sel
	default:
		return ""
	}
	if obj, ok := c.info.Uses[id].(*types.Builtin); ok {
		return obj.Name()
	}
	return ""
}
