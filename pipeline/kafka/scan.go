package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Edges are the ends of a partition for a read_committed reader.
type Edges struct {
	// Start is the oldest offset that retention has left.
	Start int64
	// End is the offset behind the newest record that is committed.
	End int64
}

// EdgesOf returns the ends of every partition of topic.
func EdgesOf(ctx context.Context, cluster Cluster, topic string) (map[int32]Edges, error) {
	cl, err := cluster.withDefaults().dialClient()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("asking where %s starts: %w", topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("asking where %s ends: %w", topic, err)
	}
	edges := make(map[int32]Edges, len(starts[topic]))
	for p, s := range starts[topic] {
		e, ok := ends.Lookup(topic, p)
		if !ok {
			e.Err = kerr.UnknownTopicOrPartition // also what a broker says that has just started
		}
		if err := errors.Join(s.Err, e.Err); err != nil {
			return nil, fmt.Errorf("asking for the ends of %s[%d]: %w", topic, p, err)
		}
		edges[p] = Edges{Start: s.Offset, End: e.Offset}
	}
	return edges, nil
}

// OffsetsAt returns, for every partition of topic, the first offset whose Kafka
// timestamp is at or after ms, or the end of the partition.
func OffsetsAt(ctx context.Context, cluster Cluster, topic string, ms int64) (map[int32]int64, error) {
	cl, err := cluster.withDefaults().dialClient()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	listed, err := kadm.NewClient(cl).ListOffsetsAfterMilli(ctx, ms, topic)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of %s by time: %w", topic, err)
	}
	at := make(map[int32]int64, len(listed[topic]))
	for p, o := range listed[topic] {
		if o.Err != nil {
			return nil, fmt.Errorf("asking for the offset of %s[%d] by time: %w", topic, p, o.Err)
		}
		at[p] = o.Offset
	}
	return at, nil
}

// GroupOffsets returns what a group has committed for topic; partitions without
// a commit are missing, and a group that does not exist has none.
func GroupOffsets(ctx context.Context, cluster Cluster, group, topic string) (map[int32]int64, error) {
	cl, err := cluster.withDefaults().dialClient()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	got, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return map[int32]int64{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the offsets of group %q: %w", cut(group), err)
	}
	at := map[int32]int64{}
	for p, o := range got[topic] {
		if o.Err != nil {
			return nil, fmt.Errorf("fetching the offset of group %q for %s[%d]: %w", cut(group), topic, p, o.Err)
		}
		if o.At >= 0 {
			at[p] = o.At
		}
	}
	return at, nil
}

// RangeReader hands out the records of one range of a partition when it is
// asked, read_committed, so that several of them can be read in step. Its
// buffer is one fetch of at most 512 KiB in use and two ahead.
type RangeReader struct {
	cl       *kgo.Client
	topic    string
	p        int32
	next, to int64
	recs     []Rec
}

// OpenRange prepares to read topic[p] from offset from up to (not including) to.
func OpenRange(cluster Cluster, topic string, p int32, from, to int64) (*RangeReader, error) {
	r := &RangeReader{topic: topic, p: p, next: from, to: to}
	if from >= to {
		return r, nil
	}
	opts := append(consumerOptions(), kgo.FetchMaxWait(50*time.Millisecond), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().At(from)}}))
	var err error
	r.cl, err = cluster.withDefaults().dialClient(opts...)
	return r, err
}

// Next returns the next records in order of offset, io.EOF behind the last one.
// The slice is valid until the next call. Records that retention removes
// meanwhile are an error, never a silent skip.
func (r *RangeReader) Next(ctx context.Context) ([]Rec, error) {
	for r.next < r.to {
		fetches := r.cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil && oversized(err) == nil {
			return nil, fmt.Errorf("reading %s[%d] from %d: %w", r.topic, r.p, r.next, err)
		}
		var big *kgo.ErrDecompressTooLarge
		for _, fe := range fetches.Errors() {
			if big = oversized(fe.Err); big == nil {
				return nil, fmt.Errorf("reading %s[%d] from %d: %w", r.topic, r.p, r.next, fe.Err)
			}
		}
		r.recs = r.recs[:0]
		for it := fetches.RecordIter(); !it.Done(); {
			rec := it.Next()
			if rec.Offset >= r.to {
				r.next = r.to
				break
			}
			r.next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				r.recs = append(r.recs, viewOf(rec))
			}
		}
		if big != nil && r.next < r.to {
			pass(r.cl, big)
			r.recs = append(r.recs, standIn(big, r.next)...)
			r.next = big.NextOffset
		}
		if len(r.recs) > 0 {
			return r.recs, nil
		}
	}
	return nil, io.EOF
}

// Close ends the reader's client. It may be called more than once.
func (r *RangeReader) Close() {
	if r.cl != nil {
		r.cl.Close()
		r.cl = nil
	}
}
