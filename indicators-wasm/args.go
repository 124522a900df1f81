package indicators

import "math"

// Indexes into args.bad beyond the parameters themselves.
const (
	argsFine  int32 = 0  // every parameter read so far is acceptable
	argsCount int32 = -1 // the number of parameters differs from the manifest
)

// args reads the parameters of one instance in manifest order and remembers
// the first bad one. A bad parameter reads as its lower bound, so the caller
// can finish its arithmetic and look at bad once.
type args struct {
	p   []float64
	bad int32 // 1-based index of the first bad parameter, or argsFine, argsCount
}

// expect checks the number of parameters.
func (a *args) expect(n int32) {
	if int32(len(a.p)) != n && a.bad == argsFine {
		a.bad = argsCount
	}
}

// number reads parameter i, which must lie in lo..hi. NaN fails both
// comparisons and is bad.
func (a *args) number(i int32, lo, hi float64) float64 {
	if int(i) < len(a.p) {
		v := a.p[i]
		if v >= lo && v <= hi {
			return v
		}
	}
	if a.bad == argsFine {
		a.bad = i + 1
	}
	return lo
}

// whole reads parameter i, which must be integral and lie in lo..hi. The
// conversion comes after the range check: out of range it is undefined in Go
// and saturates in wasm.
func (a *args) whole(i int32, lo, hi uint32) uint32 {
	v := a.number(i, float64(lo), float64(hi))
	if v == math.Trunc(v) {
		return uint32(v)
	}
	if a.bad == argsFine {
		a.bad = i + 1
	}
	return lo
}

// choice reads parameter i, the index of one of n options.
func (a *args) choice(i int32, n uint32) uint32 { return a.whole(i, 0, n-1) }
