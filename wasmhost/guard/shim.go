package guard

// The shims stand behind the module's own functions.
const (
	shimGrow = iota // (i32) -> i32
	shimFill        // (i32, i32, i32)
	shimCopy        // (i32, i32, i32)

	shims
)

// shim is the index of a shim.
func (m *module) shim(which int) uint32 { return uint32(len(m.funcs) + which) }

func shimTypes() []signature {
	three := []byte{typeI32, typeI32, typeI32}
	return []signature{{params: three[:1], results: three[:1]}, {params: three}}
}

// writeShims writes the functions that do memory.grow, memory.fill and
// memory.copy: they charge by the operand, then do it. Growing pays for what
// was asked, also if it fails.
func (m *module) writeShims(w *writer) {
	m.writeShim(w, 0, opI64Shl, pricePageShift, []byte{opLocalGet, 0, opMemoryGrow, 0})
	all := []byte{opLocalGet, 0, opLocalGet, 1, opLocalGet, 2, opMisc}
	m.writeShim(w, 2, opI64ShrU, priceBytesShift, append(all[:len(all):len(all)], miscFill, 0))
	m.writeShim(w, 2, opI64ShrU, priceBytesShift, append(all[:len(all):len(all)], miscCopy, 0, 0))
}

func (m *module) writeShim(w *writer, amount uint32, op byte, shift int64, do []byte) {
	w.sized(func() {
		w.raw(0) // no locals
		w.op(opGlobalGet, m.fuelIndex())
		w.op(opLocalGet, amount)
		w.raw(opExtendU)
		w.i64(shift)
		w.raw(op, opI64Sub)
		w.op(opGlobalSet, m.fuelIndex())
		trapBelowZero(w, m.fuelIndex())
		w.raw(do...)
		w.raw(opEnd)
	})
}
