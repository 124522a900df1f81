package guard

// readTypes reads the type section: functions of numbers and vectors.
func (m *module) readTypes(r *reader) {
	n := r.count("types", maxTypes, 3)
	m.types = make([]signature, 0, n)
	for range n {
		at := r.pos
		if form := r.byte(); form != 0x60 {
			r.fail(at, CodeFeature, "type form %#x is not a function (allowed: 0x60)", form)
		}
		params := r.values("parameters of a type", maxParams)
		results := r.values("results of a type", maxResults)
		if r.bad != nil {
			return
		}
		m.types = append(m.types, signature{params, results})
	}
	m.info.Types = n
}

// values reads a vector of value types.
func (r *reader) values(limit string, allowed int) []byte {
	list := r.bytes(r.count(limit, allowed, 1))
	for i, t := range list {
		if !isValue(t) {
			r.fail(r.pos-len(list)+i, CodeFeature, "value type %#x (allowed: i32, i64, f32, f64, v128)", t)
		}
	}
	return list
}

func isValue(t byte) bool { return t >= typeV128 && t <= typeI32 }

// typeIndex reads the index of a type.
func (m *module) typeIndex(r *reader) uint32 {
	at := r.pos
	i := r.u32()
	if i >= uint32(len(m.types)) {
		r.fail(at, CodeIndex, "type %d, the module has %d", i, len(m.types))
		return 0
	}
	return i
}

// funcIndex reads the index of a function.
func (m *module) funcIndex(r *reader) uint32 {
	at := r.pos
	i := r.u32()
	if i >= uint32(len(m.funcs)) {
		r.fail(at, CodeIndex, "function %d, the module has %d", i, len(m.funcs))
		return 0
	}
	return i
}

// readFunctions reads the types of the module's own functions.
func (m *module) readFunctions(r *reader) {
	n := r.count("functions", maxFunctions, 1)
	m.funcs = append(make([]uint32, 0, m.imported+n), m.funcs...)
	for range n {
		i := m.typeIndex(r)
		if r.bad != nil {
			return
		}
		m.funcs = append(m.funcs, i)
	}
	m.info.Functions = n
}

// readStart reads the start function. It runs on the initial fuel.
func (m *module) readStart(r *reader) {
	at := r.pos
	i := m.funcIndex(r)
	if r.bad != nil {
		return
	}
	if t := m.types[m.funcs[i]]; len(t.params)+len(t.results) > 0 {
		r.fail(at, CodeType, "the start function has parameters or results")
	}
}

// typeName names a value type.
func typeName(t byte) string {
	return map[byte]string{typeI32: "i32", typeI64: "i64", typeF32: "f32", typeF64: "f64", typeV128: "v128"}[t]
}
