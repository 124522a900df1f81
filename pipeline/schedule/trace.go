package schedule

import (
	"fmt"
	"math/bits"
)

// trace is the fingerprint of everything that happened, and on demand its text.
type trace struct {
	hash  uint64
	keep  bool
	lines []string
}

// note adds an event with up to three numbers.
func (t *trace) note(at int, what string, a, b, c int64) {
	t.text(what)
	for _, v := range [...]int64{int64(at), a, b, c} {
		t.mix(uint64(v))
	}
	if t.keep {
		t.lines = append(t.lines, fmt.Sprintf("%4d %-20s %d %d %d", at, what, a, b, c))
	}
}

// text adds the bytes of s.
func (t *trace) text(s string) {
	for len(s) >= 8 {
		t.mix(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	v := uint64(len(s)) << 56
	for i := range len(s) {
		v |= uint64(s[i]) << (8 * i)
	}
	t.mix(v)
}

func (t *trace) mix(v uint64) {
	t.hash = bits.RotateLeft64(t.hash^v*0x9e3779b97f4a7c15, 29) * 0xbf58476d1ce4e5b9
}
