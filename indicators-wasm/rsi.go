package indicators

import (
	"math"
	"unsafe"
)

const rsiMax = 10000

// rsiState is Wilder's relative strength index: the share of the averaged
// gains in all averaged changes, times 100.
type rsiState struct {
	head    head
	started uint32 // 1 once prev is known
	_       uint32
	prev    float64
	gain    average
	loss    average
}

type rsiOut struct {
	value      float64
	degenerate float64
}

func rsiSize(a *args) uint32 {
	a.expect(1)
	a.whole(0, 2, rsiMax)
	return uint32(unsafe.Sizeof(rsiState{}))
}

func rsiInit(a *args, p unsafe.Pointer) {
	s := (*rsiState)(p)
	n := a.whole(0, 2, rsiMax)
	s.gain.start(n)
	s.loss.start(n)
}

func rsiWarmup(a *args) int32 {
	n := a.whole(0, 2, rsiMax)
	return int32(n) + 1 + decayRMA(n)
}

func rsiUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*rsiState)(p)
	if s.gain.young() {
		return rsiSeed(s, b.Src, (*rsiOut)(out))
	}
	d := b.Src - s.prev
	s.prev = b.Src
	s.gain.nextRMA(rise(d))
	s.loss.nextRMA(rise(-d))
	(*rsiOut)(out).set(s.gain.y, s.loss.y)
	return Ready
}

// rsiSeed is rsiUpdate while the averages are young.
func rsiSeed(s *rsiState, x float64, o *rsiOut) int32 {
	s.push(x)
	if !s.gain.full() {
		o.value = null()
		o.degenerate = null()
		return Warming
	}
	o.set(s.gain.y, s.loss.y)
	return Ready
}

// set writes the row for the averages of gains and losses. A series that never
// moved has no direction: 50, and flagged, because 0 or 100 would fire every
// threshold alert.
func (o *rsiOut) set(gain, loss float64) {
	if gain == 0 && loss == 0 {
		o.value = 50
		o.degenerate = 1
		return
	}
	o.value = float64(100 * (gain / (gain + loss)))
	o.degenerate = 0
}

// rise is d if it is positive, else 0. The sign bit, spread over all bits,
// clears a negative d without a branch, which for prices would be a coin toss.
func rise(d float64) float64 {
	bits := int64(math.Float64bits(d))
	return math.Float64frombits(uint64(bits &^ (bits >> 63)))
}

// push takes one value; the first one has no change.
func (s *rsiState) push(x float64) {
	if s.started == 0 {
		s.started = 1
		s.prev = x
		return
	}
	var gain, loss float64
	if x > s.prev {
		gain = x - s.prev
	} else if x < s.prev {
		loss = s.prev - x
	}
	s.prev = x
	s.gain.rma(gain)
	s.loss.rma(loss)
}
