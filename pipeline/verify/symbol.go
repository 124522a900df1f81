package verify

import (
	"math"
	"strings"
)

// source is one feed of the partition, as heartbeats know it.
type source struct {
	beat int64 // newest heartbeat, ms
	// shown is the newest watermark in any kline of its symbols: beyond it
	// the engine cannot have been.
	shown int64
}

const never = math.MinInt64 / 4

// symbol is what is known of one symbol of the partition.
type symbol struct {
	name   string
	number uint64
	src    *source
	rule   *Rule
	order  string // "" until the first trade
	// ps and qs are the scales reached by accepted trades; oldPS is that before
	// the record being read.
	ps, qs, oldPS uint8
	// sure is the part of ps that trades have reached which certainly count.
	sure   uint8
	newest int64 // event time, ms
	shown  int64 // newest watermark in its klines
	first  int64 // event time of the first trade in the range
	ids    ids
	series []*series
	// settle is when the oldest bar can no longer change, by its watermark.
	settle  int64
	touched bool
}

// series is one interval of one symbol.
type series struct {
	symbol   *symbol
	interval *Interval
	number   int       // of the interval
	windows  []*window // by open time
	// gone is the end of the newest bar that was let go.
	gone int64

	begun   bool  // a record was seen
	seq     int64 // of the last record
	within  int64 // of the last one that the range has caused
	full    bool  // seen from its first record on
	firstAt int64 // open time of the first record
	firstSo int64 // its position
	lastSo  int64 // that of the last record
	lastAt  int64 // open time of the newest bar with a record
	partial int64 // bars before it are partial
	beyond  bool  // a record behind the range has changed it
	// bars is the number of bars let go, behind which indicators stand.
	bars  int64
	early lacking // bars while no record was seen
	// absent bars were missing behind a change of the configuration: the next
	// record tells whether their interval was configured.
	absent lacking
	away   []span // in which its interval may not have been configured

	state *states
	tail  tail
	idle  *window // memory of a bar that was let go
}

func (a *auditor) symbolOf(name []byte) *symbol {
	if s := a.last; s != nil && s.name == string(name) {
		return s
	}
	s := a.symbols[string(name)]
	if s == nil {
		s = a.newSymbol(string(name))
	}
	a.last = s
	return s
}

func (a *auditor) newSymbol(name string) *symbol {
	s := &symbol{name: name, number: uint64(len(a.symbols)), newest: never, shown: never, first: never, settle: math.MaxInt64}
	if s.rule = a.cfg.ruleOf(name); s.rule != nil {
		s.order = s.rule.Order
		s.ps = uint8(max(s.rule.PriceScale, 0)) //nolint:gosec // at most 18
		s.sure = s.ps
	}
	for i := range a.cfg.Intervals {
		s.series = append(s.series, &series{symbol: s, interval: &a.cfg.Intervals[i], number: i, gone: never, firstAt: never, lastAt: never, partial: never})
	}
	a.symbols[name] = s
	return s
}

func (a *auditor) sourceOf(name string) *source {
	src := a.sources[name]
	if src == nil {
		src = &source{beat: never, shown: never}
		a.sources[name] = src
	}
	return src
}

// watermark is the event time that trades and heartbeats alone have reached:
// the engine's is never below it.
func (s *symbol) watermark(delay int64) int64 {
	wm := s.newest
	if s.src != nil {
		wm = max(wm, s.src.beat)
	}
	return wm - delay
}

// tie is what orders trades of one nanosecond.
func (s *symbol) tie(t *trade, offset int64, index int) uint64 {
	if s.order == "" {
		switch {
		case t.kind == idNumber:
			s.order = "trade_id"
		case t.hasSeq:
			s.order = "seq"
		default:
			s.order = "arrival"
		}
	}
	switch {
	case s.order == "trade_id" && t.kind == idNumber:
		return uint64(t.num) + 1<<63 //nolint:gosec // shifts the order of integers to that of naturals
	case s.order == "seq" && t.hasSeq:
		return uint64(t.seq) + 1<<63 //nolint:gosec // as above
	}
	return uint64(offset)*4096 + uint64(min(index, 4095)) //nolint:gosec // not negative
}

// find returns the place of the bar that opens at open, and whether it is there.
func (s *series) find(open int64) (int, bool) {
	i := len(s.windows)
	for i > 0 && s.windows[i-1].open >= open {
		i--
	}
	return i, i < len(s.windows) && s.windows[i].open == open
}

const reasonAdded = "bars from before their series began: the interval was added later"

// late tells whether another interval of the symbol was there before this one.
func (s *series) late() bool {
	for _, other := range s.symbol.series {
		if other.begun && other.firstSo < s.firstSo {
			return true
		}
	}
	return false
}

// window returns the bar that holds ms, nil if it was let go.
func (s *series) window(ms int64) *window {
	if n := len(s.windows); n > 0 {
		if w := s.windows[n-1]; ms >= w.open && ms < w.end {
			return w
		}
	}
	open := s.interval.open(ms)
	i, ok := s.find(open)
	if ok {
		return s.windows[i]
	}
	if open+s.interval.Millis <= s.gone {
		return nil
	}
	w := s.idle
	if s.idle = nil; w == nil {
		w = new(window)
	}
	w.reset(open, open+s.interval.Millis)
	s.windows = append(s.windows, nil)
	copy(s.windows[i+1:], s.windows[i:])
	s.windows[i] = w
	s.symbol.settle = min(s.symbol.settle, w.end)
	return w
}

// seriesOf finds the series that a record names, nil if it is none of the
// configuration.
func (a *auditor) seriesOf(sym, itv []byte) *series {
	if !validSymbol(sym) {
		return nil
	}
	for i := range a.cfg.Intervals {
		if a.cfg.Intervals[i].Name == string(itv) {
			return a.symbolOf(sym).series[i]
		}
	}
	return nil
}

// bareKey is the key of a bar's record.
func bareKey(sym, itv []byte, open string) string {
	return strings.Join([]string{string(sym), string(itv), open}, "|")
}

// scale brings a trade to the places of its symbol, which it may raise.
func (s *symbol) scale(t *trade, f *fill) bool {
	f.ps, f.qs = max(s.ps, t.price.places), max(s.qs, t.size.places)
	var ok, ok2 bool
	f.price, ok = t.price.at(f.ps)
	f.size, ok2 = t.size.at(f.qs)
	if !ok || !ok2 {
		return false
	}
	s.ps, s.qs = f.ps, f.qs
	f.notional = product(f.price, f.size)
	return true
}

// doubt marks the bars around ms as not provable.
func (s *symbol) doubt(ms int64, why string) {
	for _, sr := range s.series {
		if w := sr.window(ms); w != nil {
			w.doubt(why)
		}
	}
}
