package indicators

import "unsafe"

const (
	atrMax = 10000

	atrTALib uint32 = 0
	atrTV    uint32 = 1
	nATR     uint32 = 2
)

// atrState is Wilder's average of the true range. Bar 0 has no true range in
// profile talib; in tv it is high - low.
type atrState struct {
	head    head
	profile uint32
	started uint32 // 1 once prev is known
	prev    float64
	avg     average
}

type atrOut struct {
	value float64
}

func atrSize(a *args) uint32 {
	a.expect(2)
	a.whole(0, 1, atrMax)
	a.choice(1, nATR)
	return uint32(unsafe.Sizeof(atrState{}))
}

func atrInit(a *args, p unsafe.Pointer) {
	s := (*atrState)(p)
	s.avg.start(a.whole(0, 1, atrMax))
	s.profile = a.choice(1, nATR)
}

func atrWarmup(a *args) int32 {
	n := a.whole(0, 1, atrMax)
	first := int32(n)
	if a.choice(1, nATR) == atrTV {
		first--
	}
	return first + 1 + decayRMA(n)
}

func atrUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*atrState)(p)
	if s.avg.young() {
		return atrSeed(s, b, (*atrOut)(out))
	}
	s.avg.nextRMA(trueRange(b, s.prev))
	s.prev = b.Close
	(*atrOut)(out).value = s.avg.y
	return Ready
}

// atrSeed is atrUpdate while the average is young.
func atrSeed(s *atrState, b *Bar, o *atrOut) int32 {
	if s.started != 0 {
		s.avg.rma(trueRange(b, s.prev))
	} else if s.profile == atrTV {
		s.avg.rma(b.High - b.Low)
	}
	s.started = 1
	s.prev = b.Close
	if !s.avg.full() {
		o.value = null()
		return Warming
	}
	o.value = s.avg.y
	return Ready
}

// trueRange is the largest of the bar's range and the distances of its ends
// from the previous close.
func trueRange(b *Bar, prev float64) float64 {
	r := b.High - b.Low
	if d := abs(b.High - prev); d > r {
		r = d
	}
	if d := abs(b.Low - prev); d > r {
		r = d
	}
	return r
}
