package indicators

import "unsafe"

// Choices of the parameter ma.
const (
	maSMA uint32 = 0
	maEMA uint32 = 1
	nMA   uint32 = 2
)

// smoother is a moving average whose kind is a parameter. Its window lies
// behind the state and is used by the SMA only.
type smoother struct {
	kind uint32
	_    uint32
	sum  ringSum
	avg  average
}

// start prepares an average of n values; the memory is zeroed already.
func (s *smoother) start(kind, n uint32) {
	s.kind = kind
	s.sum.start(n)
	s.avg.start(n)
}

// push takes one value and reports whether the average has one, too.
func (s *smoother) push(ring unsafe.Pointer, x float64) bool {
	if s.kind == maEMA {
		s.avg.ema(x)
		return s.avg.full()
	}
	s.sum.push(ring, x)
	return s.sum.full()
}

// value is the average of what was pushed.
func (s *smoother) value() float64 {
	if s.kind == maEMA {
		return s.avg.y
	}
	return s.sum.mean()
}
