package compiler

import (
	"go/ast"
	"math"
)

// one instruction each, exact on every machine.
var mathInstructions = map[string]byte{
	"Abs": opF64Abs, "Ceil": opF64Ceil, "Copysign": opF64Copysign, "Float64bits": opI64Reinterpret, "Float64frombits": opF64Reinterpret,
	"Floor": opF64Floor, "RoundToEven": opF64Nearest, "Sqrt": opF64Sqrt, "Trunc": opF64Trunc,
}

// The bits of the values that have no constant in Go.
const (
	nanBits      = 0x7ff8000000000001
	infinityBits = 0x7ff0000000000000
)

// callMath writes a function of package math.
func (b *body) callMath(name string, e *ast.CallExpr) {
	if code, ok := mathInstructions[name]; ok {
		for _, arg := range e.Args {
			b.value(arg)
		}
		b.op(code)
		return
	}
	defer b.scope()()
	switch name {
	case "NaN":
		b.const64(nanBits)
		b.op(opF64Reinterpret)
	case "IsNaN":
		x := b.evaluated(e.Args[0])
		b.get(x)
		b.get(x)
		b.op(opF64Ne)
	case "Signbit":
		b.value(e.Args[0])
		b.op(opI64Reinterpret)
		b.const64(0)
		b.op(opI64LtS)
	case "Inf":
		b.const64(infinityBits)
		b.const64(infinityBits | math.MinInt64)
		b.value(e.Args[0])
		b.const32(0)
		b.op(arithmetic[">="][0], opSelect, opF64Reinterpret)
	case "IsInf":
		b.infinite(e)
	}
}

// evaluated is a local with the value of a double.
func (b *body) evaluated(e ast.Expr) int {
	b.value(e)
	return b.pop([]valueType{f64})[0]
}

// infinite is math.IsInf: for a sign above 0 the positive one, below 0 the
// negative one, for 0 both.
func (b *body) infinite(e *ast.CallExpr) {
	x := b.evaluated(e.Args[0])
	b.value(e.Args[1])
	sign := b.pop([]valueType{i32})[0]
	for i, bits := range []int64{infinityBits, infinityBits | math.MinInt64} {
		b.get(x)
		b.const64(bits)
		b.op(opF64Reinterpret, opF64Eq)
		b.get(sign)
		b.const32(0)
		b.op(arithmetic[[]string{">=", "<="}[i]][0], opI32And)
	}
	b.op(opI32Or)
}
