package indicators

import "unsafe"

// Limits of variance, measured over series with spikes, flat runs and fine
// ticks; the worst relative error stays below 2e-11.
const (
	staleAnchor  = 1e-3  // variance below this share of the mean square: digits are being lost
	leavingSpike = 1e3   // a term that left outweighs what stays by this factor: residue remains
	flatWindow   = 1e-12 // variance below this share is rounding: the window is flat
	anchorAge    = 32    // windows between two unconditional re-anchorings
)

// variance is the population variance of a window, kept as two sums measured
// from an anchor near the prices. A plain sum of squares misses the tolerance
// of 1e-9 after a thousand bars.
type variance struct {
	n      uint32
	age    uint32 // bars since the anchor was set
	anchor float64
	t1     float64 // sum of x - anchor
	t2     float64 // sum of (x - anchor)^2
}

// start prepares a window of n values; the memory is zeroed already.
func (v *variance) start(n uint32) { v.n = n }

// population is t2/n minus the square of t1/n.
func (v *variance) population() float64 {
	m := v.t1 / float64(v.n)
	return v.t2/float64(v.n) - float64(m*m)
}

// stale reports whether pop lost its digits. The comparison is negated so that
// NaN counts as stale: after an overflow the sums recover as soon as the huge
// value has left the window.
func (v *variance) stale(pop float64) bool {
	return !(pop >= staleAnchor*(v.t2/float64(v.n)))
}

// slide replaces oldest by the newest value x, which is already in the ring;
// first is the place of the oldest value there and mean the window's mean. It
// returns the variance.
func (v *variance) slide(ring unsafe.Pointer, first uint32, oldest, x, mean float64) float64 {
	d := oldest - v.anchor
	left := float64(d * d)
	v.t1 -= d
	v.t2 -= left
	d = x - v.anchor
	v.t1 += d
	v.t2 += float64(d * d)
	v.age++
	pop := v.population()
	if v.stale(pop) || left > leavingSpike*float64(v.n)*pop || v.age >= anchorAge*v.n {
		return v.settle(ring, first, x, mean)
	}
	return v.round(pop)
}

// settle puts the anchor on the window's mean and adds the window anew. If
// that is still stale, the window is flat up to the rounding of its mean, and
// the newest value is the better anchor: without it every bar of a flat run
// would rebuild.
func (v *variance) settle(ring unsafe.Pointer, first uint32, newest, mean float64) float64 {
	v.rebuild(ring, first, mean)
	pop := v.population()
	if v.stale(pop) {
		v.rebuild(ring, first, newest)
		pop = v.population()
	}
	return v.round(pop)
}

// rebuild sums the window from the anchor a, oldest to newest.
func (v *variance) rebuild(ring unsafe.Pointer, first uint32, a float64) {
	var t1, t2 float64
	i := first
	for k := uint32(0); k < v.n; k++ {
		d := *cell(ring, i) - a
		t1 += d
		t2 += float64(d * d)
		i = after(i, v.n)
	}
	v.anchor = a
	v.t1 = t1
	v.t2 = t2
	v.age = 0
}

// round makes rounding residue, which may be negative, exactly 0.
func (v *variance) round(pop float64) float64 {
	if pop < flatWindow*(v.t2/float64(v.n)) {
		return 0
	}
	return pop
}
