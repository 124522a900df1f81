package compiler

import (
	"encoding/binary"
	"go/ast"
	"go/constant"
	"go/types"
	"math"
)

// image writes the first value of a variable of a package as it lies in
// memory. Code that would compute it does not run: nothing is called before
// the first export is.
func (c *compiler) image(data []byte, t types.Type, e ast.Expr) {
	if lit, ok := ast.Unparen(e).(*ast.CompositeLit); ok && inMemory(t) {
		for _, l := range c.leaves(lit, 0, nil) {
			c.image(data[l.at:], l.t, l.e)
		}
		return
	}
	v := c.info.Types[e].Value
	if isString(t) {
		text := constant.StringVal(v)
		binary.LittleEndian.PutUint32(data, c.module.text(text))
		binary.LittleEndian.PutUint32(data[4:], uint32(len(text)))
		return
	}
	s, ok := scalarOf(t)
	switch {
	case !ok:
		c.fail(e, "constants of type %s are not supported", t)
	case v.Kind() == constant.Bool:
		data[0] = byte(boolean(constant.BoolVal(v)))
	case s.as == f64:
		f, _ := constant.Float64Val(constant.ToFloat(v))
		binary.LittleEndian.PutUint64(data, math.Float64bits(f))
	default:
		var bits [8]byte
		binary.LittleEndian.PutUint64(bits[:], uint64(integer(v)))
		copy(data, bits[:s.bytes])
	}
}
