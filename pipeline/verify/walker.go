package verify

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// walker is the four cursors of one partition.
type walker struct {
	a         *auditor
	ticks     cursor
	klines    *outputs
	late, dlq *outputs
	group     []output
	numbers   []int64
	// cut: retention has removed outputs, so holes in their numbers say nothing.
	cut     bool
	refused []refusal
}

// walk reads the four topics in step.
func (a *auditor) walk(ctx context.Context, feeds []feed, progress func(int64)) error {
	w := walker{
		a: a, cut: a.cut, ticks: cursor{feed: feeds[0]}, klines: newOutputs("klines", feeds[1]),
		late: newOutputs("late", feeds[2]), dlq: newOutputs("dlq", feeds[3]),
	}
	for n := int64(0); ; n++ {
		rec, err := w.ticks.peek(ctx)
		if err != nil {
			return err
		}
		if rec == nil || rec.Offset >= a.r.To {
			break
		}
		w.ticks.at++
		if err := w.step(ctx, rec); err != nil {
			return err
		}
		if n&0xfff == 0 {
			progress(n)
		}
	}
	if err := w.klinesUpTo(ctx, math.MaxInt64); err != nil {
		return err
	}
	for _, o := range []*outputs{w.late, w.dlq} {
		if err := w.strays(ctx, o, a.r.To); err != nil {
			return err
		}
	}
	a.finish()
	return nil
}

// step takes one input record with all that it caused.
func (w *walker) step(ctx context.Context, rec *kafka.Rec) error {
	if err := w.klinesUpTo(ctx, rec.Offset); err != nil {
		return err
	}
	if err := w.gather(ctx, rec.Offset); err != nil {
		return err
	}
	w.a.collect(w.group)
	w.refused = w.refused[:0]
	for _, o := range []*outputs{w.late, w.dlq} {
		if err := w.refusals(ctx, o, rec.Offset); err != nil {
			return err
		}
	}
	w.a.input(rec, w.refused)
	w.a.apply(w.group)
	w.a.settle()
	w.ordinals(rec.Offset)
	return nil
}

// klinesUpTo takes the records of positions below so: those of decisions at
// offsets that hold no record, and at the end those behind the range.
func (w *walker) klinesUpTo(ctx context.Context, so int64) error {
	for {
		next, err := w.klines.peekOutput(ctx, w.a)
		if err != nil || next == nil || next.so >= so {
			return err
		}
		if err := w.gather(ctx, next.so); err != nil {
			return err
		}
		w.refused = w.refused[:0]
		w.a.collect(w.group)
		w.a.apply(w.group)
		w.a.settle()
		if at := w.group[0].so; at < w.a.r.To {
			w.ordinals(at)
		}
	}
}

// gather takes all records of klines of one position.
func (w *walker) gather(ctx context.Context, so int64) error {
	w.group = w.group[:0]
	for {
		next, err := w.klines.peekOutput(ctx, w.a)
		if err != nil || next == nil || next.so != so {
			return err
		}
		w.group = append(w.group, *next)
		w.klines.next = nil
	}
}

// refusals takes what late or dlq say about the record at offset.
func (w *walker) refusals(ctx context.Context, o *outputs, offset int64) error {
	if err := w.strays(ctx, o, offset); err != nil {
		return err
	}
	for {
		next, err := o.peekOutput(ctx, w.a)
		if err != nil || next == nil || next.so != offset {
			return err
		}
		w.refused = append(w.refused, w.a.refusalOf(o.place, next))
		o.next = nil
	}
}

// strays are refusals of records that the input does not have.
func (w *walker) strays(ctx context.Context, o *outputs, below int64) error {
	for {
		next, err := o.peekOutput(ctx, w.a)
		if err != nil || next == nil || next.so >= below {
			return err
		}
		if next.so >= w.a.r.From {
			w.a.differ(&Difference{Place: o.place, Field: "refused a record that is not there", From: next.so, To: next.so, Record: next.rec.Offset})
		}
		o.next = nil
	}
}

// ordinals checks that no output of a position is missing: they are numbered
// over all topics.
func (w *walker) ordinals(so int64) {
	if w.cut || len(w.group)+len(w.refused) == 0 {
		return
	}
	w.numbers = w.numbers[:0]
	for i := range w.group {
		w.numbers = append(w.numbers, w.group[i].sk)
	}
	for i := range w.refused {
		w.numbers = append(w.numbers, w.refused[i].ordinal)
	}
	slices.Sort(w.numbers)
	for i, sk := range w.numbers {
		if sk != int64(i) {
			w.a.differ(&Difference{Place: "klines", Field: "output missing", Expected: fmt.Sprintf("position %d.%d in klines, late or dlq", so, i), From: so, To: so, Record: -1})
			return
		}
	}
}
