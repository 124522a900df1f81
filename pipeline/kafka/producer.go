package kafka

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// keyed, as a partition, means: by the murmur2 hash of the key.
const keyed int32 = -1

// TradeRecord is a record that a feed writes.
type TradeRecord struct {
	// Key is the symbol; nil only with an explicit partition.
	Key, Value []byte
	Headers    []Header
	// Timestamp, ms; 0: the client's clock.
	Timestamp int64
	// Explicit sends the record to Partition instead of where its key hashes to:
	// heartbeats, which go to every partition.
	Explicit  bool
	Partition int32
}

// Producer writes to the input topic: idempotent, acknowledged by all in-sync
// replicas, blocking when the broker is slow. It drops nothing. Its methods may
// be called from any goroutine.
type Producer struct {
	cl    *kgo.Client
	topic string
	room  *room
}

// ProducerConfig describes a Producer.
type ProducerConfig struct {
	Cluster Cluster
	// Topic to write to.
	Topic string
	// Linger collects records of several Sends. Default: 5 ms; with fsync on
	// every batch (word sync) at least 10 ms.
	Linger time.Duration
}

// NewProducer builds a producer. It does not dial.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	if cfg.Linger == 0 {
		cfg.Linger = 5 * time.Millisecond
	}
	cl, err := cfg.Cluster.withDefaults().dialClient(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(feedPartitioner{kgo.StickyKeyPartitioner(nil)}),
		kgo.ProducerLinger(cfg.Linger),
		kgo.MaxBufferedRecords(math.MaxInt32), // room says how many
	)
	if err != nil {
		return nil, err
	}
	return &Producer{cl: cl, topic: cfg.Topic, room: newRoom(maxUnsent)}, nil
}

const (
	// maxUnsent bounds what waits for acknowledgements, bytes.
	maxUnsent = 64 << 20
	// recordCost is what a record costs beside its own bytes, roughly.
	recordCost = 1 << 10
)

// Send writes recs in order per key and returns when all are acknowledged. It
// blocks while the brokers are away; ctx ends the wait, and then nobody knows
// which records are on the log: send them again, the engine drops duplicates by
// trade id.
//
// What was handed to the client is never taken back. The client takes records
// back by partition, from its front: of a Send that was still handing over, the
// first records would be gone and the last ones written, and a feed that finds
// its place by the last trade of a symbol would never ask for those in between.
func (p *Producer) Send(ctx context.Context, recs []TradeRecord) error {
	if len(recs) == 0 {
		return nil
	}
	cost := 0
	for i := range recs {
		cost += recs[i].cost()
	}
	held, err := p.room.take(ctx, cost)
	if err != nil {
		return fmt.Errorf("writing to %s: %w", p.topic, err)
	}
	s := &sending{left: len(recs), done: make(chan struct{}), room: p.room, held: held}
	for i := range recs {
		p.cl.Produce(context.Background(), p.record(&recs[i]), s.acknowledged)
	}
	select {
	case <-s.done:
		err = s.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("writing to %s: %w", p.topic, err)
	}
	return nil
}

// sending is one Send. Its room is free when every record has an answer, which
// may be long after its caller went away.
type sending struct {
	room *room
	held int
	done chan struct{} // closed with the last answer

	mu   sync.Mutex // protects the rest; err is read behind done
	left int
	err  error // the first one
}

func (s *sending) acknowledged(_ *kgo.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	if s.left--; s.left == 0 {
		s.room.give(s.held)
		close(s.done)
	}
}

func (t *TradeRecord) cost() int {
	n := recordCost + len(t.Key) + len(t.Value)
	for i := range t.Headers {
		n += len(t.Headers[i].Key) + len(t.Headers[i].Value)
	}
	return n
}

func (p *Producer) record(t *TradeRecord) *kgo.Record {
	r := &kgo.Record{Topic: p.topic, Partition: keyed, Key: t.Key, Value: t.Value, Headers: t.Headers}
	if t.Explicit {
		r.Partition = t.Partition
	}
	if t.Timestamp != 0 {
		r.Timestamp = time.UnixMilli(t.Timestamp)
	}
	return r
}

// Close waits for nothing: what is not acknowledged is given up.
func (p *Producer) Close() { p.cl.Close() }

// PartitionOf is where a keyed record goes in a topic of n partitions: murmur2,
// as Kafka's own default. librdkafka's default is another one.
func PartitionOf(key []byte, n int32) int32 {
	t := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return int32(t.Partition(&kgo.Record{Key: key}, int(n)))
}

// feedPartitioner honours an explicit partition and hashes keys otherwise.
type feedPartitioner struct{ keys kgo.Partitioner }

func (f feedPartitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return feedTopic{f.keys.ForTopic(topic)}
}

type feedTopic struct{ keys kgo.TopicPartitioner }

// RequiresConsistency is true for every record: a symbol must not move to
// another partition because its own is away.
func (feedTopic) RequiresConsistency(*kgo.Record) bool { return true }

func (t feedTopic) Partition(r *kgo.Record, n int) int {
	if r.Partition != keyed {
		return int(r.Partition)
	}
	return t.keys.Partition(r, n)
}

var _ kgo.Partitioner = feedPartitioner{}
