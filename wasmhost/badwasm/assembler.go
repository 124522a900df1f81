package badwasm

import (
	"encoding/binary"
	"math"
	"slices"
)

// Join puts parts of code or of a section together.
func Join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Op is bytes as they stand.
func Op(b ...byte) []byte { return b }

// U32 encodes an unsigned number.
func U32(v uint32) []byte { return binary.AppendUvarint(nil, uint64(v)) }

// S64 encodes a signed number of 32, 33 or 64 bits.
func S64(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// Name encodes a text with its length.
func Name(s string) []byte { return Join(U32(uint32(len(s))), []byte(s)) }

// Section encodes a section.
func Section(id byte, body ...[]byte) []byte {
	b := Join(body...)
	return Join([]byte{id}, U32(uint32(len(b))), b)
}

// Vector encodes items with their number.
func Vector(items ...[]byte) []byte { return Join(U32(uint32(len(items))), Join(items...)) }

// Repeat puts n copies of b together.
func Repeat(n int, b ...byte) []byte { return slices.Repeat(b, n) }

// Each puts together what f gives for 0 to n-1.
func Each(n int, f func(i int) []byte) []byte {
	var out []byte
	for i := range n {
		out = append(out, f(i)...)
	}
	return out
}

// I32 is an i32.const.
func I32(v int32) []byte { return Join(Op(0x41), S64(int64(v))) }

// I64 is an i64.const.
func I64(v int64) []byte { return Join(Op(0x42), S64(v)) }

// F64 is an f64.const.
func F64(v float64) []byte {
	return binary.LittleEndian.AppendUint64(Op(0x44), math.Float64bits(v))
}

// Get is a local.get.
func Get(i uint32) []byte { return Join(Op(0x20), U32(i)) }

// Set is a local.set.
func Set(i uint32) []byte { return Join(Op(0x21), U32(i)) }

// Tee is a local.tee.
func Tee(i uint32) []byte { return Join(Op(0x22), U32(i)) }

// GlobalGet is a global.get.
func GlobalGet(i uint32) []byte { return Join(Op(0x23), U32(i)) }

// GlobalSet is a global.set.
func GlobalSet(i uint32) []byte { return Join(Op(0x24), U32(i)) }

// Call is a call.
func Call(i uint32) []byte { return Join(Op(0x10), U32(i)) }

// Load is a load of any width with alignment 1 and an offset.
func Load(op byte, offset uint32) []byte { return Join(Op(op, 0), U32(offset)) }

// Store is a store of any width with alignment 1 and an offset.
func Store(op byte, offset uint32) []byte { return Join(Op(op, 0), U32(offset)) }

// Block is a block without parameters and results.
func Block(code ...[]byte) []byte { return Join(Op(0x02, 0x40), Join(code...), Op(End)) }

// Loop is a loop without parameters and results.
func Loop(code ...[]byte) []byte { return Join(Op(0x03, 0x40), Join(code...), Op(End)) }

// If is an if without else, parameters and results.
func If(code ...[]byte) []byte { return Join(Op(0x04, 0x40), Join(code...), Op(End)) }

// Br is a br.
func Br(label uint32) []byte { return Join(Op(0x0c), U32(label)) }

// BrIf is a br_if.
func BrIf(label uint32) []byte { return Join(Op(0x0d), U32(label)) }

// Forever is a loop that does work and never ends.
func Forever(work ...[]byte) []byte { return Loop(Join(work...), Br(0)) }

// Single bytes with a name, for code that is read.
const (
	Unreachable = 0x00
	Return      = 0x0f
	Drop        = 0x1a
	End         = 0x0b
)
