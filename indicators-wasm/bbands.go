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
	o := (*bbandsOut)(out)
	ring := cells(p, unsafe.Sizeof(bbandsState{}), s.sum.n)
	sliding := s.sum.full()
	oldest := s.sum.push(ring, b.Src)
	if s.ma == maEMA {
		s.avg.ema(b.Src)
	}
	if !s.sum.full() {
		o.clear()
		return Warming
	}
	mean := s.sum.mean()
	var pop float64
	if sliding {
		pop = s.dev.slide(ring, s.sum.pos, oldest, b.Src, mean)
	} else {
		pop = s.dev.settle(ring, s.sum.pos, b.Src, mean)
	}
	o.middle = mean
	if s.ma == maEMA {
		o.middle = s.avg.y
	}
	o.spread(b.Src, float64(s.mult*math.Sqrt(pop)))
	return Ready
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
// A band without width, or around zero, has no position inside it: the middle
// of the scale, and flagged.
func (o *bbandsOut) spread(x, half float64) {
	o.upper = o.middle + half
	o.lower = o.middle - half
	width := o.upper - o.lower
	o.percentB = 0.5
	if width != 0 {
		o.percentB = (x - o.lower) / width
	}
	o.bandwidth = 0
	if o.middle != 0 {
		o.bandwidth = width / o.middle
	}
	o.degenerate = truth(width == 0 || o.middle == 0)
}
