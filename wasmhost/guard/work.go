package guard

// work counts what makes a module slow to compile. Each sum alone allows what
// another one forbids: many small functions, few large ones, many values that
// stay alive over many branches, instructions that become hundreds.
type work struct {
	control  int
	exits    int // ways out of a block without a condition
	square   int // sum of (control and exits of a function)^2
	width    int // sum of the values alive at control operations
	branches int // targets of branch tables
	units    int // of compile work
}

// Units of compile work: a quarter of a microsecond or so of a compiler. One
// function cannot be interrupted, and 64 KiB of the worst instructions took
// 0.8 s and 400 MB.
const (
	workPlain    = 1
	workMemory   = 24 // a check of the bounds, and an exit
	workDivide   = 12
	workTruncate = 40 // the trapping ones
	workControl  = 32
	workTarget   = 4
	workCall     = 5 // and for each mutable global, which is read again after it:
	workReload   = 1
	workIndirect = 75 // more than a call
	workValue    = 3  // that a call, a block or a branch carries
)

// workOf is the compile work of a plain instruction.
func workOf(op int) uint8 {
	within := func(from, to int) bool { return op >= from && op <= to }
	switch {
	case within(0x6d, 0x70), within(0x7f, 0x82):
		return workDivide
	case within(0xa8, 0xab), within(0xb0, 0xb1), within(0xae, 0xaf):
		return workTruncate
	default:
		return workPlain
	}
}

// carry counts the values that cross a call, a block or a branch.
func (s *scanner) carry(values int) { s.work.units += workValue * values }

// functionWork checks the counts of one function and adds them to the sums.
func (m *module) functionWork(s *scanner, at int) {
	w, t := &s.work, &m.work
	w.square = (w.control + w.exits) * (w.control + w.exits)
	t.control += w.control
	t.square += w.square
	t.width += w.width
	t.branches += w.branches
	t.units += w.units
	for _, l := range []struct {
		limit        string
		got, allowed int
	}{
		{"control operations of a function", w.control, maxControl},
		{"loops of a function", s.loops, maxLoops},
		{"control operations x values of a function", w.width, maxControlWidth},
		{"branch table targets of a function", w.branches, maxBranchTargets},
		{"compile work of a function", w.units, maxWork},
		{"control operations of the module", t.control, maxModuleControl},
		{"sum of squares of control operations and exits", t.square, maxModuleControlSquare},
		{"control operations x values of the module", t.width, maxModuleControlWidth},
		{"branch table targets of the module", t.branches, maxModuleBranchTargets},
		{"compile work of the module", t.units, maxModuleWork},
	} {
		if l.got > l.allowed {
			s.over(at, l.limit, int64(l.got), l.allowed)
		}
	}
}
