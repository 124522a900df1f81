package indicators

import (
	"math"
	"unsafe"
)

const (
	vwapMultMax = 10.0

	anchorNone    uint32 = 0
	anchorSession uint32 = 1
	anchorDay     uint32 = 2
	anchorWeek    uint32 = 3
	anchorMonth   uint32 = 4
	nAnchor       uint32 = 5

	priceHLC3  uint32 = 0
	priceClose uint32 = 1
	priceOpen  uint32 = 2
	priceHigh  uint32 = 3
	priceLow   uint32 = 4
	priceHL2   uint32 = 5
	priceOHLC4 uint32 = 6
	priceHLCC4 uint32 = 7
	nPrice     uint32 = 8
)

// vwapState is the volume-weighted average price since the anchor, with bands
// of mult deviations. The sums never forget, so they are compensated, and they
// are measured from the first price of the period, because squares of prices
// would lose the deviation's digits.
type vwapState struct {
	head    head
	anchor  uint32
	price   uint32
	started uint32 // 1 once key and base are known
	_       uint32
	mult    float64
	offset  int64   // start of the trading day, ms from UTC midnight
	key     int64   // number of the current day, week or month
	base    float64 // first price of the period
	vol     neumaier
	first   neumaier // sum of (price - base) * volume
	second  neumaier // sum of (price - base)^2 * volume
}

type vwapOut struct {
	vwap       float64
	upper      float64
	lower      float64
	degenerate float64
}

func vwapSize(a *args) uint32 {
	a.expect(3)
	a.choice(0, nAnchor)
	a.choice(1, nPrice)
	a.number(2, 0, vwapMultMax)
	return uint32(unsafe.Sizeof(vwapState{}))
}

func vwapInit(a *args, p unsafe.Pointer, offset int64) {
	s := (*vwapState)(p)
	s.anchor = a.choice(0, nAnchor)
	s.price = a.choice(1, nPrice)
	s.mult = a.number(2, 0, vwapMultMax)
	s.offset = offset
}

// vwapWarmup is the number of bars that holds an anchor for certain: the
// longest period of the kind. With fewer bars a series that starts in the
// middle of a period would differ from the whole one.
func vwapWarmup(a *args, interval int64) int32 {
	days := int64(1)
	switch a.choice(0, nAnchor) {
	case anchorNone:
		return Forever
	case anchorWeek:
		days = 7
	case anchorMonth:
		days = 31
	}
	if interval <= 0 {
		return Forever
	}
	bars := (days*dayMS + interval - 1) / interval
	if bars > int64(Forever) {
		return Forever
	}
	return int32(bars)
}

func vwapUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*vwapState)(p)
	o := (*vwapOut)(out)
	x := b.priceHLC3()
	if s.price != priceHLC3 {
		x = s.pick(b)
	}
	if s.turns(b) {
		s.reset(b, x)
	}
	volume := b.Volume
	d := x - s.base
	s.vol.add(volume)
	s.first.add(float64(d * volume))
	s.second.add(float64(float64(d*d) * volume))
	vol := s.vol.value()
	// Volumes are never negative: the sum is 0 only if nothing was traded.
	if vol == 0 {
		return o.none()
	}
	m := s.first.value() / vol
	variance := s.second.value()/vol - float64(m*m)
	if variance < 0 {
		variance = 0
	}
	half := float64(s.mult * math.Sqrt(variance))
	o.vwap = s.base + m
	o.upper = o.vwap + half
	o.lower = o.vwap - half
	o.degenerate = 0
	return Ready
}

// none writes the row of a period without a trade.
func (o *vwapOut) none() int32 {
	o.vwap = null()
	o.upper = null()
	o.lower = null()
	o.degenerate = 1
	return Ready
}

// turns reports whether the bar may be the first of a period. It is certain of
// the negative only, and spares the divisions of the calendar within a day.
func (s *vwapState) turns(b *Bar) bool {
	if s.started == 0 || b.Flags&FlagSessionStart != 0 {
		return true
	}
	if s.anchor <= anchorSession {
		return false
	}
	return s.anchor != anchorDay || uint64(b.OpenTimeMS-s.offset-s.key*dayMS) >= dayMS
}

// reset starts a new period if the bar is the first of one. A preview resets
// its copy of the state in the same way.
func (s *vwapState) reset(b *Bar, x float64) {
	key := s.period(b.OpenTimeMS)
	again := s.anchor == anchorSession && b.Flags&FlagSessionStart != 0
	if s.started != 0 && key == s.key && !again {
		return
	}
	s.started = 1
	s.key = key
	s.base = x
	s.vol.set(0)
	s.first.set(0)
	s.second.set(0)
}

// period is the number of the day, week or month that holds an open time; 0
// where the calendar does not matter.
func (s *vwapState) period(ms int64) int64 {
	switch s.anchor {
	case anchorDay:
		return dayOf(ms, s.offset)
	case anchorWeek:
		return weekOf(dayOf(ms, s.offset))
	case anchorMonth:
		return monthOf(dayOf(ms, s.offset))
	}
	return 0
}

// pick is the price of a bar that is averaged.
func (s *vwapState) pick(b *Bar) float64 {
	switch s.price {
	case priceClose:
		return b.Close
	case priceOpen:
		return b.Open
	case priceHigh:
		return b.High
	case priceLow:
		return b.Low
	case priceHL2:
		return b.priceHL2()
	case priceOHLC4:
		return b.priceOHLC4()
	case priceHLCC4:
		return b.priceHLCC4()
	}
	return b.priceHLC3()
}
