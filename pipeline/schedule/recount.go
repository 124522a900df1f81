package schedule

import (
	"encoding/json"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// recounted is the whole partition once more, from what the producers meant and
// from the decisions: written for clarity, with no code, no number format and
// no data structure of the core. It keeps every accepted trade and adds up each
// bar from all of them.
type recounted struct {
	w       *world
	p       int
	symbols []*recountedSymbol
	sources []*recountedSource
	future  int64 // max_future by the rules of the moment
	offset  int64
	lines   []line
	fresh   []line
	refused [numTopics][]string
	sums    core.Counters
}

type recountedSource struct {
	name         string
	hb           int64 // watermark
	event, stamp int64 // newest event time, Kafka timestamp of its record
	historical   bool
	down         bool
}

type recountedSymbol struct {
	name      string
	src       *recountedSource
	event     int64
	trades    []accepted
	published []publishedBar
	series    []recountedSeries
}

type accepted struct {
	trade
	offset int64
	index  int
}

type publishedBar struct {
	itv   int
	start int64
	rev   int
	close float64
}

type recountedSeries struct {
	seq     int64
	partial int64
}

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

const noTime = math.MinInt64 / 2

// recount compares klines, late and dlq with what the recount gives.
func (w *world) recount(p int, decisions []decision, outs [numTopics][]*record, ref *machine) {
	rc := &recounted{w: w, p: p, future: w.plan.future[w.firstRules(p)]}
	for i := range w.logs[ticks][p].recs {
		r := &w.logs[ticks][p].recs[i]
		for len(decisions) > 0 && decisions[0].at <= r.offset {
			rc.decision(&decisions[0])
			decisions = decisions[1:]
		}
		rc.offset = r.offset
		rc.record(r.intent)
	}
	for i := range decisions {
		rc.decision(&decisions[i])
	}
	if w.err == nil {
		rc.compareRefused(outs)
		rc.compareLines(outs[klines])
		rc.compareSums(ref.eng.Counters())
	}
}

func (rc *recounted) source(name string) *recountedSource {
	for _, s := range rc.sources {
		if s.name == name {
			return s
		}
	}
	s := &recountedSource{name: name, hb: noTime, event: noTime}
	rc.sources = append(rc.sources, s)
	return s
}

func (rc *recounted) wm(s *recountedSymbol) int64 {
	return max(s.event, s.src.hb) - rc.w.plan.core.WatermarkDelay
}

// decision acts, and checks that the time of an idle decision is what its rule
// gives: E + max(0, now - K) - idle_delay.
func (rc *recounted) decision(d *decision) {
	var ops []struct {
		Op, Src, Config string
		TS, Now         int64
	}
	if err := json.Unmarshal([]byte(d.body), &ops); err != nil {
		rc.w.violate("reading decision %d: %w", d.n, err)
		return
	}
	rc.offset = d.at
	for _, op := range ops {
		s := rc.source(op.Src)
		switch op.Op {
		case "idle":
			if want := s.event + max(0, op.Now-s.stamp) - rc.w.plan.core.IdleDelay; want != op.TS || s.historical || s.down {
				rc.w.violate("decision %d closes bars up to %d, by the log it is %d (historical %t, down %t)", d.n, op.TS, want, s.historical, s.down)
			}
			s.hb = max(s.hb, op.TS)
		case "historical":
			s.historical = true
		case "config":
			rc.future = rc.w.plan.future[op.Config[0]-'0']
		case "live":
			s.historical = false
		}
		rc.close()
	}
}

func (rc *recounted) record(in *intent) {
	switch {
	case in.garbage:
		rc.sums.Undecodable++
		rc.refuse(dlq, "decode", 0)
	case in.heartbeat:
		s := rc.source(in.source)
		s.hb, s.down = max(s.hb, in.ts), !in.up
	default:
		events := map[*recountedSymbol]int64{}
		for i := range in.trades {
			rc.sums.Trades++
			if s := rc.trade(in, &in.trades[i], i); s != nil {
				if old, ok := events[s]; !ok || in.trades[i].ms > old {
					events[s] = in.trades[i].ms
				}
			}
		}
		for _, s := range rc.symbols {
			if ms, ok := events[s]; ok {
				s.event = max(s.event, ms)
			}
		}
	}
	rc.close()
}

func (rc *recounted) refuse(t topic, reason string, index int) {
	rc.refused[t] = append(rc.refused[t], strconv.FormatInt(rc.offset, 10)+"|"+reason+"|"+strconv.Itoa(index))
}

// trade returns the symbol if the trade was accepted.
func (rc *recounted) trade(in *intent, t *trade, index int) *recountedSymbol {
	bad := t.bad
	if bad == "" && t.ms-rc.future > in.time {
		bad = "future"
	}
	if bad != "" {
		rc.sums.Rejected++
		rc.refuse(dlq, bad, index)
		return nil
	}
	var s *recountedSymbol
	for _, x := range rc.symbols {
		if x.name == t.symbol {
			s = x
		}
	}
	fresh := s == nil
	if fresh {
		s = &recountedSymbol{name: t.symbol, src: rc.source(in.source), event: noTime, series: make([]recountedSeries, len(rc.w.plan.lens))}
	}
	for i := range s.trades {
		if old := &s.trades[i]; old.id == t.id {
			if old.price == t.price && old.size == t.size {
				rc.sums.Duplicate++
			} else {
				rc.sums.Rejected++
				rc.refuse(dlq, "conflict", index)
			}
			return nil
		}
	}
	wm := rc.wm(s)
	end := bucket(t.ms, rc.w.plan.lens[0]) + rc.w.plan.lens[0]
	if end <= wm && wm-end > rc.w.plan.core.AllowedLateness {
		rc.sums.Late++
		rc.refuse(late, "too_late", index)
		return nil
	}
	if fresh {
		rc.symbols = append(rc.symbols, s)
	}
	s.trades = append(s.trades, accepted{*t, rc.offset, index})
	if src := rc.source(in.source); t.ms > src.event {
		src.event, src.stamp = t.ms, in.time
	}
	if end > wm {
		rc.sums.Applied++
		return s
	}
	rc.sums.Restated++
	rc.restate(s, t.ms, wm)
	return s
}

func (rc *recounted) restate(s *recountedSymbol, ms, wm int64) {
	for i, l := range rc.w.plan.lens {
		if start := bucket(ms, l); start+l <= wm {
			b := s.bar(i, start)
			if b == nil {
				s.published = append(s.published, publishedBar{itv: i, start: start})
				b = &s.published[len(s.published)-1]
			}
			b.rev++
			rc.emit(s, i, start, b.rev, wm)
		}
	}
}

func (s *recountedSymbol) bar(itv int, start int64) *publishedBar {
	for i := range s.published {
		if b := &s.published[i]; b.itv == itv && b.start == start {
			return b
		}
	}
	return nil
}

// close publishes all bars that the watermarks have passed, and numbers what
// this record or decision has caused.
func (rc *recounted) close() {
	for _, s := range rc.symbols {
		wm := rc.wm(s)
		for i, l := range rc.w.plan.lens {
			for j := range s.trades {
				start := bucket(s.trades[j].ms, l)
				if start+l <= wm && s.bar(i, start) == nil {
					s.published = append(s.published, publishedBar{itv: i, start: start})
					rc.emit(s, i, start, 0, wm)
				}
			}
		}
	}
	sort.SliceStable(rc.fresh, func(i, j int) bool {
		a, b := &rc.fresh[i], &rc.fresh[j]
		if a.end != b.end {
			return a.end < b.end
		}
		if a.s.name != b.s.name {
			return a.s.name < b.s.name
		}
		return a.itv < b.itv
	})
	for i := range rc.fresh {
		rc.number(&rc.fresh[i])
	}
	rc.lines, rc.fresh = append(rc.lines, rc.fresh...), rc.fresh[:0]
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
