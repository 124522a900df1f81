package guard

import "fmt"

// readImports reads the import section: functions of the surface, with its
// types.
func (m *module) readImports(r *reader) {
	n := r.count("imports", maxImports, 4)
	for range n {
		at := r.pos
		from, name := r.name(), r.name()
		kind := r.byte()
		if r.bad != nil {
			return
		}
		if kind != 0 {
			r.fail(at, CodeImport, "import %s.%s is no function: a module brings its own memory, table and globals", quoted(from), quoted(name))
			return
		}
		t := m.typeIndex(r)
		if r.bad != nil {
			return
		}
		if problem := m.rules.Surface.checkImport(from, name, m.types[t]); problem != "" {
			r.fail(at, CodeImport, "%s", problem)
			return
		}
		m.funcs = append(m.funcs, t)
		m.info.Imports = append(m.info.Imports, string(from)+"."+string(name))
	}
	m.imported = n
}

// checkImport returns why an import is refused, or nothing.
func (s Surface) checkImport(from, name []byte, t signature) string {
	for _, f := range s.Imports {
		if f.Module != string(from) || f.Name != string(name) {
			continue
		}
		if f.fits(t) {
			return ""
		}
		return fmt.Sprintf("import %s.%s has the type %s, allowed is %s", f.Module, f.Name, t, f.signature())
	}
	return fmt.Sprintf("import %s.%s: modules have no files, network or clock (allowed: %s)", quoted(from), quoted(name), s.names())
}

// fits tells whether a type is the one of the function.
func (f Function) fits(t signature) bool {
	return letters(t.params) == f.Params && letters(t.results) == f.Results
}

func (f Function) signature() string { return arrow(f.Params, f.Results) }

// String returns the type as (i32, i64) -> (f64).
func (t signature) String() string { return arrow(letters(t.params), letters(t.results)) }

func arrow(params, results string) string {
	list := func(s string) string {
		out := ""
		for i, c := range s {
			if i > 0 {
				out += ", "
			}
			out += typeName(operand(byte(c)))
		}
		return "(" + out + ")"
	}
	return list(params) + " -> " + list(results)
}
