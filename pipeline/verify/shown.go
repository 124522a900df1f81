package verify

import (
	"math"
)

// values is what was published of the indicators of one bar, in the order of
// the configured instances. The texts are kept until the bar can no longer
// change: then its predecessors are known, and one pass gives what is right.
type values struct{ one []shown }

// shown is one instance's value on one bar.
type shown struct {
	set      bool
	restated bool // by a record of values, which has no flags
	flags    int64
	text     []byte
	ends     []uint16 // of the outputs in text
}

func (v *values) reset() {
	for i := range v.one {
		v.one[i].set, v.one[i].restated = false, false
	}
}

// output returns the text of the n-th output.
func (s *shown) output(n int) []byte {
	if n >= len(s.ends) {
		return nil
	}
	from := uint16(0)
	if n > 0 {
		from = s.ends[n-1]
	}
	return s.text[from:s.ends[n]]
}

func (s *shown) clear() { s.text, s.ends, s.set = s.text[:0], s.ends[:0], true }

func (s *shown) add(text []byte) {
	s.text = append(s.text, text...)
	s.ends = append(s.ends, uint16(min(len(s.text), math.MaxUint16))) //nolint:gosec // bounded
}

func (c *scanner) integer(to *int64) bool {
	n, ok := c.number()
	if ok {
		*to, ok = integer(n)
	}
	return ok
}

// numbers reads an array of numbers and nulls.
func (s *shown) numbers(c *scanner) bool {
	if !c.byte('[') {
		return false
	}
	for !c.byte(']') {
		c.space()
		from := c.i
		if !c.skip() || c.i == from {
			return false
		}
		s.add(c.b[from:c.i])
		c.byte(',')
	}
	return true
}
