package replay

import (
	"bytes"
	"context"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// batchRecords is how many outputs are sent at a time.
const batchRecords = 2000

// topicSink writes what a node would write, to topics with another prefix. A
// second run writes the same records under the same positions, which readers
// drop by the reader rule.
type topicSink struct {
	producers map[kafka.TopicKind]*kafka.Producer
	waiting   map[kafka.TopicKind][]kafka.TradeRecord
	n         int
	symbols   map[string]bool
}

// ToTopics writes to the topics klines, late and dlq behind prefix, which must
// exist. Close ends it.
func ToTopics(cluster kafka.Cluster, prefix string, symbols map[string]bool) (Sink, func(), error) {
	s := &topicSink{producers: map[kafka.TopicKind]*kafka.Producer{}, waiting: map[kafka.TopicKind][]kafka.TradeRecord{}, symbols: symbols}
	for _, k := range []kafka.TopicKind{kafka.Klines, kafka.Late, kafka.DLQ} {
		p, err := kafka.NewProducer(kafka.ProducerConfig{Cluster: cluster, Topic: prefix + k.String()})
		if err != nil {
			s.close()
			return nil, nil, err
		}
		s.producers[k] = p
	}
	return s, s.close, nil
}

func (s *topicSink) close() {
	for _, p := range s.producers {
		p.Close()
	}
}

// Put implements Sink.
func (s *topicSink) Put(ctx context.Context, p int32, outs []kafka.Out) error {
	for i := range outs {
		o := &outs[i]
		if symbol, _, _ := bytes.Cut(o.Key, []byte("|")); s.symbols != nil && !s.symbols[string(symbol)] {
			continue
		}
		rec := kafka.TradeRecord{Key: bytes.Clone(o.Key), Value: bytes.Clone(o.Value), Timestamp: o.Timestamp, Explicit: true, Partition: p}
		for _, h := range o.Headers {
			rec.Headers = append(rec.Headers, kafka.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
		}
		s.waiting[o.Topic] = append(s.waiting[o.Topic], rec)
		s.n++
	}
	if s.n < batchRecords {
		return nil
	}
	return s.Flush(ctx)
}

// Flush implements Sink.
func (s *topicSink) Flush(ctx context.Context) error {
	for k, recs := range s.waiting {
		if len(recs) == 0 {
			continue
		}
		if err := s.producers[k].Send(ctx, recs); err != nil {
			return err
		}
		s.waiting[k] = recs[:0]
	}
	s.n = 0
	return nil
}

var _ Sink = (*topicSink)(nil)
