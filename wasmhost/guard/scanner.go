package guard

import "bytes"

// scanner reads the code of one function: it follows the types of operands as
// the specification tells, counts work and plans charges. It is used again for
// the next function.
type scanner struct {
	reader
	m      *module
	locals []byte // types, parameters first
	vals   []byte // operands, as types; typeAny where dead code made one up
	frames []frame
	work   work
	loops  int
	calls  bool  // not a leaf
	owed   int64 // fuel, not yet charged to the region of the innermost block
}

// frame is an open block.
type frame struct {
	op              byte
	params, results []byte
	height          int  // of the operands outside
	dead            bool // what follows up to the end is never executed
	region          int  // in plan.charges: who pays for the code
}

// branchTypes are what a branch to the frame carries.
func (f *frame) branchTypes() []byte {
	if f.op == opLoop {
		return f.params
	}
	return f.results
}

func (s *scanner) top() *frame { return &s.frames[len(s.frames)-1] }

func (s *scanner) push(t byte) { s.vals = append(s.vals, t) }

func (s *scanner) pushAll(types []byte) { s.vals = append(s.vals, types...) }

// pop takes one operand of the type; typeAny takes any. It returns what was
// there.
func (s *scanner) pop(at int, want byte) byte {
	f := s.top()
	if len(s.vals) == f.height {
		if !f.dead {
			s.fail(at, CodeType, "an operand is missing")
		}
		return want
	}
	got := s.vals[len(s.vals)-1]
	s.vals = s.vals[:len(s.vals)-1]
	switch {
	case got == want || want == typeAny:
		return got
	case got != typeAny:
		s.fail(at, CodeType, "an operand is %s, it must be %s", typeName(got), typeName(want))
	}
	return want
}

// popAll takes operands of the types, the last one on top. A type may have 64
// values and a call two bytes, so equal ones are compared in one go.
func (s *scanner) popAll(at int, want []byte) {
	f := s.top()
	n := min(len(want), len(s.vals)-f.height)
	if n < len(want) && !f.dead {
		s.fail(at, CodeType, "an operand is missing")
		return
	}
	if got := s.vals[len(s.vals)-n:]; bytes.Equal(got, want[len(want)-n:]) {
		s.vals = s.vals[:len(s.vals)-n]
		return
	}
	for i := len(want) - 1; i >= len(want)-n; i-- {
		s.pop(at, want[i])
	}
}

// die marks the rest of the block as never executed.
func (s *scanner) die() {
	f := s.top()
	if !f.dead {
		s.work.exits++
	}
	f.dead, s.vals = true, s.vals[:f.height]
}

// pay adds a price to what the region of the innermost block owes.
func (s *scanner) pay(price int64) { s.owed += price }

// settle charges the region; it comes before another block is the innermost.
func (s *scanner) settle() {
	s.m.plan.charges[s.top().region].cost += s.owed
	s.owed = 0
}
