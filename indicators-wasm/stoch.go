package indicators

import "unsafe"

const (
	stochFastMax = 2000 // 24 bytes a bar
	stochSlowMax = 500  // 8 bytes a bar, twice; together under 64 KiB

	// A range of this share of its ends is rounding noise, not a range.
	stochNoise = 1e-14
)

// stochState is the slow stochastic: the place of the close in the range of
// the last bars, smoothed twice. Behind it lie the window of extremes, the
// window of k and the window of d.
type stochState struct {
	head   head
	tail   uint32 // raw values that reach into one output: slow_k + slow_d - 1
	flat   uint32 // outputs that a flat raw value still reaches
	window extrema
	k      smoother
	d      smoother
}

type stochOut struct {
	k          float64
	d          float64
	degenerate float64
}

// stochArgs are the decoded parameters.
type stochArgs struct {
	fastK, slowK, slowD, ma uint32
}

func (m *stochArgs) read(a *args) {
	m.fastK = a.whole(0, 1, stochFastMax)
	m.slowK = a.whole(1, 1, stochSlowMax)
	m.slowD = a.whole(2, 1, stochSlowMax)
	m.ma = a.choice(3, nMA)
}

func stochSize(a *args) uint32 {
	a.expect(4)
	var m stochArgs
	m.read(a)
	return uint32(unsafe.Sizeof(stochState{})) + extremaBytes(m.fastK) + 8*m.slowK + 8*m.slowD
}

func stochInit(a *args, p unsafe.Pointer) {
	s := (*stochState)(p)
	var m stochArgs
	m.read(a)
	s.tail = m.slowK + m.slowD - 1
	s.window.start(m.fastK)
	s.k.start(m.ma, m.slowK)
	s.d.start(m.ma, m.slowD)
}

func stochWarmup(a *args) int32 {
	var m stochArgs
	m.read(a)
	n := int32(m.fastK+m.slowK+m.slowD) - 2
	if m.ma == maEMA {
		n += decayEMA(m.slowK) + decayEMA(m.slowD)
	}
	return n
}

func stochUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*stochState)(p)
	o := (*stochOut)(out)
	s.window.push(s.room(), b.High, b.Low)
	if !s.window.full() || !s.smooth(s.raw(b.Close)) {
		o.k = null()
		o.d = null()
		o.degenerate = null()
		return Warming
	}
	o.k = s.k.value()
	o.d = s.d.value()
	o.degenerate = truth(s.flat > 0)
	return Ready
}

// room is the memory behind the state.
func (s *stochState) room() unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(stochState{}))
}

// raw is the place of the close between the extremes, 0 to 100. The ratio
// comes first, so that a close on the high is exactly 100. A flat range gives
// 0 and taints every output that this value reaches.
func (s *stochState) raw(close float64) float64 {
	if s.flat > 0 {
		s.flat--
	}
	hh := s.window.hh
	ll := s.window.ll
	if hh-ll <= stochNoise*(abs(hh)+abs(ll)) {
		s.flat = s.tail
		return 0
	}
	return float64(100 * ((close - ll) / (hh - ll)))
}

// smooth feeds a raw value through k into d and reports whether d has a value.
func (s *stochState) smooth(raw float64) bool {
	kRing := unsafe.Add(s.room(), extremaBytes(s.window.n))
	if !s.k.push(kRing, raw) {
		return false
	}
	return s.d.push(unsafe.Add(kRing, 8*s.k.sum.n), s.k.value())
}
