package schedule

import (
	"encoding/json"
	"math"
	"sort"
	"strconv"

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

// decision acts, and checks that the time of an idle decision is what its rule
// gives: now + min(0, E - K) - idle_delay.
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
			if want := op.Now + min(0, s.event-s.stamp) - rc.w.plan.core.IdleDelay; want != op.TS || s.historical || s.down {
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

func (rc *recounted) refuse(t topic, reason string, index int) {
	rc.refused[t] = append(rc.refused[t], strconv.FormatInt(rc.offset, 10)+"|"+reason+"|"+strconv.Itoa(index))
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
