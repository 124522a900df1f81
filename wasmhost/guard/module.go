package guard

import "bytes"

// The sections of a module, by id.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount

	sections
)

func sectionName(id byte) string {
	return [...]string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count"}[id]
}

// place is where a section must stand: data count comes before code.
func place(id byte) int {
	switch id {
	case sectionDataCount:
		return 2*sectionElement + 1
	default:
		return 2 * int(id)
	}
}

const header = "\x00asm\x01\x00\x00\x00"

// module is a file on its way through the guard: what stands in its sections,
// as views of the input, and what the rewriting has to insert.
type module struct {
	rules Rules
	in    []byte
	info  Info

	body [sections][2]int // from and to in the file; 0, 0: not there
	seen [sections]bool

	types     []signature
	funcs     []uint32 // types, imports first
	imported  int      // functions
	globals   []global
	mutable   int // globals
	exports   map[string]export
	hasTable  bool
	hasMemory bool
	dataCount int // announced; -1: not

	plan plan
	work work
}

// signature is the type of a function.
type signature struct{ params, results []byte }

// parse reads the file and returns the first rule it broke, or nil.
func (m *module) parse() *Finding {
	r := &reader{b: m.in, end: len(m.in), section: "module"}
	if len(m.in) > m.rules.Limits.FileBytes {
		r.over(0, "bytes of the file", int64(len(m.in)), m.rules.Limits.FileBytes)
		return r.bad
	}
	if !bytes.HasPrefix(m.in, []byte(header)) {
		r.fail(0, CodeNotWASM, "the file does not begin with \\0asm and version 1: it is no WebAssembly module")
		return r.bad
	}
	r.pos, m.dataCount = len(header), -1
	for last := 0; r.left() > 0; {
		last = m.section(r, last)
	}
	if r.bad == nil {
		m.complete(r)
	}
	return r.bad
}

// section reads one section and returns its place.
func (m *module) section(r *reader, last int) int {
	at := r.pos
	id := r.byte()
	size := int(r.u32())
	switch {
	case r.bad != nil:
		return last
	case id >= sections:
		r.fail(at, CodeSection, "section %d is unknown (allowed: 0 to %d)", id, sections-1)
		return last
	case size < 0 || size > r.left():
		r.fail(at, CodeTruncated, "the %s section announces %d bytes, the file has %d more", sectionName(id), size, r.left())
		return last
	case id == sectionCustom:
		r.pos += size // names and debugging: dropped unread
		return last
	case m.seen[id] || place(id) <= last:
		r.fail(at, CodeSection, "the %s section stands twice or too late", sectionName(id))
		return last
	}
	m.seen[id], m.body[id] = true, [2]int{r.pos, r.pos + size}
	s := &reader{b: r.b, pos: r.pos, end: r.pos + size, section: sectionName(id)}
	m.content(id, s)
	// What the rewriting appends could become the end of an item that the
	// section only began.
	if s.bad == nil && s.left() > 0 {
		s.fail(s.pos, CodeSection, "%d bytes follow the last item", s.left())
	}
	if r.pos += size; s.bad != nil {
		r.bad, r.pos = s.bad, r.end
	}
	return place(id)
}

func (m *module) content(id byte, r *reader) {
	switch id {
	case sectionType:
		m.readTypes(r)
	case sectionImport:
		m.readImports(r)
	case sectionFunction:
		m.readFunctions(r)
	case sectionTable:
		m.readTable(r)
	case sectionMemory:
		m.readMemory(r)
	case sectionGlobal:
		m.readGlobals(r)
	case sectionExport:
		m.readExports(r)
	case sectionStart:
		m.readStart(r)
	case sectionElement:
		m.readElements(r)
	case sectionDataCount:
		m.dataCount = r.number("data segments", m.rules.Limits.DataSegments)
	case sectionCode:
		m.readCode(r)
	case sectionData:
		m.readData(r)
	}
}

// complete checks what only the whole file shows.
func (m *module) complete(r *reader) {
	switch {
	case len(m.funcs) > m.imported && !m.seen[sectionCode]:
		r.fail(r.end, CodeSection, "%d functions have no code", len(m.funcs)-m.imported)
	case !m.hasMemory:
		r.fail(r.end, CodeMissing, "the module has no memory: it needs one, exported as %q", "memory")
	case m.dataCount >= 0 && m.dataCount != m.info.DataSegments:
		r.fail(r.end, CodeSection, "%d data segments are announced, %d are there", m.dataCount, m.info.DataSegments)
	}
	m.checkExports(r)
}
