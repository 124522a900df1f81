package indicators

import "unsafe"

// deque is a monotonic queue in a circle of n entries: the newest entry is the
// weakest, the oldest the extreme of the window. Each entry is a value and the
// counter of its bar; both lie behind the state.
type deque struct {
	head uint32
	size uint32
}

// last is the place of the newest entry in a circle of n.
func (d *deque) last(n uint32) uint32 {
	i := d.head + d.size - 1
	if i >= n {
		i -= n
	}
	return i
}

// expire drops the front entry if it has left the window of n bars that ends
// at bar t. It comes before admit: the other way round the circle would need
// one entry more than the window. Ages are differences of u32 counters, so the
// counter may wrap.
func (d *deque) expire(bars []uint32, n, t uint32) {
	if d.size > 0 && t-bars[d.head] >= n {
		d.head++
		if d.head == n {
			d.head = 0
		}
		d.size--
	}
}

// admit adds the newest entry.
func (d *deque) admit(vals []float64, bars []uint32, n, t uint32, x float64) {
	d.size++
	i := d.last(n)
	vals[i] = x
	bars[i] = t
}

// highest takes x as the value of bar t and returns the maximum of the last n
// bars; the circle lies at p. Equal values are dropped: the latest of equal
// extremes wins.
func (d *deque) highest(p unsafe.Pointer, n, t uint32, x float64) float64 {
	vals := cells(p, 0, n)
	bars := marks(p, uintptr(8*n), n)
	d.expire(bars, n, t)
	for d.size > 0 && vals[d.last(n)] <= x {
		d.size--
	}
	d.admit(vals, bars, n, t, x)
	return vals[d.head]
}

// lowest is highest for the minimum.
func (d *deque) lowest(p unsafe.Pointer, n, t uint32, x float64) float64 {
	vals := cells(p, 0, n)
	bars := marks(p, uintptr(8*n), n)
	d.expire(bars, n, t)
	for d.size > 0 && vals[d.last(n)] >= x {
		d.size--
	}
	d.admit(vals, bars, n, t, x)
	return vals[d.head]
}

// extrema is the highest high and the lowest low of the last n bars. A rescan
// of the window when its extreme leaves would cost O(n) on every bar of a
// trend; two deques cost O(1) on average.
type extrema struct {
	n      uint32
	t      uint32 // bars seen, wraps
	filled uint32 // bars seen, at most n
	_      uint32
	hi, lo deque
	hh, ll float64 // the extremes after the last push
}

// dequeBytes is the room of one deque of n entries, a multiple of 8.
func dequeBytes(n uint32) uint32 { return (12*n + 7) &^ 7 }

// extremaBytes is the room that extrema of n bars need behind the state: two
// deques, each a column of values and a column of counters.
func extremaBytes(n uint32) uint32 { return 2 * dequeBytes(n) }

// start prepares a window of n bars; the memory is zeroed already.
func (e *extrema) start(n uint32) { e.n = n }

// full reports whether n bars were seen.
func (e *extrema) full() bool { return e.filled == e.n }

// push takes one bar; the deques lie offset bytes behind p.
func (e *extrema) push(p unsafe.Pointer, offset uintptr, high, low float64) {
	room := unsafe.Add(p, offset)
	e.hh = e.hi.highest(room, e.n, e.t, high)
	e.ll = e.lo.lowest(unsafe.Add(room, dequeBytes(e.n)), e.n, e.t, low)
	e.t++
	if e.filled < e.n {
		e.filled++
	}
}
