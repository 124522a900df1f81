package guard

// rewrite writes the module that may run. Everything is appended at the end of
// its index space, so that no index of the module changes. It only runs after
// all checks, and cannot fail.
func (m *module) rewrite() []byte {
	m.plan.appended = append(m.plan.appended, shimTypes()...)
	w := &writer{b: make([]byte, 0, m.outputSize())}
	w.b = append(w.b, header...)
	for _, id := range []byte{
		sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport, sectionStart,
		sectionElement, sectionDataCount, sectionCode, sectionData,
	} {
		m.write(w, id)
	}
	return w.b
}

// outputSize is an upper bound for a module whose operands are of ordinary
// size; more is only slower.
func (m *module) outputSize() int {
	return len(m.in) + 24*len(m.plan.charges) + 48*len(m.plan.functions) + 3*len(m.plan.edits) + 1024
}

func (m *module) write(w *writer, id byte) {
	switch id {
	case sectionType:
		w.section(id, func() { m.writeTypes(w) })
	case sectionFunction:
		w.section(id, func() { m.writeFunctions(w) })
	case sectionTable:
		if m.hasTable {
			size := uint32(m.info.TableSize)
			w.section(id, func() { w.raw(1, 0x70, 1); w.u32(size); w.u32(size) })
		}
	case sectionMemory:
		w.section(id, func() { w.raw(1, 1); w.u32(uint32(m.info.MinPages)); w.u32(uint32(m.info.MaxPages)) })
	case sectionGlobal:
		w.section(id, func() { m.writeGlobals(w) })
	case sectionExport:
		w.section(id, func() { m.writeExports(w) })
	case sectionCode:
		w.section(id, func() { m.writeCode(w) })
	default:
		if m.seen[id] {
			w.section(id, func() { w.b = append(w.b, m.in[m.body[id][0]:m.body[id][1]]...) })
		}
	}
}

// items writes the items of a section of the input behind a new count.
func (m *module) items(w *writer, id byte, count int) {
	w.u32(uint32(count))
	if !m.seen[id] {
		return
	}
	r := &reader{b: m.in, pos: m.body[id][0], end: m.body[id][1]}
	r.u32() // the old count
	w.b = append(w.b, r.b[r.pos:r.end]...)
}

func (m *module) writeTypes(w *writer) {
	m.items(w, sectionType, len(m.types)+len(m.plan.appended))
	for _, t := range m.plan.appended {
		w.raw(0x60)
		w.u32(uint32(len(t.params)))
		w.raw(t.params...)
		w.u32(uint32(len(t.results)))
		w.raw(t.results...)
	}
}

func (m *module) writeFunctions(w *writer) {
	m.items(w, sectionFunction, len(m.funcs)-m.imported+shims)
	last := uint32(len(m.types) + len(m.plan.appended))
	w.u32(last - 2) // grow
	w.u32(last - 1) // fill
	w.u32(last - 1) // copy
}

// counters is the number of globals that are added.
const counters = 2

func (m *module) fuelIndex() uint32  { return uint32(len(m.globals)) }
func (m *module) stackIndex() uint32 { return m.fuelIndex() + 1 }

func (m *module) writeGlobals(w *writer) {
	m.items(w, sectionGlobal, len(m.globals)+counters)
	for _, start := range []int64{m.rules.Limits.InitialFuel, m.rules.Limits.StackBytes} {
		w.raw(typeI64, 1)
		w.i64(start)
		w.raw(opEnd)
	}
}

func (m *module) writeExports(w *writer) {
	m.items(w, sectionExport, m.info.Exports+counters)
	w.name(FuelGlobal)
	w.op(exportGlobal, m.fuelIndex())
	w.name(StackGlobal)
	w.op(exportGlobal, m.stackIndex())
}

func (m *module) writeCode(w *writer) {
	w.u32(uint32(len(m.plan.functions) + shims))
	for i := range m.plan.functions {
		w.sized(func() { m.writeFunction(w, &m.plan.functions[i]) })
	}
	m.writeShims(w)
}

// writeFunction writes a body with its charges and edits, which both stand in
// the order of the code.
func (m *module) writeFunction(w *writer, p *functionPlan) {
	pos := p.from
	edits := m.plan.edits[p.edits[0]:p.edits[1]]
	copyTo := func(to int) {
		for len(edits) > 0 && int(edits[0].at) < to {
			e := edits[0]
			w.b = append(w.b, m.in[pos:int(e.at)]...)
			if e.call {
				w.op(opCall, m.shim(int(e.arg)))
			} else {
				w.op(opBranch, uint32(e.arg))
			}
			pos, edits = int(e.at)+int(e.len), edits[1:]
		}
		w.b = append(w.b, m.in[pos:to]...)
		pos = to
	}
	for i, c := range m.plan.charges[p.charges[0]:p.charges[1]] {
		copyTo(c.at)
		if i == 0 {
			m.enter(w, p, c.cost)
			continue
		}
		take(w, m.fuelIndex(), c.cost)
		trapBelowZero(w, m.fuelIndex())
	}
	copyTo(p.end)
	m.exit(w, p)
}

// enter charges the entry of a function. A leaf takes no stack: it is the last
// frame of a chain, and its size is bounded by the limits of one function.
func (m *module) enter(w *writer, p *functionPlan, cost int64) {
	take(w, m.fuelIndex(), cost)
	if p.weight == 0 {
		trapBelowZero(w, m.fuelIndex())
		return
	}
	take(w, m.stackIndex(), p.weight)
	trapBelowZero(w, m.fuelIndex(), m.stackIndex())
	w.block(p.block)
}

// exit closes the block around the code and gives the stack back.
func (m *module) exit(w *writer, p *functionPlan) {
	if p.weight == 0 {
		return
	}
	w.op(opGlobalGet, m.stackIndex())
	w.i64(p.weight)
	w.raw(opI64Add)
	w.op(opGlobalSet, m.stackIndex())
	w.raw(opEnd)
}

// take subtracts from a counter.
func take(w *writer, counter uint32, amount int64) {
	w.op(opGlobalGet, counter)
	w.i64(amount)
	w.raw(opI64Sub)
	w.op(opGlobalSet, counter)
}

// trapBelowZero ends the call when one of the counters is negative: all of
// them in one comparison.
func trapBelowZero(w *writer, indices ...uint32) {
	for i, c := range indices {
		w.op(opGlobalGet, c)
		if i > 0 {
			w.raw(opI64Or)
		}
	}
	w.i64(0)
	w.raw(opI64LtS, opIf, emptyBlock, opUnreachable, opEnd)
}
