package guard

import "strings"

// export is what a name stands for.
type export struct {
	kind  byte
	index uint32
}

const (
	exportFunction = iota
	exportTable
	exportMemory
	exportGlobal
)

// readExports reads the export section: names that are there once, of things
// that are there.
func (m *module) readExports(r *reader) {
	n := r.count("exports", maxExports, 3)
	m.exports = make(map[string]export, n)
	for range n {
		at := r.pos
		name := r.name()
		kind := r.byte()
		index := r.u32()
		if r.bad != nil {
			return
		}
		switch {
		case strings.HasPrefix(string(name), reservedPrefix):
			r.fail(at, CodeExport, "export %s: names with %s belong to the host", quoted(name), reservedPrefix)
		case m.named(name):
			r.fail(at, CodeExport, "export %s is there twice", quoted(name))
		case kind > exportGlobal:
			r.fail(at, CodeFeature, "export %s is of kind %d (allowed: 0 to 3)", quoted(name), kind)
		case index >= uint32(m.entities(kind)):
			r.fail(at, CodeIndex, "export %s names %d, the module has %d of that kind", quoted(name), index, m.entities(kind))
		case kind == exportFunction && int(index) < m.imported:
			// A call from outside would reach the host without the module's
			// memory and without its entry charge.
			r.fail(at, CodeExport, "export %s is an import (allowed: functions of the module)", quoted(name))
		case kind == exportMemory && string(name) != "memory":
			r.fail(at, CodeExport, "the memory is exported as %s (allowed: \"memory\")", quoted(name))
		}
		if r.bad != nil {
			return
		}
		m.exports[string(name)] = export{kind, index}
	}
	m.info.Exports = n
}

func (m *module) named(name []byte) bool {
	_, ok := m.exports[string(name)]
	return ok
}

// entities counts what can be exported.
func (m *module) entities(kind byte) int {
	switch kind {
	case exportFunction:
		return len(m.funcs)
	case exportTable:
		return oneIf(m.hasTable)
	case exportMemory:
		return oneIf(m.hasMemory)
	default:
		return len(m.globals)
	}
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkExports compares the exports with the surface.
func (m *module) checkExports(r *reader) {
	if e, ok := m.exports["memory"]; r.bad == nil && (!ok || e.kind != exportMemory) {
		r.fail(r.end, CodeMissing, "the memory is not exported: the host finds it as %q", "memory")
	}
	for _, f := range m.rules.Surface.Exports {
		e, ok := m.exports[f.Name]
		switch {
		case r.bad != nil:
			return
		case !ok && f.Required:
			r.fail(r.end, CodeMissing, "export %s is missing: it is a function %s", f.Name, f.signature())
		case ok && e.kind != exportFunction:
			r.fail(r.end, CodeMissing, "export %s is no function: it must be %s", f.Name, f.signature())
		case ok && !f.fits(m.types[m.funcs[e.index]]):
			r.fail(r.end, CodeMissing, "export %s has the type %s, it must be %s", f.Name, m.types[m.funcs[e.index]], f.signature())
		}
	}
}
