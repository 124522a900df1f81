package verify

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// collect reads the records of klines that one position has caused, before the
// input record of that position is taken: a decision stands in front of it, and
// what its klines show of the watermark explains why a trade was too late.
func (a *auditor) collect(group []output) {
	a.group = slices.Grow(a.group[:0], len(group))[:len(group)]
	for i := range group {
		k, rec := &a.group[i], &group[i].rec
		*k = published{}
		if group[i].kind != "" {
			continue
		}
		if err := parsePublished(rec.Value, k); err != nil {
			*k = published{}
			a.differ(&Difference{Place: "klines", Field: "unreadable", Found: err.Error(), From: group[i].so, To: group[i].so, Record: rec.Offset})
			continue
		}
		k.record, k.so = rec.Offset, group[i].so
		if k.series = a.seriesOf(k.sym, k.itv); k.series == nil {
			a.report.unproven("klines of an interval that is not configured", 1, 0)
			continue
		}
		if k.so >= a.r.To {
			continue // what trades behind the range have moved tells nothing about it
		}
		s := k.series.symbol
		s.shown = max(s.shown, k.wm)
		if s.src != nil {
			s.src.shown = max(s.src.shown, k.wm)
		}
	}
}

// apply takes the collected group. Its bars are compared when all of it is
// known: an array of late trades restates a bar several times, and only the
// last one has them all.
func (a *auditor) apply(group []output) {
	a.wrong = a.wrong[:0]
	for i := range group {
		switch group[i].kind {
		case "":
			if k := &a.group[i]; k.series != nil {
				a.report.Klines++
				a.kline(&group[i].rec, k)
			}
		case "ind":
			a.report.RestatedValues++
			a.restated(&group[i].rec, group[i].so)
		default:
			a.differ(&Difference{Place: "klines", Field: "unknown kind", Found: group[i].kind, From: group[i].so, To: group[i].so, Record: group[i].rec.Offset})
		}
	}
	for i := range group {
		if k := &a.group[i]; k.window != nil && k.window.said.record == k.record {
			a.compare(k)
		}
	}
}

// kline takes one revision of a bar: its place in the series, and what of it
// does not depend on the trades.
func (a *auditor) kline(rec *kafkaRec, k *published) {
	s := k.series
	if k.rev > 0 {
		a.report.Restated++
	}
	a.sequence(k)
	if want := bareKey(k.sym, k.itv, strconv.FormatInt(k.t, 10)); string(rec.Key) != want {
		a.wrongField(k, "key", want, string(rec.Key))
	}
	if k.so >= a.r.To && (s.beyond || k.o1 >= a.r.To) {
		s.beyond = true
		a.report.Beyond++
		return
	}
	s.within = k.seq
	if k.t != s.interval.open(k.t) {
		a.wrongField(k, "t", "an open time of "+s.interval.Name, strconv.FormatInt(k.t, 10))
		return
	}
	w := a.windowOf(k)
	if w == nil {
		return
	}
	k.window = w
	a.number(k, "T", k.end, w.end-1)
	a.revision(k, w)
	w.said.rev, w.said.record, w.said.so, w.said.n = int32(k.rev), k.record, k.so, k.n //nolint:gosec // compared before
	if w.said.heard = w.unproven != ""; w.said.heard {
		w.said.bar = numbers{nearest(k.o), nearest(k.h), nearest(k.l), nearest(k.c), nearest(k.v), nearest(k.qv), nearest(k.bv)}
	}
	a.valuesOf(k, w)
	a.touch(s.symbol)
}

// sequence checks that the numbers of a series follow each other.
func (a *auditor) sequence(k *published) {
	s := k.series
	a.changes.hear(s.number, k.so)
	if s.begun {
		a.back(k)
		if k.seq != s.seq+1 {
			a.wrongField(k, "seq", strconv.FormatInt(s.seq+1, 10)+", records are missing or too many", strconv.FormatInt(k.seq, 10))
		}
	} else {
		a.first(k)
	}
	s.seq, s.lastSo, s.lastAt = k.seq, k.so, max(s.lastAt, k.t)
	if s.full {
		want := "trades"
		if k.t < s.partial {
			want = "partial"
		}
		if string(k.q) != want {
			a.wrongField(k, "q", want, string(k.q))
		}
	}
}

// first takes the first record of a series.
func (a *auditor) first(k *published) {
	s := k.series
	s.begun, s.full = true, k.seq == 1
	if k.seq != 1 && !a.cut {
		a.wrongField(k, "seq", "1, the first of its series", strconv.FormatInt(k.seq, 10))
	}
	s.firstAt = k.t
	if s.full {
		s.partial = k.end + 1
	}
	s.firstSo = k.so
	if s.late() {
		a.report.unproven(reasonAdded, s.early.n, 0)
		s.early = lacking{}
	}
	a.lostBars(s, &s.early)
}

// windowOf finds the bar that a record is about.
func (a *auditor) windowOf(k *published) *window {
	s := k.series
	i, ok := s.find(k.t)
	if ok {
		if w := s.windows[i]; k.o0 < a.r.From {
			w.doubt(reasonGone)
		}
		return s.windows[i]
	}
	if k.t+s.interval.Millis <= s.gone {
		a.wrongField(k, "restated", "no revision: the bar was beyond its lateness", "rev "+strconv.FormatInt(k.rev, 10))
		return nil
	}
	if k.o0 >= a.r.From {
		a.wrongField(k, "bar", "none: no trade falls into it", "n "+strconv.FormatInt(k.n, 10))
		return nil
	}
	w := s.window(k.t)
	w.unproven = reasonGone
	return w
}

// revision checks how the bar came about.
func (a *auditor) revision(k *published, w *window) {
	want := int64(w.said.rev) + 1
	if w.said.rev < 0 && k.rev == 1 {
		want = 1 // a bar born late, by a trade in an empty bucket
	}
	if w.said.rev < 0 && a.cut {
		want = k.rev // the first ones may be gone
	}
	why := ""
	if k.rev > 0 {
		why = "late"
	}
	switch {
	case k.rev != want:
		a.wrongField(k, "rev", strconv.FormatInt(want, 10), strconv.FormatInt(k.rev, 10))
	case string(k.why) != why:
		a.wrongField(k, "why", why, string(k.why))
	case !k.final:
		a.wrongField(k, "final", "true", "false")
	case k.wm <= k.end:
		a.wrongField(k, "wm", "at least "+strconv.FormatInt(k.end+1, 10)+", the end of the bar", strconv.FormatInt(k.wm, 10))
	}
}

// compare holds a published bar against the recomputed one.
func (a *auditor) compare(k *published) {
	w, s := k.window, k.series
	w.stale = false
	if a.cfg.Redis != nil || a.cfg.REST != "" {
		s.tail.put(k, a.cfg.ViewBars)
	}
	if w.unproven != "" {
		return
	}
	a.amount(k, "o", k.o, wide(w.first.price), w.ps)
	a.amount(k, "h", k.h, wide(w.high), w.ps)
	a.amount(k, "l", k.l, wide(w.low), w.ps)
	a.amount(k, "c", k.c, wide(w.last.price), w.ps)
	a.amount(k, "v", k.v, w.v, w.qs)
	a.amount(k, "qv", k.qv, w.qv, w.ps+w.qs)
	a.number(k, "n", k.n, w.n)
	a.amount(k, "bv", k.bv, w.bv, w.qs)
	a.amount(k, "bqv", k.bqv, w.bqv, w.ps+w.qs)
	a.vwap(k)
	a.identity(k, "f", k.first, &w.first)
	a.identity(k, "L", k.last, &w.last)
	a.number(k, "src.p", k.p, int64(a.r.Partition))
	a.number(k, "src.o0", k.o0, w.o0)
	a.number(k, "src.o1", k.o1, w.o1)
}

func (a *auditor) number(k *published, field string, got, want int64) {
	if got != want {
		a.wrongField(k, field, strconv.FormatInt(want, 10), strconv.FormatInt(got, 10))
	}
}

func (a *auditor) amount(k *published, field string, got []byte, want sum, places uint8) {
	a.scratch = appendNumber(a.scratch[:0], want, places)
	if !bytes.Equal(got, a.scratch) {
		a.wrongField(k, field, string(a.scratch), string(got))
	}
}

// vwap is rounded at the scale that the symbol had; a trade of the same record
// may have raised it after the bar was restated. Trades outside of the range, which
// were not read, may have raised it as well, and one whose refusal is gone may not.
func (a *auditor) vwap(k *published) {
	w, s := k.window, k.series.symbol
	a.scratch = w.appendVWAP(a.scratch[:0], max(s.ps, leastPlaces))
	if bytes.Equal(k.vwap, a.scratch) {
		return
	}
	least, most := s.sure, s.ps
	if k.so >= a.r.To {
		least, most = min(least, w.ps), maxPlaces
	}
	if a.r.From > 0 {
		most = maxPlaces
	}
	for places := max(least, leastPlaces); places <= most; places++ {
		if bytes.Equal(k.vwap, w.appendVWAP(nil, places)) {
			return
		}
	}
	if old := max(s.oldPS, leastPlaces); old < s.ps && old >= w.ps && bytes.Equal(k.vwap, w.appendVWAP(nil, old)) {
		return
	}
	a.wrongField(k, "vwap", string(a.scratch), string(k.vwap))
}

func (a *auditor) identity(k *published, field string, got []byte, want *edge) {
	a.scratch = want.appendID(a.scratch[:0])
	if bytes.Equal(got, a.scratch) {
		return
	}
	var text string
	if want.kind == idText && json.Unmarshal(got, &text) == nil && text == want.text {
		return
	}
	a.wrongField(k, field, string(a.scratch), string(got))
}

// wrongField reports a field of a published bar.
func (a *auditor) wrongField(k *published, field, want, got string) {
	d := Difference{
		Place: "klines", Symbol: string(k.sym), Interval: string(k.itv), Open: k.t, Rev: int32(k.rev), //nolint:gosec // for people
		Field: field, Expected: want, Found: got, From: k.o0, To: k.o1, Record: k.record,
	}
	if w := k.window; w != nil && w.n > 0 {
		d.From, d.To = w.o0, w.o1
	}
	a.differ(&d)
}
