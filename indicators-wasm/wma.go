package indicators

import "unsafe"

const (
	wmaMax   = 5000 // 8 bytes a bar keep the state under 64 KiB
	wmaResum = 32   // windows between two fresh summations
	wmaSpike = 1e3  // a value that left outweighs what stays by this factor
)

// wmaState is the linearly weighted moving average: weights 1 (oldest) to n
// (newest). The plain sum slides the weights of the other one down by one.
type wmaState struct {
	head head
	sum  ringSum  // plain sum of the window
	num  neumaier // weighted sum of the window
	age  uint32   // bars since num was added anew
	_    uint32
}

type wmaOut struct {
	value float64
}

func wmaSize(a *args) uint32 {
	a.expect(1)
	return uint32(unsafe.Sizeof(wmaState{})) + 8*a.whole(0, 1, wmaMax)
}

func wmaInit(a *args, p unsafe.Pointer) {
	s := (*wmaState)(p)
	s.sum.start(a.whole(0, 1, wmaMax))
}

func wmaWarmup(a *args) int32 { return int32(a.whole(0, 1, wmaMax)) }

func wmaUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*wmaState)(p)
	if !s.sum.usual(b.Src) {
		return wmaRare(s, b.Src, (*wmaOut)(out))
	}
	s.slide(b.Src)
	(*wmaOut)(out).value = s.mean()
	return Ready
}

// wmaRare is wmaUpdate outside of the usual case.
func wmaRare(s *wmaState, x float64, o *wmaOut) int32 {
	s.push(x)
	if !s.sum.full() {
		o.value = null()
		return Warming
	}
	o.value = s.value(x)
	return Ready
}

// ring is the window behind the state.
func (s *wmaState) ring() unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(wmaState{}))
}

// slide is push in the usual case of the plain sum.
func (s *wmaState) slide(x float64) {
	ring := s.ring()
	s.num.replace(s.sum.sum.value(), float64(float64(s.sum.n)*x))
	oldest := s.sum.slide(ring, x)
	s.age++
	if s.age >= wmaResum*s.sum.n || s.spoiled(oldest) {
		s.resum(ring)
	}
}

// push slides the window over x. While the window fills, the value at place k
// has the weight k; after that every weight falls by one, which is the plain
// sum of the old window, and x enters with weight n.
func (s *wmaState) push(x float64) {
	ring := s.ring()
	full := s.sum.full()
	if full {
		s.num.add(-s.sum.sum.value())
	}
	oldest := s.sum.push(ring, x)
	s.num.add(float64(float64(s.sum.filled) * x))
	s.age++
	if s.age >= wmaResum*s.sum.n || (full && s.spoiled(oldest)) {
		s.resum(ring)
	}
}

// spoiled reports whether the weighted sum cannot be trusted after oldest has
// left: beside it the other terms lost digits that now matter, or the sum
// overflowed.
func (s *wmaState) spoiled(oldest float64) bool {
	v := s.num.value()
	return v-v != 0 || abs(oldest) > wmaSpike*abs(s.sum.sum.value())
}

// resum adds both sums anew, oldest to newest. The moment is counted in bars
// of the series, so a replay re-sums on the same bar.
func (s *wmaState) resum(ring unsafe.Pointer) {
	s.sum.resum(ring)
	s.num.set(0)
	s.age = 0
	i := s.sum.pos
	if !s.sum.full() {
		i = 0
	}
	for k := uint32(1); k <= s.sum.filled; k++ {
		s.num.add(float64(float64(k) * *cell(ring, i)))
		i = after(i, s.sum.n)
	}
}

// value is the weighted mean of a full window that ends with x.
func (s *wmaState) value(x float64) float64 {
	if s.sum.n == 1 {
		return x
	}
	if s.sum.zeros == s.sum.n {
		return 0
	}
	return s.mean()
}

// mean is the weighted sum divided by the sum of the weights.
func (s *wmaState) mean() float64 {
	n := float64(s.sum.n)
	return s.num.value() / (n * (n + 1) / 2)
}
