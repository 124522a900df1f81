package indicators

import "unsafe"

const smaMax = 5000 // 8 bytes a bar keep the state under 64 KiB

// smaState is the simple moving average: the compensated sum of the last n
// values divided by n. Its window lies behind it.
type smaState struct {
	head head
	sum  ringSum
}

type smaOut struct {
	value float64
}

func smaSize(a *args) uint32 {
	a.expect(1)
	return uint32(unsafe.Sizeof(smaState{})) + 8*a.whole(0, 1, smaMax)
}

func smaInit(a *args, p unsafe.Pointer) {
	s := (*smaState)(p)
	s.sum.start(a.whole(0, 1, smaMax))
}

func smaWarmup(a *args) int32 { return int32(a.whole(0, 1, smaMax)) }

func smaUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*smaState)(p)
	if !s.sum.usual(b.Src) {
		return smaRare(s, b.Src, (*smaOut)(out))
	}
	s.sum.slide(s.ring(), b.Src)
	(*smaOut)(out).value = s.sum.mean()
	return Ready
}

// smaRare is smaUpdate outside of the usual case.
func smaRare(s *smaState, x float64, o *smaOut) int32 {
	s.sum.pushRare(s.ring(), x)
	if !s.sum.full() {
		o.value = null()
		return Warming
	}
	o.value = s.sum.mean()
	return Ready
}

// ring is the window behind the state.
func (s *smaState) ring() unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(smaState{}))
}
