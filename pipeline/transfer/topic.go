package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// roomEvery is how many bytes go out between two looks at what is unread.
	roomEvery = 4 << 20
	// roomPause is how long it waits where nothing may go out.
	roomPause = 200 * time.Millisecond
	// roomPatience is how long nothing may have been read before it gives up.
	roomPatience = 30 * time.Second
	// recordOverhead is what the log keeps of a record besides key, value and
	// headers, at most.
	recordOverhead = 32
)

// TopicConfig describes a Topic.
type TopicConfig struct {
	Cluster kafka.Cluster
	// Topic of trades, and the group whose commits say how far they are read.
	Topic, Group string
	// Mapping is the version of the topic: that of one created again differs.
	Mapping string
	// Partitions of the topic.
	Partitions int32
	// Room is how many bytes may be unread in all partitions together; 0 is
	// no limit. A log of bounded size would remove what nobody has read.
	Room int64
	// Alone tells that nobody reads the topic now, so that waiting is in vain.
	Alone bool
	// Linger of the producer. Default: its own.
	Linger time.Duration
	// Clock paces. Default: the machine's.
	Clock clock.Clock
}

// Topic is the topic of trades as a Target. It is used by one goroutine.
type Topic struct {
	cfg      TopicConfig
	producer *kafka.Producer
	bytes    int64 // since the last look
	records  int64 // of this run, and their bytes
	total    int64
	looked   bool
}

// NewTopic builds the producer. It does not dial.
func NewTopic(cfg TopicConfig) (*Topic, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real()
	}
	p, err := kafka.NewProducer(kafka.ProducerConfig{Cluster: cfg.Cluster, Topic: cfg.Topic, Linger: cfg.Linger})
	if err != nil {
		return nil, err
	}
	return &Topic{cfg: cfg, producer: p}, nil
}

// Close ends the producer.
func (t *Topic) Close() { t.producer.Close() }

// Name implements Target.
func (t *Topic) Name() string { return "topic " + t.cfg.Topic + " (" + t.cfg.Mapping + ")" }

// ErrNoRoom tells that the log is full of trades that nobody has read.
var ErrNoRoom = errors.New("the topic is full of trades that nobody has read")

// Write implements Target.
func (t *Topic) Write(ctx context.Context, b *Batch) error {
	size := int64(0)
	for i := range b.Records {
		r := &b.Records[i]
		size += int64(len(r.Key)+len(r.Value)) + recordOverhead
		for _, h := range r.Headers {
			size += int64(len(h.Key) + len(h.Value))
		}
	}
	t.records, t.total, t.bytes = t.records+int64(len(b.Records)), t.total+size, t.bytes+size
	if t.cfg.Room > 0 && (!t.looked || t.bytes > roomEvery) {
		if err := t.wait(ctx); err != nil {
			return err
		}
		t.bytes, t.looked = 0, true
	}
	if len(b.Records) == 0 {
		return nil
	}
	return t.producer.Send(ctx, b.Records)
}

// wait returns when there is room for more.
func (t *Topic) wait(ctx context.Context) error {
	last, since := int64(-1), t.cfg.Clock.Now()
	for {
		unread, err := t.unread(ctx)
		if err != nil {
			return err
		}
		// Records of others may be longer than ours; half of the room is theirs.
		size := max(t.total/max(t.records, 1), 128)
		if unread*size <= t.cfg.Room {
			return nil
		}
		if unread != last {
			last, since = unread, t.cfg.Clock.Now()
		}
		if t.cfg.Alone || t.cfg.Clock.Now().Sub(since) > roomPatience {
			return fmt.Errorf("%w: %d, and the embedded log, which is bounded, would remove the oldest. Start the server with this configuration and run the command again: it goes on where it is and waits for the engine. (Or raise retention, or use source kafka)", ErrNoRoom, unread)
		}
		timer := t.cfg.Clock.NewTimer(roomPause)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// unread counts records that the group has not committed.
func (t *Topic) unread(ctx context.Context) (int64, error) {
	edges, err := kafka.EdgesOf(ctx, t.cfg.Cluster, t.cfg.Topic)
	if err != nil {
		return 0, err
	}
	committed, err := kafka.GroupOffsets(ctx, t.cfg.Cluster, t.cfg.Group, t.cfg.Topic)
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for p, e := range edges {
		n += e.End - max(e.Start, committed[p])
	}
	return n, nil
}

// tailRecords is how far back the newest trade of a symbol is looked for.
const tailRecords = 2_000_000

// Tail knows the newest event times at the end of a topic.
type Tail struct {
	cfg      TopicConfig
	dialects *wire.Dialects
	source   string
	seen     map[int32]map[string]int64 // partition, symbol
	beats    map[int32]int64            // newest heartbeat of our source, ns
}

// NewTail looks at the topic when it is asked. Heartbeats of source count, too:
// they promise that nothing older follows. m is the mapping of the engine.
func NewTail(cfg TopicConfig, m *wire.Mapping, source string) *Tail {
	return &Tail{cfg: cfg, dialects: wire.NewDialects(m), source: source, seen: map[int32]map[string]int64{}, beats: map[int32]int64{}}
}

// Newest is the event time, ns, of the newest trade of a symbol among the last
// 2,000,000 records of its partition.
func (t *Tail) Newest(ctx context.Context, symbol string) (int64, bool, error) {
	p := kafka.PartitionOf([]byte(symbol), t.cfg.Partitions)
	if t.seen[p] == nil {
		if err := t.read(ctx, p); err != nil {
			return 0, false, err
		}
	}
	ns, found := t.seen[p][symbol]
	if beat := t.beats[p]; beat > ns {
		return beat, true, nil
	}
	return ns, found, nil
}

func (t *Tail) read(ctx context.Context, p int32) error {
	start, end, err := kafka.Bounds(ctx, t.cfg.Cluster, t.cfg.Topic, p)
	if err != nil {
		return err
	}
	seen := map[string]int64{}
	var trades []core.Trade
	err = kafka.ReadRange(ctx, t.cfg.Cluster, t.cfg.Topic, p, max(start, end-tailRecords), end, func(r kafka.Rec) bool {
		if kind, other := r.Header(wire.HeaderKind); other {
			t.beat(p, string(kind), &r)
			return true
		}
		content, _ := r.Header(wire.HeaderContentType)
		var bad error
		if trades, bad = t.dialects.Of(content).Decode(r.Value, trades[:0]); bad != nil {
			return true
		}
		for i := range trades {
			if one := &trades[i]; one.Reject == core.ReasonNone && one.EventNS > seen[string(one.Symbol)] {
				seen[string(one.Symbol)] = one.EventNS
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("looking for the newest trades of the topic: %w", err)
	}
	t.seen[p] = seen
	return nil
}

func (t *Tail) beat(p int32, kind string, r *kafka.Rec) {
	if kind != wire.KindHeartbeat {
		return
	}
	hb, err := wire.DecodeHeartbeat(r.Value)
	if err != nil {
		return
	}
	if hb.Source == "" {
		source, _ := r.Header(wire.HeaderSource)
		hb.Source = string(source)
	}
	if hb.Source == t.source {
		t.beats[p] = max(t.beats[p], hb.TS*int64(time.Millisecond))
	}
}

// Beat promises in every partition that source has nothing older than ms:
// quiet bars that end before it close.
func (t *Topic) Beat(ctx context.Context, source string, ms int64) error {
	recs := make([]kafka.TradeRecord, t.cfg.Partitions)
	for p := range t.cfg.Partitions {
		recs[p] = kafka.TradeRecord{
			Value: wire.AppendHeartbeat(nil, core.Heartbeat{Source: source, TS: ms, Up: true}), Explicit: true, Partition: p,
			Timestamp: t.cfg.Clock.Now().UnixMilli(),
			Headers:   []kafka.Header{{Key: wire.HeaderKind, Value: []byte(wire.KindHeartbeat)}, {Key: wire.HeaderSource, Value: []byte(source)}},
		}
	}
	return t.producer.Send(ctx, recs)
}

var _ Target = (*Topic)(nil)
