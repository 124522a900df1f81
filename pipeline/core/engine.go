package core

import (
	"errors"
	"fmt"
)

// ErrRewind means that a record lies below Next: the client read it twice. The
// caller counts it and drops the record; nothing changed but Counters.Rewinds.
var ErrRewind = errors.New("stepping: record offset below the next one")

// ErrAhead means that a decision names an offset that was not reached yet.
var ErrAhead = errors.New("acting: decision lies ahead of the input")

// Engine is the state of one partition and the step that changes it. It is
// owned by one goroutine.
type Engine struct {
	cfg         Config
	cas         cascade
	dedupWindow int64

	next     int64
	begun    bool // a record was read: from here on a jump is a hole
	epoch    int32
	counters Counters

	sources      []*source
	sourceByName map[string]*source // never iterated
	symbols      []*symbol
	index        symbolIndex
	prints       prints
	retired      []string // intervals of before, see retiredBy

	// Scratch of one step.
	lastSource *source
	moved      []*symbol // symbols whose own watermark moved in this record
	round      uint64    // number of the caller's round of Outputs
	lastOut    *Outputs
	lastRound  uint64
	mark       int // first kline of this record in Outputs
	markDiv    int
	so         int64
	sorter     sorter
	fresh      accumulator
}

// New returns an engine that has seen nothing, or what is wrong with cfg.
func New(cfg Config) (*Engine, error) {
	cfg, err := cfg.normalized()
	if err != nil {
		return nil, fmt.Errorf("building core: %w", err)
	}
	e := &Engine{cfg: cfg, cas: newCascade(cfg.Intervals), epoch: 1}
	e.sourceByName, e.index = map[string]*source{}, newSymbolIndex()
	e.dedupWindow = max(cfg.DedupWindow, cfg.AllowedLateness+cfg.WatermarkDelay)
	e.prints = prints{limit: cfg.DedupIDs, window: e.dedupWindow, begun: never}
	return e, nil
}

// Next returns the offset the next record must not lie below: the offset of the
// last record plus one.
func (e *Engine) Next() int64 { return e.next }

// Epoch returns the dataset epoch.
func (e *Engine) Epoch() int32 { return e.epoch }

// Counters returns what was counted so far.
func (e *Engine) Counters() Counters { return e.counters }

// begin opens a record: it takes the offset and sets the marks in out.
func (e *Engine) begin(r *Record, out *Outputs) error {
	if r.Offset < e.next {
		e.counters.Rewinds++
		return fmt.Errorf("%w: offset %d, next %d", ErrRewind, r.Offset, e.next)
	}
	if e.begun && r.Offset > e.next {
		e.counters.Holes++
	}
	e.begun, e.next = true, r.Offset+1
	e.open(r.Offset, out)
	return nil
}

// open sets the marks of a record or decision at position so.
func (e *Engine) open(so int64, out *Outputs) {
	e.so, e.mark, e.markDiv = so, len(out.Klines), len(out.Diverted)
	if e.lastOut != out || e.lastRound != out.round {
		e.lastOut, e.lastRound = out, out.round
		e.round++
	}
}

// touch reports that forming bars of s changed, once per round.
func (e *Engine) touch(s *symbol, out *Outputs) {
	if s.touched != e.round {
		s.touched = e.round
		out.Touched = append(out.Touched, s.id)
	}
}

// divert sends a trade or record to dlq or late.
func (e *Engine) divert(reason Reason, field, symbol string, index int, out *Outputs) {
	e.counters.ByReason[reason]++
	out.Diverted = append(out.Diverted, Diverted{
		Dead: reason.Dead(), Reason: reason, Field: field, So: e.so, Index: index, Symbol: symbol,
	})
}
