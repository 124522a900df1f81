package guard

import (
	"bytes"
	"slices"
)

// open begins a block. Every control operation carries what is alive at it
// into the work of the compiler.
func (s *scanner) open(at int, op byte) {
	t := s.blockType()
	if op == opIf {
		s.pop(at, typeI32)
	}
	s.popAll(at, t.params)
	s.control()
	s.carry(len(t.params) + len(t.results))
	if len(s.frames) > maxNesting {
		s.over(at, "nesting of blocks", int64(len(s.frames)), maxNesting)
		return
	}
	s.settle()
	region := s.top().region
	if op == opLoop {
		s.loops++
		region = len(s.m.plan.charges)
		s.m.plan.charges = append(s.m.plan.charges, charge{at: s.pos, cost: priceLoop})
	}
	s.frames = append(s.frames, frame{op: op, params: t.params, results: t.results, height: len(s.vals), region: region})
	s.pushAll(t.params)
	s.m.info.MaxNesting = max(s.m.info.MaxNesting, len(s.frames)-1)
}

// control counts a control operation.
func (s *scanner) control() {
	s.work.control++
	s.work.units += workControl
	s.work.width += len(s.locals) + len(s.vals)
	if s.work.width > maxControlWidth {
		s.over(s.pos, "control operations x values of a function", int64(s.work.width), maxControlWidth)
	}
}

// blockType reads the type of a block: nothing, a value, or an index in its
// shortest form. The long forms are legal, but decoders disagree about them.
func (s *scanner) blockType() signature {
	at := s.pos
	c := s.byte()
	switch {
	case c == emptyBlock:
		return signature{}
	case isValue(c):
		return signature{results: s.b[at : at+1]}
	case c >= 0x40 && c < 0x80:
		s.fail(at, CodeFeature, "block type %#x (allowed: empty, i32, i64, f32, f64, v128 or a type index)", c)
		return signature{}
	}
	i := uint32(c)
	if c >= 0x80 {
		next := s.byte()
		if i = uint32(c&0x7f) | uint32(next)<<7; next >= 0x40 || i < 0x40 {
			s.fail(at, CodeNumber, "a block type is a number out of range, or padded")
			return signature{}
		}
	}
	if i >= uint32(len(s.m.types)) {
		s.fail(at, CodeIndex, "type %d, the module has %d", i, len(s.m.types))
		return signature{}
	}
	return s.m.types[i]
}

// otherwise turns an if to its else.
func (s *scanner) otherwise(at int) {
	f := s.top()
	if f.op != opIf {
		s.fail(at, CodeCode, "else without if")
		return
	}
	s.closeOperands(at)
	s.control()
	f.op, f.dead, s.vals = opElse, false, s.vals[:f.height]
	s.pushAll(f.params)
}

// close closes the innermost block.
func (s *scanner) close(at int) {
	f := *s.top()
	if s.closeOperands(at); s.bad != nil {
		return
	}
	if f.op == opIf && !bytes.Equal(f.params, f.results) {
		s.fail(at, CodeType, "an if without else changes the types of its operands")
		return
	}
	s.settle()
	s.frames = s.frames[:len(s.frames)-1]
	if len(s.frames) > 0 {
		s.pushAll(f.results)
	} else if s.left() > 0 {
		s.fail(s.pos, CodeCode, "%d bytes follow the end of the function", s.left())
	}
}

// closeOperands takes the results of the innermost block, and nothing may be
// left.
func (s *scanner) closeOperands(at int) {
	f := s.top()
	s.popAll(at, f.results)
	if s.bad == nil && len(s.vals) != f.height {
		s.fail(at, CodeType, "%d operands are left at the end of a block", len(s.vals)-f.height)
	}
}

// label reads a branch target.
func (s *scanner) label() *frame {
	at := s.pos
	i := s.u32()
	if i >= uint32(len(s.frames)) {
		s.fail(at, CodeIndex, "label %d, %d blocks are open", i, len(s.frames))
		return s.top()
	}
	return &s.frames[len(s.frames)-1-int(i)]
}

func (s *scanner) branch(at int, op byte) {
	types := s.label().branchTypes()
	if op == opBranchIf {
		s.pop(at, typeI32)
		s.control()
	}
	s.carry(len(types))
	s.popAll(at, types)
	if op == opBranch {
		s.die()
		return
	}
	s.pushAll(types)
}

// branchTable reads a table of targets. All of them carry the same types; the
// specification allows more only where the code is dead.
func (s *scanner) branchTable(at int) {
	s.pop(at, typeI32)
	n := s.count("branch table targets of a function", maxBranchTargets, 1)
	if s.bad != nil {
		return
	}
	s.work.branches += n
	types := s.label().branchTypes()
	for range n {
		if more := s.label().branchTypes(); s.bad == nil && !bytes.Equal(more, types) {
			s.fail(at, CodeType, "the targets of a branch table carry different types")
		}
		if s.bad != nil {
			return
		}
	}
	s.work.units += workTarget * n
	s.carry(n * len(types))
	s.popAll(at, types)
	s.die()
}

func (s *scanner) leave(at int) {
	if !s.top().dead {
		// A branch out of the block that is put around the code of a function.
		s.edit(at, false, len(s.frames)-1)
	}
	s.popAll(at, s.frames[0].results)
	s.die()
}

// edit plans a replacement of the instruction that ends here.
func (s *scanner) edit(at int, call bool, arg int) {
	list := s.m.plan.edits
	if len(list) == cap(list) {
		list = slices.Grow(list, max(64, len(list))) // doubling leaves less behind than what append does
	}
	s.m.plan.edits = append(list, edit{at: uint32(at), arg: uint16(arg), len: uint8(s.pos - at), call: call})
}
