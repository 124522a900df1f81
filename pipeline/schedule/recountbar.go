package schedule

import (
	"math"
	"sort"
	"strconv"
	"strings"
)

// line is a kline that must stand on the topic.
type line struct {
	end, start int64
	s          *recountedSymbol
	itv        int
	rev        int
	wm         int64
	so         int64
	body       string
	close      float64
}

func (rc *recounted) emit(s *recountedSymbol, itv int, start int64, rev int, wm int64) {
	l := line{end: start + rc.w.plan.lens[itv], start: start, s: s, itv: itv, rev: rev, wm: wm, so: rc.offset}
	l.body, l.close = rc.add(s, itv, start)
	rc.fresh = append(rc.fresh, l)
}

// add sums one bar up from all trades of its bucket.
func (rc *recounted) add(s *recountedSymbol, itv int, start int64) (string, float64) {
	var first, last *accepted
	var high, low, v, qv, bv, bqv, n int64
	o0, o1 := int64(math.MaxInt64), int64(-1)
	for i := range s.trades {
		t := &s.trades[i]
		if t.ms < start || t.ms >= start+rc.w.plan.lens[itv] {
			continue
		}
		if n == 0 {
			first, last, high, low = t, t, t.price, t.price
		}
		if t.before(first) {
			first = t
		}
		if last.before(t) {
			last = t
		}
		high, low = max(high, t.price), min(low, t.price)
		n, v, qv = n+1, v+t.size, qv+t.price*t.size
		if t.buy {
			bv, bqv = bv+t.size, bqv+t.price*t.size
		}
		o0, o1 = min(o0, t.offset), max(o1, t.offset)
	}
	text := `,"o":"` + dec(first.price, 2) + `","h":"` + dec(high, 2) + `","l":"` + dec(low, 2) + `","c":"` + dec(last.price, 2) +
		`","v":"` + dec(v, 3) + `","qv":"` + dec(qv, 5) + `","n":` + num(n) + `,"bv":"` + dec(bv, 3) + `","bqv":"` + dec(bqv, 5) +
		`","vwap":"` + dec(halfEven(qv*1_000_000, v), 8) + `","f":` + first.idText() + `,"L":` + last.idText() + `,"final":true,"rev":` +
		"\x00" + `,"src":{"p":` + num(int64(rc.p)) + `,"o0":` + num(o0) + `,"o1":` + num(o1)
	return text, float64(last.price) / 100
}

// before orders trades by event time, then by integer id, else by arrival.
func (t *accepted) before(o *accepted) bool {
	if t.ms != o.ms {
		return t.ms < o.ms
	}
	if !t.text {
		return t.id < o.id
	}
	return t.offset < o.offset || t.offset == o.offset && t.index < o.index
}

func (t *accepted) idText() string {
	if t.text {
		return `"t-` + num(t.id) + `"`
	}
	return num(t.id)
}

// number completes a line with what depends on the order of the log.
func (rc *recounted) number(l *line) {
	sr := &l.s.series[l.itv]
	if sr.seq == 0 {
		sr.partial = l.end
	}
	sr.seq++
	q, why := "trades", ""
	if l.start < sr.partial {
		q = "partial"
	}
	if l.rev > 0 {
		why = `,"why":"late"`
	}
	head := `{"sym":"` + l.s.name + `","itv":"` + rc.w.plan.names[l.itv] + `","t":` + num(l.start) + `,"T":` + num(l.end-1)
	middle := num(int64(l.rev)) + why + `,"seq":` + num(sr.seq) + `,"q":"` + q + `"`
	l.body = head + strings.Replace(l.body, "\x00", middle, 1) + `},"wm":` + num(l.wm) + `,"ep":1,"ind":{`
	l.s.bar(l.itv, l.start).close = l.close
	l.close = l.s.average(l.itv, l.start)
}

// average is the indicator over all bars published so far, up to start.
func (s *recountedSymbol) average(itv int, start int64) float64 {
	var bars []publishedBar
	for _, b := range s.published {
		if b.itv == itv && b.start <= start && b.close != 0 {
			bars = append(bars, b)
		}
	}
	sort.Slice(bars, func(i, j int) bool { return bars[i].start < bars[j].start })
	y := bars[0].close
	for _, b := range bars[1:] {
		y = float64(0.5*(b.close-y)) + y
	}
	return y
}

func num(v int64) string { return strconv.FormatInt(v, 10) }

// dec is the shortest exact text of v / 10^places.
func dec(v int64, places int) string {
	s := num(v)
	if len(s) <= places {
		s = strings.Repeat("0", places+1-len(s)) + s
	}
	s = strings.TrimRight(s[:len(s)-places]+"."+s[len(s)-places:], "0")
	return strings.TrimSuffix(s, ".")
}

// halfEven is a / b, rounded half to even.
func halfEven(a, b int64) int64 {
	q, r := a/b, a%b
	if 2*r > b || 2*r == b && q%2 == 1 {
		q++
	}
	return q
}

func bucket(ms, length int64) int64 { return ms - ms%length }
