package core

import (
	"cmp"
	"slices"
)

// fillKline writes bar a of series i into k, without what depends on the log
// order: seq and quality.
func (e *Engine) fillKline(s *symbol, i int, a *accumulator, wm int64, k *Kline) {
	*k = Kline{
		SymbolID: s.id, IntervalIdx: uint8(i), Symbol: s.name, Interval: e.cfg.Intervals[i].name,
		OpenTime: a.start, CloseTime: a.start + e.cas.lens[i] - 1,
		PriceScale: s.priceScale, SizeScale: s.sizeScale,
		O: a.o, H: a.h, L: a.l, C: a.c, V: a.v, QV: a.qv, BV: a.bv, BQV: a.bqv,
		N: a.n, First: a.openTradeID(), Last: a.closeTradeID(), Rev: a.rev,
		P: e.cfg.Partition, O0: a.o0, O1: a.o1, Watermark: wm, Epoch: e.epoch, So: e.so,
	}
}

// publish puts a closed or restated bar out.
func (e *Engine) publish(s *symbol, i int, a *accumulator, wm int64, why Why, out *Outputs) {
	// A kline is large: write it where it stays, once.
	if n := len(out.Klines); n < cap(out.Klines) {
		out.Klines = out.Klines[:n+1]
	} else {
		out.Klines = append(out.Klines, Kline{})
	}
	k := &out.Klines[len(out.Klines)-1]
	e.fillKline(s, i, a, wm, k)
	k.Final, k.Why = true, why
	if why == WhyNone {
		e.counters.Klines++
	} else {
		e.counters.Restatements++
	}
}

// finish orders what the record or decision caused, and only then numbers it:
// seq must ascend in the log, not in the order of computation.
func (e *Engine) finish(out *Outputs) {
	fresh := out.Klines[e.mark:]
	if len(fresh) > 1 {
		e.sorter.sort(fresh)
	}
	for i := range fresh {
		e.number(&fresh[i])
		out.Items = append(out.Items, Item{Index: e.mark + i})
	}
	for i := e.markDiv; i < len(out.Diverted); i++ {
		out.Items = append(out.Items, Item{Diverted: true, Index: i})
	}
}

// number sets the sequence number and the quality of a bar. The first bar of a
// series is partial, and so are those before it that late trades make.
func (e *Engine) number(k *Kline) {
	sr := &e.symbols[k.SymbolID].series[k.IntervalIdx]
	if sr.partial == never {
		sr.partial = k.CloseTime + 1
	}
	sr.seq++
	k.Seq = sr.seq
	if k.OpenTime < sr.partial {
		k.Q = QualityPartial
	}
}

// sorter orders the klines of one record by (close time, symbol, interval); bars
// of equal keys stay as they came. It sorts places and moves each kline once.
type sorter struct{ places []int32 }

func compareKlines(a, b *Kline) int {
	if c := cmp.Compare(a.CloseTime, b.CloseTime); c != 0 {
		return c
	}
	if a.SymbolID != b.SymbolID {
		if c := cmp.Compare(a.Symbol, b.Symbol); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.IntervalIdx, b.IntervalIdx)
}

func (s *sorter) sort(ks []Kline) {
	sorted := true
	for i := 1; i < len(ks) && sorted; i++ {
		sorted = compareKlines(&ks[i-1], &ks[i]) <= 0
	}
	if sorted {
		return
	}
	s.places = s.places[:0]
	for i := range ks {
		s.places = append(s.places, int32(i))
	}
	slices.SortFunc(s.places, func(a, b int32) int {
		if c := compareKlines(&ks[a], &ks[b]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	s.permute(ks)
}

// permute moves ks[places[i]] to i, one cycle after the other.
func (s *sorter) permute(ks []Kline) {
	for i := range s.places {
		if s.places[i] < 0 || int(s.places[i]) == i {
			continue
		}
		held, at := ks[i], i
		for {
			from := int(s.places[at])
			s.places[at] = -1
			if from == i {
				ks[at] = held
				break
			}
			ks[at] = ks[from]
			at = from
		}
	}
}

// Forming writes the bar in progress of a series into k: the oldest bucket that
// holds a trade and has not closed, merged from its parts. Two are open while the
// watermark stands between the end of one and the newest trade: the younger one
// has to wait, or readers would see its time before the older bar closes, a hole
// where that one stands, and provisional values that left it out. Seq is that of
// the last bar published. It reports false if there is none.
func (e *Engine) Forming(symbolID uint32, intervalIdx int, k *Kline) bool {
	if int(symbolID) >= len(e.symbols) || intervalIdx < 0 || intervalIdx >= len(e.cfg.Intervals) {
		return false
	}
	s, i := e.symbols[symbolID], intervalIdx
	start, ok := e.oldestOpen(s, i)
	if !ok {
		return false
	}
	bar := e.joined(s, i, start)
	e.fillKline(s, i, &bar, e.watermark(s, s.src), k)
	sr := &s.series[i]
	k.Seq = sr.seq
	k.So = e.next - 1
	if sr.partial == never || start < sr.partial {
		k.Q = QualityPartial
	}
	return true
}

// oldestOpen is the open time of the oldest bar of series i that holds a trade,
// has not closed, and will be published.
func (e *Engine) oldestOpen(s *symbol, i int) (start int64, ok bool) {
	from := s.series[i].from
	look := func(bars openBars) {
		for b := range bars { // ascending
			if at := e.cas.open(i, bars[b].start); at >= from {
				if !ok || at < start {
					start, ok = at, true
				}
				return
			}
		}
	}
	for j := range s.series {
		if e.cas.inside[i]&(1<<j) != 0 {
			look(s.series[j].open)
		}
	}
	look(s.series[i].carried)
	return start, ok
}

// joined merges the parts of the open bar of series i that opens at start; n is
// 0 if there are none.
func (e *Engine) joined(s *symbol, i int, start int64) accumulator {
	var bar accumulator
	take := func(bars openBars) {
		for b := range bars {
			a := &bars[b]
			switch {
			case a.start < start || a.start >= start+e.cas.lens[i]:
			case bar.n == 0:
				bar.copyFrom(start, a)
			default:
				bar.merge(a)
			}
		}
	}
	for j := range s.series {
		if e.cas.inside[i]&(1<<j) != 0 {
			take(s.series[j].open)
		}
	}
	take(s.series[i].carried)
	return bar
}
