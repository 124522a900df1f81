package replay

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// Span is what of a topic is played.
type Span struct {
	// From and To bound the offsets of every partition, [From, To); a negative
	// one is the end of the log on its side.
	From, To int64
	// FromMS and ToMS bound the Kafka timestamps in their place, 0 for none.
	FromMS, ToMS int64
	// Ends, if not nil, bound To for each partition.
	Ends map[int32]int64
}

// topicInput merges the partitions of a topic by timestamp.
type topicInput struct {
	readers   []*kafka.RangeReader
	heads     [][]kafka.Rec
	starts    []int64
	journal   [][]kafka.JournalRecord
	record    Record
	exhausted []bool
}

// OpenTopic prepares a range of a topic. journal is the topic of the decisions,
// "" leaves them out: quiet bars then stay open until a trade closes them.
func OpenTopic(ctx context.Context, cluster kafka.Cluster, topic, journal string, span Span) (Input, error) {
	edges, err := kafka.EdgesOf(ctx, cluster, topic)
	if err != nil {
		return nil, err
	}
	if len(edges) == 0 {
		return nil, fmt.Errorf("replaying: the topic %s has no partitions", topic)
	}
	in := &topicInput{}
	for p := range int32(len(edges)) { //nolint:gosec // partitions
		if err := in.open(ctx, cluster, topic, journal, p, edges[p], span); err != nil {
			in.Close()
			return nil, err
		}
	}
	return in, nil
}

func (in *topicInput) open(ctx context.Context, cluster kafka.Cluster, topic, journal string, p int32, e kafka.Edges, span Span) error {
	from, to := e.Start, e.End
	if span.From >= 0 {
		from = max(from, span.From)
	}
	if span.To >= 0 {
		to = min(to, span.To)
	}
	if end, ok := span.Ends[p]; ok {
		to = min(to, end)
	}
	for _, b := range []struct {
		ms  int64
		set func(int64)
	}{{span.FromMS, func(o int64) { from = max(from, o) }}, {span.ToMS, func(o int64) { to = min(to, o) }}} {
		if b.ms == 0 {
			continue
		}
		at, err := kafka.OffsetsAt(ctx, cluster, topic, b.ms)
		if err != nil {
			return err
		}
		b.set(at[p])
	}
	r, err := kafka.OpenRange(cluster, topic, p, from, to)
	if err != nil {
		return err
	}
	in.readers, in.heads, in.exhausted = append(in.readers, r), append(in.heads, nil), append(in.exhausted, false)
	in.starts = append(in.starts, from)
	var decisions []kafka.JournalRecord
	if journal != "" {
		if decisions, err = readDecisions(ctx, cluster, journal, p, from, to); err != nil {
			return err
		}
	}
	in.journal = append(in.journal, decisions)
	return nil
}

// readDecisions returns what acts within [from, to].
func readDecisions(ctx context.Context, cluster kafka.Cluster, journal string, p int32, from, to int64) ([]kafka.JournalRecord, error) {
	all, err := kafka.ReadJournal(ctx, cluster, journal, p, 1<<62)
	if err != nil {
		return nil, err
	}
	var act []kafka.JournalRecord
	for _, d := range all {
		if d.At > to || d.At < from || d.At == from && from > 0 && d.LO < from {
			continue
		}
		// In order of their places: what a dead node decided further ahead
		// stands in front of the announcement of its successor.
		i := len(act)
		for i > 0 && act[i-1].At > d.At {
			i--
		}
		act = append(act, kafka.JournalRecord{})
		copy(act[i+1:], act[i:])
		act[i] = d
	}
	return act, nil
}

func (in *topicInput) Partitions() int32                       { return int32(len(in.readers)) } //nolint:gosec // partitions
func (in *topicInput) Decisions(p int32) []kafka.JournalRecord { return in.journal[p] }
func (in *topicInput) Start(p int32) int64                     { return in.starts[p] }

// Next picks the partition whose next record is the oldest; of equal ones the
// first.
func (in *topicInput) Next(ctx context.Context) (*Record, error) {
	best := -1
	for p := range in.readers {
		if err := in.fill(ctx, p); err != nil {
			return nil, err
		}
		if len(in.heads[p]) > 0 && (best < 0 || in.heads[p][0].Timestamp < in.heads[best][0].Timestamp) {
			best = p
		}
	}
	if best < 0 {
		return nil, io.EOF
	}
	in.record = Record{Rec: in.heads[best][0], Partition: int32(best)} //nolint:gosec // partitions
	in.heads[best] = in.heads[best][1:]
	return &in.record, nil
}

func (in *topicInput) fill(ctx context.Context, p int) error {
	if len(in.heads[p]) > 0 || in.exhausted[p] {
		return nil
	}
	recs, err := in.readers[p].Next(ctx)
	if errors.Is(err, io.EOF) {
		in.exhausted[p] = true
		return nil
	}
	in.heads[p] = recs
	return err
}

func (in *topicInput) Close() {
	for _, r := range in.readers {
		r.Close()
	}
}
