package guard

// readCode checks and plans every function body.
func (m *module) readCode(r *reader) {
	n := r.count("functions", maxFunctions, 3)
	if own := len(m.funcs) - m.imported; r.bad == nil && n != own {
		r.fail(r.pos, CodeSection, "%d functions are declared, %d have code", own, n)
	}
	m.info.CodeBytes = r.left()
	m.plan = plan{functions: make([]functionPlan, 0, n), results: map[uint32]uint32{}}
	s := &scanner{m: m}
	for i := range n {
		at := r.pos
		size := int(r.u32())
		body := r.bytes(size)
		switch {
		case r.bad != nil:
			return
		case size > maxBodyBytes:
			r.over(at, "bytes of a function", int64(size), maxBodyBytes)
			return
		}
		s.reader = reader{b: r.b, pos: r.pos - len(body), end: r.pos, section: r.section}
		s.function(m.funcs[m.imported+i])
		if s.bad != nil {
			r.bad, r.pos = s.bad, r.end
			return
		}
	}
}

// function checks one body: declarations of locals, then code up to the end
// of its outermost block.
func (s *scanner) function(t uint32) {
	p := functionPlan{from: s.pos, end: s.end, charges: [2]int{len(s.m.plan.charges)}, edits: [2]int{len(s.m.plan.edits)}}
	sig := s.m.types[t]
	s.readLocals(sig.params)
	p.code = s.pos
	cost := int64(priceEntry+priceLoop) + priceLocal*int64(len(s.locals))
	s.m.plan.charges = append(s.m.plan.charges, charge{at: p.code, cost: cost})
	s.vals, s.work, s.loops, s.calls, s.owed = s.vals[:0], work{}, 0, false, 0
	s.frames = append(s.frames[:0], frame{op: opBlock, results: sig.results, region: p.charges[0]})
	for s.bad == nil && len(s.frames) > 0 {
		s.instruction()
	}
	if s.m.functionWork(s, p.from); s.bad != nil {
		return
	}
	p.charges[1], p.edits[1] = len(s.m.plan.charges), len(s.m.plan.edits)
	if s.calls {
		p.weight = weightFrame + weightLocal*int64(len(s.locals)) + weightByte*int64(p.end-p.from)
		p.block = s.m.blockOf(t)
	}
	s.m.plan.functions = append(s.m.plan.functions, p)
	s.note(p)
}

// note keeps what callers may want to know.
func (s *scanner) note(p functionPlan) {
	i := &s.m.info
	i.Control += s.work.control
	i.Loops += s.loops
	i.Branches += s.work.branches
	i.MaxLocals = max(i.MaxLocals, len(s.locals))
	i.MaxBody = max(i.MaxBody, p.end-p.from)
	i.MaxWeight = max(i.MaxWeight, int(p.weight))
}

// readLocals reads the declarations of locals, which are runs of one type.
func (s *scanner) readLocals(params []byte) {
	s.locals = append(s.locals[:0], params...)
	declared := 0
	for range s.count("declarations of locals", maxLocals, 2) {
		at := s.pos
		n := s.number("locals of a function", maxLocals)
		t := s.byte()
		if declared += n; declared > maxLocals {
			s.over(at, "locals of a function", int64(declared), maxLocals)
		}
		if s.bad == nil && !isValue(t) {
			s.fail(at, CodeFeature, "a local of type %#x (allowed: i32, i64, f32, f64, v128)", t)
		}
		if s.bad != nil {
			return
		}
		for range n {
			s.locals = append(s.locals, t)
		}
	}
}

// instruction reads one instruction.
func (s *scanner) instruction() {
	at := s.pos
	op := s.byte()
	if in := &instructions[op]; in.price > 0 {
		s.plain(at, in)
		return
	}
	if s.bad != nil {
		return
	}
	switch {
	case op <= opReturn:
		s.controlInstruction(at, op)
	case op == opCall || op == opCallIndirect:
		s.call(at, op)
	case op >= opLocalGet && op <= opGlobalSet:
		s.variable(at, op)
	case op >= opI32Const && op <= opF64Const:
		s.constantInstruction(op)
	default:
		s.special(at, op)
	}
}

// plain does an instruction that the tables describe.
func (s *scanner) plain(at int, in *instruction) {
	if in.memory {
		s.address(in.align)
	}
	if in.lanes > 0 {
		if lane := s.byte(); lane >= in.lanes {
			s.fail(at, CodeIndex, "lane %d, there are %d", lane, in.lanes)
		}
	}
	s.pay(int64(in.price))
	s.work.units += int(in.work)
	for i := len(in.takes) - 1; i >= 0; i-- {
		s.pop(at, in.takes[i])
	}
	if in.gives != 0 {
		s.push(in.gives)
	}
}

// address reads alignment and offset.
func (s *scanner) address(natural uint8) {
	at := s.pos
	align := s.u32()
	s.u32()
	if align > uint32(natural) {
		s.fail(at, CodeCode, "alignment 2^%d, allowed is 2^%d", align, natural)
	}
	s.needMemory(at)
}

func (s *scanner) needMemory(at int) {
	if !s.m.hasMemory {
		s.fail(at, CodeIndex, "an access to memory, the module has none")
	}
}
