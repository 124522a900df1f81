package guard

import "encoding/binary"

// writer appends the binary format.
type writer struct{ b []byte }

func (w *writer) raw(b ...byte) { w.b = append(w.b, b...) }

func (w *writer) u32(v uint32) { w.b = binary.AppendUvarint(w.b, uint64(v)) }

func (w *writer) s64(v int64) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			w.raw(c)
			return
		}
		w.raw(c | 0x80)
	}
}

func (w *writer) name(s string) {
	w.u32(uint32(len(s)))
	w.b = append(w.b, s...)
}

// sizeBytes is the width of a length that is written before it is known: a
// padded number, which is legal.
const sizeBytes = 5

// sized writes what fill writes, with its length in front.
func (w *writer) sized(fill func()) {
	at := len(w.b)
	w.raw(0x80, 0x80, 0x80, 0x80, 0)
	fill()
	size := uint32(len(w.b) - at - sizeBytes)
	for i := range sizeBytes {
		w.b[at+i] |= byte(size>>(7*i)) & 0x7f
	}
}

// section writes a section.
func (w *writer) section(id byte, fill func()) {
	w.raw(id)
	w.sized(fill)
}

// op writes an instruction with an index.
func (w *writer) op(op byte, index uint32) {
	w.raw(op)
	w.u32(index)
}

func (w *writer) i64(v int64) {
	w.raw(opI64Const)
	w.s64(v)
}

// block writes the type of a block.
func (w *writer) block(t blockType) {
	w.raw(opBlock)
	if t.long {
		w.s64(int64(t.index))
		return
	}
	w.raw(t.value)
}
