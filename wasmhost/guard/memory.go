package guard

// readMemory reads the one memory: unshared, 32 bits.
func (m *module) readMemory(r *reader) {
	at := r.pos
	if n := r.u32(); r.bad == nil && n != 1 {
		r.fail(at, CodeFeature, "%d memories (allowed: one)", n)
		return
	}
	at = r.pos
	low, high, bounded := r.limits("memory")
	l := m.rules.Limits
	switch {
	case r.bad != nil:
	case uint64(low) > uint64(l.InitialPages):
		r.over(at, "initial pages of memory", int64(low), l.InitialPages)
	case uint64(low) > uint64(l.Pages):
		r.over(at, "pages of memory", int64(low), l.Pages)
	case bounded && high < low:
		r.fail(at, CodeSection, "the maximum of the memory, %d, is below its minimum, %d", high, low)
	case bounded && high > 65_536:
		r.fail(at, CodeSection, "the maximum of the memory is %d pages, 32 bits reach 65536", high)
	}
	m.hasMemory = true
	m.info.MinPages, m.info.MaxPages = int(low), l.Pages
	if bounded && high < uint32(l.Pages) {
		m.info.MaxPages = int(high)
	}
}

// limits reads a minimum and perhaps a maximum.
func (r *reader) limits(what string) (low, high uint32, bounded bool) {
	at := r.pos
	switch flag := r.byte(); flag {
	case 0:
		return r.u32(), 0, false
	case 1:
		low = r.u32()
		return low, r.u32(), true
	default:
		r.fail(at, CodeFeature, "%s with flags %#x: shared and 64-bit ones are not allowed", what, flag)
		return 0, 0, false
	}
}

// readTable reads the table of functions. It never grows.
func (m *module) readTable(r *reader) {
	at := r.pos
	n := r.u32()
	if r.bad == nil && n > 1 {
		r.over(at, "tables", int64(n), 1)
	}
	if r.bad != nil || n == 0 {
		return
	}
	at = r.pos
	if t := r.byte(); t != 0x70 {
		r.fail(at, CodeFeature, "a table of type %#x (allowed: funcref)", t)
	}
	low, high, bounded := r.limits("table")
	switch {
	case r.bad != nil:
	case low > maxTableEntries:
		r.over(at, "entries of the table", int64(low), maxTableEntries)
	case bounded && high < low:
		r.fail(at, CodeSection, "the maximum of the table, %d, is below its minimum, %d", high, low)
	}
	m.hasTable, m.info.TableSize = true, int(low)
}
