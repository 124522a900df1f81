package verify

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

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
	edges, err := r.edges(ctx)
	if err != nil {
		return err
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

// edges are where each topic begins and ends, by topic and partition.
func (r *runner) edges(ctx context.Context) (map[string]map[int32]kafka.Edges, error) {
	edges := map[string]map[int32]kafka.Edges{}
	for _, topic := range r.topics() { // the input is the first
		var err error
		if edges[topic], err = kafka.EdgesOf(ctx, r.cfg.Cluster, topic); err != nil {
			return nil, err
		}
		if n, in := len(edges[topic]), len(edges[r.cfg.Input]); n != in || n == 0 {
			return nil, fmt.Errorf("verifying: topic %s has %d partitions and %s has %d: name the topics of one node (--topic, --prefix)",
				topic, n, r.cfg.Input, in)
		}
	}
	return edges, nil
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
	r.note(pt, "no group has committed an offset, the range ends with the newest output; trades that a running node is writing into late just now may count as missing")
	return nil
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
	at, err := r.changes(ctx, pt.Partition)
	if err != nil || len(at) == 0 {
		return err
	}
	a.changes = newChanges(at, len(r.cfg.Intervals))
	r.note(pt, "the configuration was changed meanwhile; that trades were too late is only tested as far as any lateness allows")
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

// changes returns where the journal says that the configuration was changed. That
// is all that is asked of it; topics without a journal have none.
func (r *runner) changes(ctx context.Context, p int32) (at []int64, err error) {
	topic := r.cfg.Prefix + "journal"
	edges, err := kafka.EdgesOf(ctx, r.cfg.Cluster, topic)
	if err != nil || edges[p].End == edges[p].Start {
		return nil, ctx.Err()
	}
	err = kafka.ReadRange(ctx, r.cfg.Cluster, topic, p, edges[p].Start, edges[p].End, func(rec kafka.Rec) bool {
		if so, ok := number(&rec, "at"); ok && bytes.Contains(rec.Value, []byte(`"op":"config"`)) {
			at = append(at, so)
		}
		return true
	})
	return at, err
}
