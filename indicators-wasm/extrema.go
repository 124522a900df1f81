package indicators

import "unsafe"

// deque is a monotonic queue in a circle of n entries: the newest entry is the
// weakest, the oldest the extreme of the window. Each entry is a value and the
// counter of its bar; both lie behind the state.
type deque struct {
	head uint32
	size uint32
}

// expire drops the front entry if it has left the window of n bars that ends
// at bar t, and returns the place for the newest entry. It comes before a bar
// is admitted: the other way round the circle would need one entry more than
// the window. Ages are differences of u32 counters, so the counter may wrap.
func (d *deque) expire(bars unsafe.Pointer, n, t uint32) uint32 {
	if d.size > 0 && t-*mark(bars, d.head) >= n {
		d.head = after(d.head, n)
		d.size--
	}
	i := d.head + d.size - n // wraps below n, as a negative number
	return i + n&uint32(int32(i)>>31)
}

// highest takes x as the value of bar t and returns the maximum of the last n
// bars; the circle lies at p. Equal values are dropped: the latest of equal
// extremes wins.
func (d *deque) highest(p unsafe.Pointer, n, t uint32, x float64) float64 {
	bars := unsafe.Add(p, 8*n)
	i := d.expire(bars, n, t)
	size := d.size
	for size > 0 {
		k := before(i, n)
		if !(*cell(p, k) <= x) {
			break
		}
		i = k
		size--
	}
	*cell(p, i) = x
	*mark(bars, i) = t
	d.size = size + 1
	return *cell(p, d.head)
}

// lowest is highest for the minimum.
func (d *deque) lowest(p unsafe.Pointer, n, t uint32, x float64) float64 {
	bars := unsafe.Add(p, 8*n)
	i := d.expire(bars, n, t)
	size := d.size
	for size > 0 {
		k := before(i, n)
		if !(*cell(p, k) >= x) {
			break
		}
		i = k
		size--
	}
	*cell(p, i) = x
	*mark(bars, i) = t
	d.size = size + 1
	return *cell(p, d.head)
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

// push takes one bar; the deques lie at room.
func (e *extrema) push(room unsafe.Pointer, high, low float64) {
	e.hh = e.hi.highest(room, e.n, e.t, high)
	e.ll = e.lo.lowest(unsafe.Add(room, dequeBytes(e.n)), e.n, e.t, low)
	e.t++
	if e.filled < e.n {
		e.filled++
	}
}
