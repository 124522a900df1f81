package indicators

import (
	"math"
	"unsafe"
)

const (
	bbandsMax     = 5000 // 8 bytes a bar keep the state under 64 KiB
	bbandsMultMax = 10.0
)

// bbandsState is a band of mult population deviations around an average. The
// deviation is that of the window's prices, also around an EMA. The window
// lies behind it.
type bbandsState struct {
	head head
	ma   uint32
	_    uint32
	mult float64
	sum  ringSum // the window; its mean is the middle with ma = sma, and the anchor of dev
	avg  average // the middle with ma = ema
	dev  variance
}

type bbandsOut struct {
	upper      float64
	middle     float64
	lower      float64
	percentB   float64
	bandwidth  float64
	degenerate float64
}

func bbandsSize(a *args) uint32 {
	a.expect(3)
	n := a.whole(0, 2, bbandsMax)
	a.number(1, 0, bbandsMultMax)
	a.choice(2, nMA)
	return uint32(unsafe.Sizeof(bbandsState{})) + 8*n
}

func bbandsInit(a *args, p unsafe.Pointer) {
	s := (*bbandsState)(p)
	n := a.whole(0, 2, bbandsMax)
	s.mult = a.number(1, 0, bbandsMultMax)
	s.ma = a.choice(2, nMA)
	s.sum.start(n)
	s.avg.start(n)
	s.dev.start(n)
}

func bbandsWarmup(a *args) int32 {
	n := a.whole(0, 2, bbandsMax)
	if a.choice(2, nMA) == maEMA {
		return int32(n) + decayEMA(n)
	}
	return int32(n)
}

func bbandsUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*bbandsState)(p)
	x := b.Src
	if !s.sum.usual(x) || s.ma != maSMA {
		return bbandsRare(s, x, (*bbandsOut)(out))
	}
	ring := s.ring()
	oldest := s.sum.slide(ring, x)
	mean := s.sum.mean()
	pop := s.dev.slide(ring, s.sum.pos, oldest, x, mean)
	(*bbandsOut)(out).spread(x, mean, float64(s.mult*math.Sqrt(pop)))
	return Ready
}

// bbandsRare is bbandsUpdate outside of the usual case, and around an EMA.
func bbandsRare(s *bbandsState, x float64, o *bbandsOut) int32 {
	ring := s.ring()
	sliding := s.sum.full()
	oldest := s.sum.push(ring, x)
	if s.ma == maEMA {
		s.avg.ema(x)
	}
	if !s.sum.full() {
		o.clear()
		return Warming
	}
	mean := s.sum.mean()
	var pop float64
	if sliding {
		pop = s.dev.slide(ring, s.sum.pos, oldest, x, mean)
	} else {
		pop = s.dev.settle(ring, s.sum.pos, x, mean)
	}
	middle := mean
	if s.ma == maEMA {
		middle = s.avg.y
	}
	o.spread(x, middle, float64(s.mult*math.Sqrt(pop)))
	return Ready
}

// ring is the window behind the state.
func (s *bbandsState) ring() unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(bbandsState{}))
}

// clear writes a row without values.
func (o *bbandsOut) clear() {
	o.upper = null()
	o.middle = null()
	o.lower = null()
	o.percentB = null()
	o.bandwidth = null()
	o.degenerate = null()
}

// spread derives the row from the middle line and half the width of the band.
func (o *bbandsOut) spread(x, middle, half float64) {
	upper := middle + half
	lower := middle - half
	o.upper = upper
	o.middle = middle
	o.lower = lower
	width := upper - lower
	if width == 0 || middle == 0 {
		o.flat(x)
		return
	}
	o.percentB = (x - lower) / width
	o.bandwidth = width / middle
	o.degenerate = 0
}

// flat is the rest of spread for a band without width, or around zero. It has
// no position inside it: the middle of the scale, and flagged.
func (o *bbandsOut) flat(x float64) {
	width := o.upper - o.lower
	o.percentB = 0.5
	if width != 0 {
		o.percentB = (x - o.lower) / width
	}
	o.bandwidth = 0
	if o.middle != 0 {
		o.bandwidth = width / o.middle
	}
	o.degenerate = 1
}
