package indicators

import "unsafe"

const emaMax = 10000

// emaState is the exponential moving average, seeded with the mean of the
// first n values.
type emaState struct {
	head head
	avg  average
}

type emaOut struct {
	value float64
}

func emaSize(a *args) uint32 {
	a.expect(1)
	a.whole(0, 1, emaMax)
	return uint32(unsafe.Sizeof(emaState{}))
}

func emaInit(a *args, p unsafe.Pointer) {
	s := (*emaState)(p)
	s.avg.start(a.whole(0, 1, emaMax))
}

func emaWarmup(a *args) int32 {
	n := a.whole(0, 1, emaMax)
	return int32(n) + decayEMA(n)
}

func emaUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*emaState)(p)
	if s.avg.young() {
		return emaSeed(s, b.Src, (*emaOut)(out))
	}
	s.avg.nextEMA(b.Src)
	(*emaOut)(out).value = s.avg.y
	return Ready
}

// emaSeed is emaUpdate while the average is young.
func emaSeed(s *emaState, x float64, o *emaOut) int32 {
	s.avg.seed(x)
	if !s.avg.full() {
		o.value = null()
		return Warming
	}
	o.value = s.avg.y
	return Ready
}
