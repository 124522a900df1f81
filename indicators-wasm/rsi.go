package indicators

import "unsafe"

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
	o := (*rsiOut)(out)
	s.push(b.Src)
	if !s.gain.full() {
		o.value = null()
		o.degenerate = null()
		return Warming
	}
	u := s.gain.y
	d := s.loss.y
	// A series that never moved has no direction: 50, and flagged, because
	// 0 or 100 would fire every threshold alert.
	flat := u == 0 && d == 0
	o.value = 50
	if !flat {
		o.value = float64(100 * (u / (u + d)))
	}
	o.degenerate = truth(flat)
	return Ready
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
