package verify

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// Run compares what stands on the topics now, one partition after the other. An
// error means that it could not be compared; what differs is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	r := &runner{cfg: &cfg, report: &Report{}}
	if err := r.measure(ctx); err != nil {
		return nil, err
	}
	for _, p := range r.parts {
		if err := r.partition(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := r.views(ctx); err != nil {
		return nil, err
	}
	return r.report, nil
}

// runner holds one run together.
type runner struct {
	cfg       *Config
	report    *Report
	parts     []*part
	all, done int64
	seen      []seenSeries // with tails, for the views
}

// part is a partition with the ends of its topics, as they were at the start.
type part struct {
	Range
	edges map[string]kafka.Edges // by topic
	// committed: the group tells how far the node has come.
	committed bool
}

// measure fixes the ranges. The group's offset comes first: what it covers is
// on all outputs, whatever is written meanwhile.
func (r *runner) measure(ctx context.Context) error {
	committed := map[int32]int64{}
	if r.cfg.Group != "" {
		var err error
		if committed, err = kafka.GroupOffsets(ctx, r.cfg.Cluster, r.cfg.Group, r.cfg.Input); err != nil {
			return err
		}
	}
	edges := map[string]map[int32]kafka.Edges{}
	for _, topic := range r.topics() {
		var err error
		if edges[topic], err = kafka.EdgesOf(ctx, r.cfg.Cluster, topic); err != nil {
			return err
		}
		if len(edges[topic]) != len(edges[r.topics()[0]]) || len(edges[topic]) == 0 {
			return fmt.Errorf("verifying: topic %s has %d partitions and %s has %d: name the topics of one node (--topic, --prefix)",
				topic, len(edges[topic]), r.topics()[0], len(edges[r.topics()[0]]))
		}
	}
	for p := range int32(len(edges[r.cfg.Input])) { //nolint:gosec // partitions
		pt := &part{edges: map[string]kafka.Edges{}}
		for topic := range edges {
			pt.edges[topic] = edges[topic][p]
		}
		in := pt.edges[r.cfg.Input]
		pt.Range = Range{Partition: p, From: in.Start, To: in.End, End: in.End}
		if at, ok := committed[p]; ok {
			pt.To, pt.committed = min(at, in.End), true
		} else if err := r.newest(ctx, pt); err != nil {
			return err
		}
		r.parts = append(r.parts, pt)
		r.report.Ranges = append(r.report.Ranges, pt.Range)
		r.all += max(pt.To-pt.From, 0)
	}
	return nil
}

// topics are the input and the outputs that are read.
func (r *runner) topics() []string {
	return []string{r.cfg.Input, r.cfg.Prefix + "klines", r.cfg.Prefix + "late", r.cfg.Prefix + "dlq"}
}

// newest ends the range with the newest output where no group tells how far the
// node has come.
func (r *runner) newest(ctx context.Context, pt *part) error {
	to := pt.From
	for _, topic := range r.topics()[1:] {
		rec, ok, err := kafka.LastRecord(ctx, r.cfg.Cluster, topic, pt.Partition, func(rec *kafka.Rec) bool {
			_, ok := number(rec, "so")
			return ok
		})
		if err != nil {
			return err
		}
		if so, _ := number(&rec, "so"); ok {
			to = max(to, so+1)
		}
	}
	pt.To = min(to, pt.End)
	r.report.Notes = append(r.report.Notes, fmt.Sprintf("partition %d: no group has committed an offset, the range ends with the newest output; trades that a running node is writing into late just now may count as missing", pt.Partition))
	return nil
}

// oldest finds from which position on a topic is complete, 0 if it is all there.
func (r *runner) oldest(ctx context.Context, pt *part, topic string) (int64, error) {
	e := pt.edges[topic]
	if e.Start == 0 {
		return 0, nil
	}
	oldest := int64(math.MaxInt64)
	err := kafka.ReadRange(ctx, r.cfg.Cluster, topic, pt.Partition, e.Start, e.End, func(rec kafka.Rec) bool {
		so, ok := number(&rec, "so")
		if ok {
			oldest = so
		}
		return !ok
	})
	return oldest, err
}

// begin finds where the outputs begin.
func (r *runner) begin(ctx context.Context, pt *part, a *auditor) (err error) {
	if a.oldest, err = r.oldest(ctx, pt, r.topics()[1]); err != nil {
		return err
	}
	for _, topic := range r.topics()[2:] {
		from, err := r.oldest(ctx, pt, topic)
		if err != nil {
			return err
		}
		a.refusedFrom = max(a.refusedFrom, from)
	}
	for _, topic := range r.topics()[1:] {
		a.cut = a.cut || pt.edges[topic].Start > 0
	}
	if a.changed, err = r.changed(ctx, pt.Partition); err != nil || !a.changed {
		return err
	}
	r.report.Notes = append(r.report.Notes, fmt.Sprintf("partition %d: the configuration was changed meanwhile; that trades were too late is only tested as far as any lateness allows", pt.Partition))
	return nil
}

// changed tells whether the journal says that the configuration was changed.
// That is all that is asked of it; topics without a journal have none.
func (r *runner) changed(ctx context.Context, p int32) (changed bool, err error) {
	topic := r.cfg.Prefix + "journal"
	edges, err := kafka.EdgesOf(ctx, r.cfg.Cluster, topic)
	if err != nil || edges[p].End == edges[p].Start {
		return false, ctx.Err()
	}
	err = kafka.ReadRange(ctx, r.cfg.Cluster, topic, p, edges[p].Start, edges[p].End, func(rec kafka.Rec) bool {
		changed = bytes.Contains(rec.Value, []byte(`"op":"config"`))
		return !changed
	})
	return changed, err
}

// partition compares one partition.
func (r *runner) partition(ctx context.Context, pt *part) error {
	a, err := newAuditor(r.cfg, &pt.Range, r.report)
	if err != nil {
		return err
	}
	if err := r.begin(ctx, pt, a); err != nil {
		return err
	}
	readers := make([]*kafka.RangeReader, 0, 4)
	defer func() {
		for _, rd := range readers {
			rd.Close()
		}
	}()
	feeds := make([]feed, 0, 4)
	for i, topic := range r.topics() {
		e := pt.edges[topic]
		if i == 0 {
			e.End = pt.To
		}
		rd, err := kafka.OpenRange(r.cfg.Cluster, topic, pt.Partition, e.Start, e.End)
		if err != nil {
			return err
		}
		readers, feeds = append(readers, rd), append(feeds, rd)
	}
	if pt.From > 0 {
		r.report.Notes = append(r.report.Notes, fmt.Sprintf("partition %d: retention has removed trades below offset %d; bars that they belong to are not compared", pt.Partition, pt.From))
	}
	if pt.To < pt.End && pt.committed {
		r.report.Notes = append(r.report.Notes, fmt.Sprintf("partition %d: the node has committed %d of %d records, what lies behind is not compared", pt.Partition, pt.To, pt.End))
	}
	if err := a.walk(ctx, feeds, func(n int64) { r.cfg.Progress(r.done+n, r.all) }); err != nil {
		return err
	}
	r.done += max(pt.To-pt.From, 0)
	if r.cfg.Redis != nil || r.cfg.REST != "" {
		for _, s := range a.ordered() {
			for _, sr := range s.series {
				r.seen = append(r.seen, seenSeries{sr, pt.Partition})
			}
		}
	}
	return nil
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

func (a *auditor) refusalOf(place string, o *output) refusal {
	r := refusal{late: place == "late", recordOffset: o.rec.Offset, ordinal: o.sk}
	r.index, _ = number(&o.rec, "idx")
	reason, _ := o.rec.Header("reason")
	r.reason = string(reason)
	if p, ok := number(&o.rec, "sp"); !ok || p != int64(a.r.Partition) {
		a.differ(&Difference{Place: place, Field: "sp", Expected: fmt.Sprint(a.r.Partition), Found: fmt.Sprint(p), From: o.so, To: o.so, Record: o.rec.Offset})
	}
	return r
}

// ordered are the symbols by name, so that two runs report in one order.
func (a *auditor) ordered() []*symbol {
	all := make([]*symbol, 0, len(a.symbols))
	for _, s := range a.symbols {
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y *symbol) int { return strings.Compare(x.name, y.name) })
	return all
}
