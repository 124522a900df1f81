package core

import (
	"math"

	"github.com/cespare/xxhash/v2"
)

// noDue is the due time of a symbol without an open bar.
const noDue = math.MaxInt64

// symbol is the state of one symbol.
type symbol struct {
	text                  [maxSymbolLen]byte // of name, here to spare the lookup a far read
	id                    uint32
	name                  string
	hash                  uint64 // of the name, seeds the fingerprints of its ids
	src                   *source
	priceScale, sizeScale uint8
	order                 Order
	fixedPrice, fixedSize bool // scale declared: not derived from trades
	misplaced             bool // strict partitioner: belongs to another partition
	anyPrice              bool // prices may be 0 or below

	event int64 // newest event time, ms: its own watermark before the delay
	moved int64 // the same, with the trades of the record being applied
	due   int64 // earliest end of an open bar
	// floor is the watermark its bars were closed to under an earlier, shorter
	// watermark delay: a closed bar must not open again.
	floor int64
	// duePos is its place in the queue of its source, -1 for none.
	duePos int

	// fills, peakNotional and peakSize (bits) bound every sum of the symbol:
	// as long as count x peak fits, no bar can overflow.
	fills        int64
	peakNotional uint8
	peakSize     uint8

	ids     idBlocks
	prints  printSpan
	touched uint64 // round of Outputs in which it was last reported
	series  []series
	retired []int64 // number of the last bar per interval of the engine's retired
}

// series is one interval of one symbol.
type series struct {
	due     int64 // earliest end in open and carried; noDue without one
	open    openBars
	carried openBars // content from before a change of the intervals: published with the bar, not passed on
	kept    ring
	seq     int64 // of the last bar published
	from    int64 // bars that open before are not published: the interval was added later
	partial int64 // bars that open before are partial; set with the first bar published
	evicted int64 // end of the newest closed bar that was forgotten
}

// newSymbol builds a symbol that is not registered yet: a trade that fails a
// later check must leave no trace.
func (e *Engine) newSymbol(name []byte) *symbol {
	s := &symbol{
		name: string(name), hash: xxhash.Sum64(name), event: never, moved: never, due: noDue, floor: never, duePos: -1,
		ids: newIDBlocks(), prints: newPrintSpan(), series: make([]series, len(e.cfg.Intervals)),
	}
	copy(s.text[:], name)
	for i := range s.series {
		s.series[i] = newSeries()
	}
	e.applyRule(s)
	return s
}

func newSeries() series {
	return series{due: noDue, from: never, partial: never, evicted: never}
}

// applyRule sets what the configuration says about the symbol.
func (e *Engine) applyRule(s *symbol) {
	s.misplaced = e.cfg.StrictPartitioner && PartitionOf([]byte(s.name), e.cfg.Partitions) != e.cfg.Partition
	r := RuleOf(e.cfg.Symbols, s.name)
	if r == nil {
		return
	}
	s.fixedPrice, s.fixedSize = r.PriceScale >= 0, r.SizeScale >= 0
	s.priceScale, s.sizeScale = uint8(max(r.PriceScale, 0)), uint8(max(r.SizeScale, 0))
	s.order, s.anyPrice = r.Order, r.AnyPrice
}

// fixOrder settles the order policy by the symbol's first trade.
func (s *symbol) fixOrder(t *Trade) {
	switch {
	case s.order != OrderAuto:
	case t.ID.Kind == IDInt:
		s.order = OrderTradeID
	case t.HasSeq:
		s.order = OrderSeq
	default:
		s.order = OrderArrival
	}
}

// orderKey returns what breaks ties between trades of one nanosecond. A trade
// without what the policy needs falls back to arrival.
func (s *symbol) orderKey(t *Trade, offset int64, index int) uint64 {
	switch {
	case s.order == OrderTradeID && t.ID.Kind == IDInt:
		return uint64(t.ID.Num) ^ 1<<63
	case s.order == OrderSeq && t.HasSeq:
		return uint64(t.Seq) ^ 1<<63
	}
	return uint64(offset)<<12 + uint64(min(index, 4095))
}

// watermark returns the time before which the bars of s are due. src is its
// source, or the one it will belong to.
func (e *Engine) watermark(s *symbol, src *source) int64 {
	wm := s.event
	if src != nil {
		wm = max(wm, src.watermark)
	}
	return max(wm-e.cfg.WatermarkDelay, s.floor)
}

// nextDue recomputes the earliest end of the series' open bars.
func (sr *series) nextDue(length int64) {
	sr.due = noDue
	if len(sr.open) > 0 {
		sr.due = sr.open[0].start + length
	}
	if len(sr.carried) > 0 {
		sr.due = min(sr.due, sr.carried[0].start+length)
	}
}

// Symbols returns the number of symbols seen; their ids are below it.
func (e *Engine) Symbols() int { return len(e.symbols) }

// SymbolName returns the name of the symbol id, "" if there is none.
func (e *Engine) SymbolName(id uint32) string {
	if int(id) >= len(e.symbols) {
		return ""
	}
	return e.symbols[id].name
}

// SymbolID returns the id of the symbol name; ids ascend in order of first
// trade.
func (e *Engine) SymbolID(name string) (uint32, bool) {
	s := e.index.byName[name]
	if s == nil {
		return 0, false
	}
	return s.id, true
}
