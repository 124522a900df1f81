package guard

// plan is what the rewriting inserts, for all functions one after the other:
// it is made while the code is checked, so that nothing is read twice by
// different rules.
type plan struct {
	functions []functionPlan
	charges   []charge
	edits     []edit
	results   map[uint32]uint32 // function type -> type without parameters and with its results
	appended  []signature       // types that the above needed, and those of the shims
}

// functionPlan is one body.
type functionPlan struct {
	from, code, end int // in the file: declarations of locals, code, end
	charges         [2]int
	edits           [2]int
	weight          int64 // bytes of stack; 0: a leaf, which takes none
	block           blockType
}

// charge is fuel to take at a place: the entry of the function, or a loop.
type charge struct {
	at   int
	cost int64
}

// edit replaces an instruction by a branch or by the call of a shim. It has 8
// bytes: two bytes of code can need one.
type edit struct {
	at   uint32
	arg  uint16 // label or shim
	len  uint8
	call bool
}

// blockType is what stands after a block opcode: the results of a block
// without parameters.
type blockType struct {
	value byte   // one value or none
	index uint32 // a type
	long  bool   // index counts
}

// blockOf returns the type of a block with the results of a function.
func (m *module) blockOf(fn uint32) blockType {
	t := m.types[fn]
	switch {
	case len(t.results) == 0:
		return blockType{value: emptyBlock}
	case len(t.results) == 1:
		return blockType{value: t.results[0]}
	case len(t.params) == 0:
		return blockType{index: fn, long: true}
	}
	i, ok := m.plan.results[fn]
	if !ok {
		i = m.appendType(signature{results: t.results})
		m.plan.results[fn] = i
	}
	return blockType{index: i, long: true}
}

func (m *module) appendType(t signature) uint32 {
	m.plan.appended = append(m.plan.appended, t)
	return uint32(len(m.types) + len(m.plan.appended) - 1)
}
