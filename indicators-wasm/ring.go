package indicators

import (
	"math"
	"unsafe"
)

// abs is math.Abs under a short name; it is exact and one instruction.
func abs(x float64) float64 { return math.Abs(x) }

// cell is the i-th double behind p. Rings are reached without bounds checks:
// every place in them comes from after or before.
func cell(p unsafe.Pointer, i uint32) *float64 {
	return (*float64)(unsafe.Add(p, 8*i))
}

// mark is the i-th counter behind p.
func mark(p unsafe.Pointer, i uint32) *uint32 {
	return (*uint32)(unsafe.Add(p, 4*i))
}

// after is the place behind i in a circle of n. It does not branch: where
// paths meet again, Go's wasm code jumps through a table.
func after(i, n uint32) uint32 {
	i++
	return i & uint32(int32(i-n)>>31)
}

// before is the place in front of i in a circle of n.
func before(i, n uint32) uint32 {
	i--
	return i + n&uint32(int32(i)>>31)
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

// usual reports whether x can be taken by slide: the window is full, and
// settle would have nothing to do except after an overflow.
func (r *ringSum) usual(x float64) bool {
	return r.filled == r.n && r.zeros == 0 && r.n != 1 && x != 0
}

// slide is push in the usual case. What nearly every update does stands apart,
// without a branch: a detour costs a guest more than the arithmetic.
func (r *ringSum) slide(ring unsafe.Pointer, x float64) float64 {
	c := cell(ring, r.pos)
	oldest := *c
	*c = x
	r.pos = after(r.pos, r.n)
	r.sum.replace(oldest, x)
	if v := r.sum.value(); v-v != 0 {
		r.resum(ring)
	}
	return oldest
}

// push puts x into the window and returns the value that left it, 0 while the
// window fills.
func (r *ringSum) push(ring unsafe.Pointer, x float64) float64 {
	if r.usual(x) {
		return r.slide(ring, x)
	}
	return r.pushRare(ring, x)
}

// pushRare is push outside of the usual case.
func (r *ringSum) pushRare(ring unsafe.Pointer, x float64) float64 {
	c := cell(ring, r.pos)
	oldest := *c
	*c = x
	r.pos = after(r.pos, r.n)
	if r.filled == r.n {
		r.sum.add(-oldest)
	} else {
		r.filled++
	}
	r.sum.add(x)
	r.settle(ring, x)
	return oldest
}

// settle restores what adding and removing cannot keep: a window of one value
// copies it, a window of zeros sums to exactly zero (a running sum leaves
// residue of either sign), and a sum that overflowed is built again, because
// infinity minus infinity would stay NaN after the huge value has left.
func (r *ringSum) settle(ring unsafe.Pointer, x float64) {
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
func (r *ringSum) resum(ring unsafe.Pointer) {
	r.sum.set(0)
	i := r.pos
	if r.filled < r.n {
		i = 0
	}
	for k := uint32(0); k < r.filled; k++ {
		r.sum.add(*cell(ring, i))
		i = after(i, r.n)
	}
}

// mean is the arithmetic mean of a full window.
func (r *ringSum) mean() float64 { return r.sum.value() / float64(r.n) }
