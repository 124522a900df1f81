package indicators

import "unsafe"

const (
	obvTALib uint32 = 0
	obvTV    uint32 = 1
	nOBV     uint32 = 2
)

// obvState is the on-balance volume: the volume of rising bars less that of
// falling ones. It starts at the first volume, in profile tv at 0. The sum
// never forgets, so it is compensated.
type obvState struct {
	head    head
	profile uint32
	started uint32 // 1 once prev is known
	prev    float64
	sum     neumaier
}

type obvOut struct {
	value float64
}

func obvSize(a *args) uint32 {
	a.expect(1)
	a.choice(0, nOBV)
	return uint32(unsafe.Sizeof(obvState{}))
}

func obvInit(a *args, p unsafe.Pointer) {
	s := (*obvState)(p)
	s.profile = a.choice(0, nOBV)
}

func obvUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*obvState)(p)
	o := (*obvOut)(out)
	if s.started == 0 {
		s.started = 1
		if s.profile == obvTALib {
			s.sum.add(b.Volume)
		}
	} else if b.Src > s.prev {
		s.sum.add(b.Volume)
	} else if b.Src < s.prev {
		s.sum.add(-b.Volume)
	}
	s.prev = b.Src
	o.value = s.sum.value()
	return Ready
}
