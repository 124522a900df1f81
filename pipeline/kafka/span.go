package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadRange reads topic[p] from offset from up to (not including) to, in order,
// read_committed, and calls fn for each record until fn returns false. Records
// that retention has removed meanwhile are an error, never a silent skip; ctx
// bounds it, also while it waits for an open transaction.
func ReadRange(ctx context.Context, cluster Cluster, topic string, p int32, from, to int64, fn func(Rec) bool) error {
	return cluster.withDefaults().readSpan(ctx, topic, p, from, to, func(r *kgo.Record) bool {
		return fn(viewOf(r))
	})
}

// Bounds returns log start and high watermark of topic[p].
func Bounds(ctx context.Context, cluster Cluster, topic string, p int32) (start, end int64, err error) {
	cl, err := cluster.withDefaults().dialClient()
	if err != nil {
		return 0, 0, err
	}
	defer cl.Close()
	return bounds(ctx, kadm.NewClient(cl), topic, p)
}

func bounds(ctx context.Context, adm *kadm.Client, topic string, p int32) (start, end int64, err error) {
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, 0, fmt.Errorf("asking where %s[%d] starts: %w", topic, p, err)
	}
	ends, err := adm.ListEndOffsets(ctx, topic) // read_uncommitted: the high watermark
	if err != nil {
		return 0, 0, fmt.Errorf("asking where %s[%d] ends: %w", topic, p, err)
	}
	s, ok1 := starts.Lookup(topic, p)
	e, ok2 := ends.Lookup(topic, p)
	switch {
	case !ok1 || !ok2:
		// Also what a broker says that has just started.
		return 0, 0, fmt.Errorf("asking for the ends of %s[%d]: %w", topic, p, kerr.UnknownTopicOrPartition)
	case s.Err != nil:
		return 0, 0, fmt.Errorf("asking where %s[%d] starts: %w", topic, p, s.Err)
	case e.Err != nil:
		return 0, 0, fmt.Errorf("asking where %s[%d] ends: %w", topic, p, e.Err)
	}
	return s.Offset, e.Offset, nil
}

// ReadRetained is [ReadRange] over what is left of [from, to): the broker is
// asked for log start and end first, over the connections that then read.
func ReadRetained(ctx context.Context, cluster Cluster, topic string, p int32, from, to int64, fn func(Rec) bool) error {
	cl, err := cluster.withDefaults().dialClient(spanOptions()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	start, end, err := bounds(ctx, kadm.NewClient(cl), topic, p)
	if err != nil {
		return err
	}
	return readWith(ctx, cl, topic, p, max(from, start), min(to, end), func(r *kgo.Record) bool { return fn(viewOf(r)) })
}

func spanOptions() []kgo.Opt { return append(consumerOptions(), kgo.FetchMaxWait(50*time.Millisecond)) }

// readSpan hands fn the data records of [from, to).
func (c Cluster) readSpan(ctx context.Context, topic string, p int32, from, to int64, fn func(*kgo.Record) bool) error {
	if from >= to {
		return nil
	}
	cl, err := c.dialClient(spanOptions()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	return readWith(ctx, cl, topic, p, from, to, fn)
}

// readWith consumes by a client that consumes nothing yet. The position also
// moves over markers, so that a log that ends with one is read to its end.
func readWith(ctx context.Context, cl *kgo.Client, topic string, p int32, from, to int64, fn func(*kgo.Record) bool) error {
	if from >= to {
		return nil // there may never be a record to wait for
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().At(from)}})
	for next := from; next < to; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil && oversized(err) == nil {
			return fmt.Errorf("reading %s[%d] from %d: %w", topic, p, next, err)
		}
		var big *kgo.ErrDecompressTooLarge
		for _, fe := range fetches.Errors() {
			if big = oversized(fe.Err); big == nil {
				return fmt.Errorf("reading %s[%d] from %d: %w", topic, p, next, fe.Err)
			}
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			if r.Offset >= to {
				return nil
			}
			next = r.Offset + 1
			if !r.Attrs.IsControl() && !fn(r) {
				return nil
			}
		}
		if big != nil { // none of ours, and not what anybody looks for
			pass(cl, big)
			next = big.NextOffset
		}
	}
	return nil
}
