package guard

// readElements reads the contents of the table. The runtime allocates from
// both counts, so both are bounded.
func (m *module) readElements(r *reader) {
	n := r.count("element segments", maxElementSegments, 5)
	entries := 0
	for range n {
		at := r.pos
		from := r.active("element")
		k := r.count("entries of element segments", maxElementEntries, 1)
		if entries += k; r.bad == nil && entries > maxElementEntries {
			r.over(at, "entries of element segments", int64(entries), maxElementEntries)
		}
		if uint64(from)+uint64(k) > uint64(m.info.TableSize) || !m.hasTable {
			r.fail(at, CodeIndex, "an element segment of %d entries at %d, the table has %d", k, from, m.info.TableSize)
		}
		for range k {
			if m.funcIndex(r); r.bad != nil {
				break
			}
		}
		if r.bad != nil {
			return
		}
	}
}

// active reads the head of an active segment: kind 0, a constant offset.
func (r *reader) active(what string) (offset uint32) {
	at := r.pos
	if kind := r.byte(); kind != 0 {
		r.fail(at, CodeFeature, "%s segment of kind %d (allowed: 0, active with a constant offset)", what, kind)
		return 0
	}
	return r.constant(typeI32)
}

// readData reads the initial contents of the memory.
func (m *module) readData(r *reader) {
	n := r.count("data segments", m.rules.Limits.DataSegments, 5)
	for range n {
		r.active("data")
		if r.bad == nil && !m.hasMemory {
			r.fail(r.pos, CodeIndex, "a data segment without a memory")
		}
		size := int(r.u32())
		if r.bytes(size); r.bad != nil {
			return
		}
	}
	m.info.DataSegments = n
}
