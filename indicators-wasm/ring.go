package indicators

import (
	"math"
	"unsafe"
)

// abs is math.Abs under a short name; it is exact and one instruction.
func abs(x float64) float64 { return math.Abs(x) }

// cells views the n doubles that lie offset bytes behind p.
func cells(p unsafe.Pointer, offset uintptr, n uint32) []float64 {
	return unsafe.Slice((*float64)(unsafe.Add(p, offset)), n)
}

// marks views the n counters that lie offset bytes behind p.
func marks(p unsafe.Pointer, offset uintptr, n uint32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Add(p, offset)), n)
}

// ringSum is the compensated sum of the last n values. The values themselves
// lie behind the state and are passed to every method.
type ringSum struct {
	n      uint32
	pos    uint32 // where the next value goes; the oldest one, once full
	filled uint32 // values seen, at most n
	zeros  uint32 // consecutive values that were exactly 0, at most n
	sum    neumaier
}

// start prepares a sum over n values; the memory is zeroed already.
func (r *ringSum) start(n uint32) { r.n = n }

// full reports whether n values were seen.
func (r *ringSum) full() bool { return r.filled == r.n }

// push puts x into the window and returns the value that left it, 0 while the
// window fills.
func (r *ringSum) push(ring []float64, x float64) float64 {
	pos := r.pos
	oldest := ring[pos]
	ring[pos] = x
	pos++
	if pos == r.n {
		pos = 0
	}
	r.pos = pos
	if r.filled == r.n {
		r.sum.add(-oldest)
	} else {
		r.filled++
	}
	r.sum.add(x)
	if v := r.sum.value(); x == 0 || r.zeros != 0 || r.n == 1 || v-v != 0 {
		r.settle(ring, x)
	}
	return oldest
}

// settle restores what adding and removing cannot keep: a window of one value
// copies it, a window of zeros sums to exactly zero (a running sum leaves
// residue of either sign), and a sum that overflowed is built again, because
// infinity minus infinity would stay NaN after the huge value has left.
func (r *ringSum) settle(ring []float64, x float64) {
	if x != 0 {
		r.zeros = 0
	} else if r.zeros < r.n {
		r.zeros++
	}
	if r.n == 1 {
		r.sum.set(x)
	} else if r.zeros == r.n {
		r.sum.set(0)
	} else if v := r.sum.value(); v-v != 0 {
		r.resum(ring)
	}
}

// resum adds the window anew, oldest to newest.
func (r *ringSum) resum(ring []float64) {
	r.sum.set(0)
	i := r.pos
	if r.filled < r.n {
		i = 0
	}
	for k := uint32(0); k < r.filled; k++ {
		r.sum.add(ring[i])
		i++
		if i == r.n {
			i = 0
		}
	}
}

// mean is the arithmetic mean of a full window.
func (r *ringSum) mean() float64 { return r.sum.value() / float64(r.n) }
