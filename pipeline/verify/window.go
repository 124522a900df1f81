package verify

import (
	"math/big"
	"strconv"
)

// fill is an accepted trade at the scales that its symbol has reached.
type fill struct {
	price, size int64
	ps, qs      uint8
	notional    sum // at ps + qs
	edge        edge
	ms, offset  int64
	buy         bool
}

// edge is what makes a trade the first or the last of a bar: event time, then
// the order of the symbol; what follows decides between trades that are equal
// in both.
type edge struct {
	ns    int64
	tie   uint64
	price int64 // at the places of the bar
	kind  uint8
	num   int64
	text  string
}

func (e *edge) before(f *edge) bool {
	switch {
	case e.ns != f.ns:
		return e.ns < f.ns
	case e.tie != f.tie:
		return e.tie < f.tie
	case e.price != f.price:
		return e.price < f.price
	case e.kind != f.kind:
		return e.kind < f.kind
	case e.num != f.num:
		return e.num < f.num
	}
	return e.text < f.text
}

// appendID appends the id as it stands in a kline.
func (e *edge) appendID(dst []byte) []byte {
	switch e.kind {
	case idNumber:
		return strconv.AppendInt(dst, e.num, 10)
	case idText:
		return appendJSON(dst, e.text)
	}
	return append(dst, "-1"...)
}

// reasonGone is why a bar is not known that began before what the input has left.
const reasonGone = "trades that retention has removed"

// window is one bar: what its trades make of it, and what was published of it.
type window struct {
	open, end   int64
	ps, qs      uint8
	high, low   int64
	first, last edge
	n           int64
	v, qv       sum
	bv, bqv     sum
	o0, o1      int64

	said said
	// unproven says why the content cannot be known, "" if it can.
	unproven string
	// stale tells that a trade came in behind the newest revision.
	stale bool
}

// said is the newest revision of a bar that was published.
type said struct {
	rev    int32 // -1: none
	n      int64
	record int64 // offset on klines
	so     int64 // its position
	values values
	// bar is what was published of a bar that cannot be proven, if heard.
	bar   numbers
	heard bool
}

// reset makes w the empty bar of an interval.
func (w *window) reset(open, end int64) {
	values := w.said.values
	values.reset()
	*w = window{open: open, end: end, said: said{rev: -1, values: values}}
}

// doubt marks the bar as not provable. The first reason stays.
func (w *window) doubt(why string) {
	if w.unproven == "" {
		w.unproven = why
	}
}

// add puts a trade into the bar. It reports false where a number exceeds its
// bits, which the engine refuses with a reason.
func (w *window) add(f *fill) bool {
	if w.n > 0 && (w.ps < f.ps || w.qs < f.qs) && !w.rescale(f.ps, f.qs) {
		return false
	}
	if w.n == 0 {
		w.ps, w.qs, w.high, w.low, w.first, w.last = f.ps, f.qs, f.price, f.price, f.edge, f.edge
		w.o0, w.o1 = f.offset, f.offset
	} else {
		if f.edge.before(&w.first) {
			w.first = f.edge
		}
		if w.last.before(&f.edge) {
			w.last = f.edge
		}
		w.high, w.low = max(w.high, f.price), min(w.low, f.price)
		w.o0, w.o1 = min(w.o0, f.offset), max(w.o1, f.offset)
	}
	w.n++
	w.stale = true
	var ok, ok2 bool
	w.v, ok = w.v.plus(wide(f.size))
	w.qv, ok2 = w.qv.plus(f.notional)
	if f.buy { // parts of the two above: they cannot overflow alone
		w.bv, _ = w.bv.plus(wide(f.size))
		w.bqv, _ = w.bqv.plus(f.notional)
	}
	return ok && ok2
}

// rescale gives the bar as many places as its symbol has reached meanwhile.
func (w *window) rescale(ps, qs uint8) bool {
	dp, dq := ps-w.ps, qs-w.qs
	ok := true
	for _, p := range []*int64{&w.high, &w.low, &w.first.price, &w.last.price} {
		a, fits := wide(*p).times(dp)
		*p, ok = int64(a.lo), ok && fits && a == wide(int64(a.lo)) //nolint:gosec // compared
	}
	for _, s := range []struct {
		sum *sum
		by  uint8
	}{{&w.v, dq}, {&w.bv, dq}, {&w.qv, dp}, {&w.bqv, dp}, {&w.qv, dq}, {&w.bqv, dq}} {
		var fits bool
		*s.sum, fits = s.sum.times(s.by)
		ok = ok && fits
	}
	w.ps, w.qs = ps, qs
	return ok
}

// leastPlaces is how many decimals a vwap has at least.
const leastPlaces = 8

// appendVWAP appends qv / v, rounded half to even. places is the larger of 8
// and the scale that the symbol had.
func (w *window) appendVWAP(dst []byte, places uint8) []byte {
	num, den := w.qv.big(), w.v.big()
	negative := num.Sign() < 0
	num.Abs(num)
	// qv has ps + qs places and v has qs: the quotient has ps.
	if places < w.ps {
		den.Mul(den, new(big.Int).SetUint64(tens[w.ps-places]))
	} else {
		num.Mul(num, new(big.Int).SetUint64(tens[places-w.ps]))
	}
	quo, rest := num.QuoRem(num, den, new(big.Int))
	if half := rest.Lsh(rest, 1).Cmp(den); half > 0 || half == 0 && quo.Bit(0) == 1 {
		quo.Add(quo, big.NewInt(1))
	}
	if negative && quo.Sign() != 0 {
		dst = append(dst, '-')
	}
	var buf [64]byte
	return appendPoint(dst, quo.Append(buf[:0], 10), int(places))
}

func (s sum) big() *big.Int {
	b := big.NewInt(s.hi)
	return b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(s.lo))
}

// numbers is a bar as indicators take it.
type numbers struct{ o, h, l, c, v, qv, bv float64 }

// numbers returns the doubles nearest to the exact decimals.
func (w *window) numbers() numbers {
	if w.said.heard {
		return w.said.bar
	}
	var buf [64]byte
	read := func(s sum, places uint8) float64 {
		return nearest(appendNumber(buf[:0], s, places))
	}
	return numbers{
		o: read(wide(w.first.price), w.ps), h: read(wide(w.high), w.ps),
		l: read(wide(w.low), w.ps), c: read(wide(w.last.price), w.ps),
		v: read(w.v, w.qs), qv: read(w.qv, w.ps+w.qs), bv: read(w.bv, w.qs),
	}
}

// nearest reads text of a number that was checked before.
func nearest(text []byte) float64 {
	f, _ := strconv.ParseFloat(string(text), 64)
	return f
}
