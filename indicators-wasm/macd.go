package indicators

import "unsafe"

const (
	macdMax = 10000

	macdTALib uint32 = 0
	macdTV    uint32 = 1
	macdCN    uint32 = 2
	nMACD     uint32 = 3
)

// macdState is the convergence and divergence of two averages. In profile
// talib both are seeded so that their windows end on the same bar; in tv and
// cn each starts at the first bar, and cn doubles the histogram.
type macdState struct {
	head    head
	profile uint32
	skip    uint32 // bars the fast average still leaves out
	fast    average
	slow    average
	signal  average
}

type macdOut struct {
	macd   float64
	signal float64
	hist   float64
}

// macdArgs are the decoded parameters; fast and slow are in order.
type macdArgs struct {
	fast, slow, signal, profile uint32
}

func (m *macdArgs) read(a *args) {
	m.fast = a.whole(0, 2, macdMax)
	m.slow = a.whole(1, 2, macdMax)
	m.signal = a.whole(2, 1, macdMax)
	m.profile = a.choice(3, nMACD)
	if m.slow < m.fast {
		t := m.fast
		m.fast = m.slow
		m.slow = t
	}
}

func macdSize(a *args) uint32 {
	a.expect(4)
	var m macdArgs
	m.read(a)
	return uint32(unsafe.Sizeof(macdState{}))
}

func macdInit(a *args, p unsafe.Pointer) {
	s := (*macdState)(p)
	var m macdArgs
	m.read(a)
	s.profile = m.profile
	if m.profile == macdTALib {
		s.skip = m.slow - m.fast
	}
	s.fast.start(m.fast)
	s.slow.start(m.slow)
	s.signal.start(m.signal)
}

func macdWarmup(a *args) int32 {
	var m macdArgs
	m.read(a)
	first := int32(m.slow+m.signal) - 2
	return first + 1 + decayEMA(m.slow) + decayEMA(m.signal)
}

func macdUpdate(p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	s := (*macdState)(p)
	o := (*macdOut)(out)
	// The signal is the last of the three to have its seed.
	if s.signal.young() {
		return macdSeed(s, b.Src, o)
	}
	s.slow.nextEMA(b.Src)
	s.fast.nextEMA(b.Src)
	line := s.fast.y - s.slow.y
	s.signal.nextEMA(line)
	o.macd = line
	o.signal = s.signal.y
	o.hist = line - s.signal.y
	if s.profile == macdCN {
		o.hist = float64(2 * o.hist)
	}
	return Ready
}

// macdSeed is macdUpdate while the signal is young.
func macdSeed(s *macdState, x float64, o *macdOut) int32 {
	o.macd = null()
	o.signal = null()
	o.hist = null()
	s.slow.ema(x)
	if s.skip > 0 {
		s.skip--
	} else {
		s.fast.ema(x)
	}
	if !s.slow.full() {
		return Warming
	}
	line := s.fast.y - s.slow.y
	s.signal.ema(line)
	due := s.signal.full()
	if !due && s.profile == macdTALib {
		return Warming
	}
	o.macd = line
	if due {
		o.signal = s.signal.y
		o.hist = line - s.signal.y
		if s.profile == macdCN {
			o.hist = float64(2 * o.hist)
		}
	}
	return Ready
}
