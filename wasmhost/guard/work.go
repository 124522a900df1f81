package guard

// work counts what makes a module slow to compile. Each sum alone allows what
// another one forbids: many small functions, few large ones, many values that
// stay alive over many branches.
type work struct {
	control  int
	square   int // sum of (control of a function)^2
	width    int // sum of the values alive at control operations
	branches int // targets of branch tables
	calls    int // calls x mutable globals
	operands int // values that instructions take and give
}

// functionWork checks the counts of one function and adds them to the sums.
func (m *module) functionWork(s *scanner, at int) {
	w := &s.work
	w.square, w.calls = w.control*w.control, w.calls*(m.mutable+counters)
	for _, l := range []struct {
		limit        string
		got, allowed int
	}{
		{"control operations of a function", w.control, maxControl},
		{"loops of a function", s.loops, maxLoops},
		{"control operations x values of a function", w.width, maxControlWidth},
		{"branch table targets of a function", w.branches, maxBranchTargets},
		{"calls x mutable globals of a function", w.calls, maxCallGlobals},
	} {
		if l.got > l.allowed {
			s.over(at, l.limit, int64(l.got), l.allowed)
		}
	}
	t := &m.work
	t.control += w.control
	t.square += w.square
	t.width += w.width
	t.branches += w.branches
	t.calls += w.calls
	t.operands += w.operands
	m.moduleWork(s, at)
}

func (m *module) moduleWork(s *scanner, at int) {
	for _, l := range []struct {
		limit        string
		got, allowed int
	}{
		{"control operations of the module", m.work.control, maxModuleControl},
		{"sum of squares of control operations", m.work.square, maxModuleControlSquare},
		{"control operations x values of the module", m.work.width, maxModuleControlWidth},
		{"branch table targets of the module", m.work.branches, maxModuleBranchTargets},
		{"calls x mutable globals of the module", m.work.calls, maxModuleCallGlobals},
		{"operands of the module", m.work.operands, maxModuleOperands},
	} {
		if l.got > l.allowed {
			s.over(at, l.limit, int64(l.got), l.allowed)
		}
	}
}
