package guard

// global is the type of a global.
type global struct {
	value   byte
	mutable bool
}

// readGlobals reads globals of numbers and vectors with a constant each.
func (m *module) readGlobals(r *reader) {
	n := r.count("globals", maxGlobals, 4)
	m.globals = make([]global, 0, n)
	for range n {
		at := r.pos
		g := global{value: r.byte()}
		mutable := r.byte()
		switch {
		case r.bad != nil:
			return
		case !isValue(g.value):
			r.fail(at, CodeFeature, "a global of type %#x (allowed: i32, i64, f32, f64, v128)", g.value)
		case mutable > 1:
			r.fail(at+1, CodeSection, "a global with mutability %d (allowed: 0, 1)", mutable)
		}
		g.mutable = mutable == 1
		if r.constant(g.value); r.bad != nil {
			return
		}
		if g.mutable {
			m.mutable++
		}
		m.globals = append(m.globals, g)
	}
	m.info.Globals = n
}

// constant reads an initialiser: one constant of the type, and end. It returns
// the value of an i32.
func (r *reader) constant(want byte) uint32 {
	at := r.pos
	got, value := byte(0), uint32(0)
	switch r.byte() {
	case opI32Const:
		got = typeI32
		value = uint32(r.signed(32))
	case opI64Const:
		got = typeI64
		r.signed(64)
	case opF32Const:
		got = typeF32
		r.bytes(4)
	case opF64Const:
		got = typeF64
		r.bytes(8)
	case opVector:
		if r.byte() == vectorConst {
			got = typeV128
		}
		r.bytes(16)
	}
	if end := r.byte(); r.bad == nil && (got != want || end != opEnd) {
		r.fail(at, CodeType, "an initialiser is not one constant of its type")
	}
	return value
}
