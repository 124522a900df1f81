package indicators

import "unsafe"

const (
	kdjMax       = 2000 // 24 bytes a bar keep the state under 64 KiB
	kdjSmoothMax = 1000

	kdjTALib uint32 = 0
	kdjCN    uint32 = 1
	nKDJ     uint32 = 2

	kdjSeed = 50 // k and d before the first bar, profile cn
)

// kdjState is the stochastic smoothed by two Wilder averages, and j = 3k - 2d.
// Profile cn starts both averages at 50 and has values as soon as the window
// is full. The window of extremes lies behind it.
type kdjState struct {
	head    head
	profile uint32
	_       uint32
	window  extrema
	k       average
	d       average
}

type kdjOut struct {
	k          float64
	d          float64
	j          float64
	degenerate float64
}

// kdjArgs are the decoded parameters.
type kdjArgs struct {
	period, k, d, profile uint32
}

func (m *kdjArgs) read(a *args) {
	m.period = a.whole(0, 1, kdjMax)
	m.k = a.whole(1, 1, kdjSmoothMax)
	m.d = a.whole(2, 1, kdjSmoothMax)
	m.profile = a.choice(3, nKDJ)
}

func kdjSize(a *args) uint32 {
	a.expect(4)
	var m kdjArgs
	m.read(a)
	return uint32(unsafe.Sizeof(kdjState{})) + extremaBytes(m.period)
}

func kdjInit(a *args, p unsafe.Pointer) {
	s := (*kdjState)(p)
	var m kdjArgs
	m.read(a)
	s.profile = m.profile
	s.window.start(m.period)
	s.k.start(m.k)
	s.d.start(m.d)
	if m.profile == kdjCN {
		s.k.y = kdjSeed
		s.d.y = kdjSeed
	}
}

func kdjWarmup(a *args) int32 {
	var m kdjArgs
	m.read(a)
	first := int32(m.period) - 1
	if m.profile == kdjTALib {
		first += int32(m.k+m.d) - 2
	}
	return first + 1 + decayRMA(m.k) + decayRMA(m.d)
}

func kdjUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*kdjState)(p)
	o := (*kdjOut)(out)
	s.window.push(s.room(), b.High, b.Low)
	if !s.window.full() {
		return o.clear()
	}
	flat := s.window.hh == s.window.ll
	var raw float64
	if !flat {
		raw = float64(100 * ((b.Close - s.window.ll) / (s.window.hh - s.window.ll)))
	}
	if !s.smooth(raw) {
		return o.clear()
	}
	o.k = s.k.y
	o.d = s.d.y
	o.j = float64(3*s.k.y) - float64(2*s.d.y)
	o.degenerate = truth(flat)
	return Ready
}

// clear writes a row without values.
func (o *kdjOut) clear() int32 {
	o.k = null()
	o.d = null()
	o.j = null()
	o.degenerate = null()
	return Warming
}

// room is the memory behind the state.
func (s *kdjState) room() unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(kdjState{}))
}

// smooth feeds a raw value through k into d and reports whether d has a value.
func (s *kdjState) smooth(raw float64) bool {
	if s.profile == kdjCN {
		s.k.blend(raw)
		s.d.blend(s.k.y)
		return true
	}
	if s.d.young() || s.k.young() {
		return s.seed(raw)
	}
	s.k.nextRMA(raw)
	s.d.nextRMA(s.k.y)
	return true
}

// seed is smooth while one of the averages is young.
func (s *kdjState) seed(raw float64) bool {
	s.k.rma(raw)
	if !s.k.full() {
		return false
	}
	s.d.rma(s.k.y)
	return s.d.full()
}
