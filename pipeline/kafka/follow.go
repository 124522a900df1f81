package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// FromStart as a position is the log start of a partition.
	FromStart int64 = -1
	// FromEnd is behind what is there.
	FromEnd int64 = -2
)

// FollowConfig says what to follow and from where.
type FollowConfig struct {
	Cluster Cluster
	// Topic to follow, with its prefix.
	Topic string
	// Partitions of the topic: 0 to Partitions-1 are followed.
	Partitions int32
	// Only, if not nil, are the partitions to follow instead of all.
	Only []int32
	// From is the position of each partition, or FromEnd; FromStart, or no entry,
	// is its log start. A position that retention has removed is moved to the log start and
	// shows as a jump between To of one Span and From of the next.
	From map[int32]int64
	// MaxRecords per Span. Default: 500.
	MaxRecords int
	// MaxFetch bounds what one answer of a broker brings of a partition, in bytes as they
	// are stored: decompressed and as records it takes ten times as much memory, in
	// each follower. Default: 512 KiB.
	MaxFetch int32
}

// Span is a piece of one partition's log: all data records of [From, To).
type Span struct {
	P        int32
	From, To int64
	// End is the end of the partition for a read_committed reader when the span
	// was fetched: To >= End means that the follower has caught up.
	End int64
	// Records may be empty: at the start of a partition that is caught up
	// already, and where the log holds only markers. They may be kept.
	Records []Rec
}

// CaughtUp reports whether the span ends where the partition did.
func (s *Span) CaughtUp() bool { return s.To >= s.End }

// Follow reads all partitions without a group, read_committed, until ctx ends
// (then it returns nil) or fn returns an error. fn is called from one goroutine;
// while it works, nothing is fetched beyond one buffered fetch per broker.
// Broker outages are waited out. A topic that was deleted or created again, and
// a log that was cut behind the position, end it with ErrInputLost: the caller's
// positions mean nothing any more. Retention that overtakes it ends it with
// ErrOutOfRange: the caller goes on from where it stands.
func Follow(ctx context.Context, cfg FollowConfig, fn func(Span) error) error {
	cfg.Cluster = cfg.Cluster.withDefaults()
	if cfg.MaxRecords <= 0 {
		cfg.MaxRecords = 500
	}
	f := &follower{cfg: cfg, fn: fn, next: make(map[int32]int64, cfg.Partitions)}
	err := f.run(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the caller ended it; what that broke is no news
	}
	return err
}

type follower struct {
	cfg  FollowConfig
	fn   func(Span) error
	next map[int32]int64
}

func (f *follower) run(ctx context.Context) error {
	opts := append(consumerOptions(), kgo.FetchMaxWait(500*time.Millisecond))
	if f.cfg.MaxFetch > 0 {
		opts = append(opts, kgo.FetchMaxPartitionBytes(f.cfg.MaxFetch))
	}
	cl, err := f.cfg.Cluster.dialClient(opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := f.begin(ctx, cl); err != nil {
		return err
	}
	for ctx.Err() == nil {
		fetches := cl.PollRecords(ctx, f.cfg.MaxRecords)
		var failed error
		fetches.EachPartition(func(ft kgo.FetchTopicPartition) {
			if failed == nil && len(ft.Records) > 0 {
				failed = f.hand(ft.FetchPartition)
			}
			if big := oversized(ft.Err); failed == nil && big != nil {
				failed = f.pass(cl, ft.FetchPartition, big)
			} else if failed == nil && ft.Err != nil {
				failed = f.fetchFailed(ft.Partition, ft.Err)
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

// begin finds the first position of every partition and reports those that have
// nothing to read: their follower has caught up without a fetch.
func (f *follower) begin(ctx context.Context, cl *kgo.Client) error {
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, f.cfg.Topic)
	if err != nil {
		return fmt.Errorf("following %s: %w", f.cfg.Topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, f.cfg.Topic)
	if err != nil {
		return fmt.Errorf("following %s: %w", f.cfg.Topic, err)
	}
	at := make(map[int32]kgo.Offset, f.cfg.Partitions)
	for p := range f.cfg.Partitions {
		if f.cfg.Only != nil && !slices.Contains(f.cfg.Only, p) {
			continue
		}
		start, ok1 := starts.Lookup(f.cfg.Topic, p)
		end, ok2 := ends.Lookup(f.cfg.Topic, p)
		if !ok1 || !ok2 {
			return fmt.Errorf("following %s[%d]: the broker does not know the partition", f.cfg.Topic, p)
		}
		if err := errors.Join(start.Err, end.Err); err != nil {
			return fmt.Errorf("following %s[%d]: %w", f.cfg.Topic, p, err)
		}
		from, given := f.cfg.From[p]
		switch {
		case given && from == FromEnd:
			from = end.Offset
		case !given || from < start.Offset:
			from = start.Offset
		}
		if from > end.Offset {
			return fmt.Errorf("following %s[%d] from %d: the log ends at %d: %w", f.cfg.Topic, p, from, end.Offset, ErrInputLost)
		}
		f.next[p], at[p] = from, kgo.NewOffset().At(from)
		if from == end.Offset {
			if err := f.fn(Span{P: p, From: from, To: from, End: end.Offset}); err != nil {
				return err
			}
		}
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{f.cfg.Topic: at})
	return nil
}

func (f *follower) fetchFailed(p int32, err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	f.cfg.Cluster.Observer.FetchFailed(p, err)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		// Mostly a slow reader that retention has overtaken: its positions still
		// mean something, and only begin can tell it from a log that was cut.
		return fmt.Errorf("following %s[%d]: %w", f.cfg.Topic, p, ErrOutOfRange)
	}
	if isDataLoss(err) {
		return explainLoss(f.cfg.Topic, p, err)
	}
	if errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, kerr.TopicAuthorizationFailed) {
		return fmt.Errorf("following %s[%d]: %w", f.cfg.Topic, p, err)
	}
	f.cfg.Cluster.Log.Warn("fetching failed, trying again", "topic", f.cfg.Topic, "partition", p, "error", err)
	return nil
}

// pass hands over a record in the place of a batch that is too large to be read.
func (f *follower) pass(cl *kgo.Client, fp kgo.FetchPartition, big *kgo.ErrDecompressTooLarge) error {
	f.cfg.Cluster.Log.Warn("a batch is left out: it unpacks to more than the limit", "topic", f.cfg.Topic, "partition", fp.Partition,
		"from", big.Offset, "to", big.NextOffset-1, "limit", maxUnpacked)
	pass(cl, big)
	s := f.span(fp)
	s.Records, s.To = standIn(big, s.From), big.NextOffset
	f.next[fp.Partition] = s.To
	return f.fn(s)
}

// span begins the one that a fetch has brought.
func (f *follower) span(fp kgo.FetchPartition) Span {
	s := Span{P: fp.Partition, From: f.next[fp.Partition], End: fp.LastStableOffset}
	if s.End < 0 {
		s.End = fp.HighWatermark
	}
	return s
}

func (f *follower) hand(fp kgo.FetchPartition) error {
	s := f.span(fp)
	s.Records = make([]Rec, 0, len(fp.Records))
	for _, r := range fp.Records {
		if !r.Attrs.IsControl() {
			s.Records = append(s.Records, viewOf(r))
		}
		s.To = r.Offset + 1
	}
	f.next[fp.Partition] = s.To
	return f.fn(s)
}
