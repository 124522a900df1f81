package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// ingestLabel is the source of all ingested trades in the metrics.
const ingestLabel = "ingest"

// ErrNotAcknowledged means that the topic did not take all trades in time: which
// of them it has nobody knows. The same ids may be sent again.
var ErrNotAcknowledged = errors.New("the trades were not acknowledged in time")

// ingest is the producer of trades that come in over HTTP. Its zero value is
// ready; the first batch dials.
type ingest struct {
	mu       sync.Mutex // protects the rest
	producer *kafka.Producer
	ended    bool
}

// open returns the producer, nil after the end.
func (i *ingest) open(e *Engine) (*kafka.Producer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.producer != nil || i.ended {
		return i.producer, nil
	}
	cfg := kafka.ProducerConfig{Cluster: e.cluster, Topic: e.topics.Input}
	if m := e.cfg.Embedded; m != nil && m.Sync {
		cfg.Linger = 10 * time.Millisecond // each batch costs an fsync
	}
	p, err := kafka.NewProducer(cfg)
	i.producer = p
	return p, err
}

// end gives the connections back. Sends under way fail.
func (i *ingest) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	if i.producer != nil {
		i.producer.Close()
		i.producer = nil
	}
}

// Ingest writes trades of a source to the input topic and returns when all of
// them are acknowledged by all in-sync replicas, or with ErrNotAcknowledged.
// trace is a W3C trace context, nil none. Trades go out in order per symbol.
func (e *Engine) Ingest(ctx context.Context, source string, trace []byte, trades []core.Trade) error {
	select {
	case <-e.ready:
	case <-ctx.Done():
		return fmt.Errorf("writing trades: %w: the brokers were not found yet", ErrNotAcknowledged)
	}
	p, err := e.ingest.open(e)
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("writing trades: %w: the engine has ended", ErrNotAcknowledged)
	}
	now := e.cfg.Clock.Now().UnixMilli()
	recs := make([]kafka.TradeRecord, len(trades))
	for i := range trades {
		recs[i] = ingested(source, trace, now, &trades[i])
	}
	sent := make(chan error, 1)
	safego.Go("ingest", func(err error) { sent <- err }, func() { sent <- p.Send(ctx, recs) })
	select {
	case err = <-sent:
	case <-ctx.Done():
		// A send under way cannot be taken back: it is left to itself.
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("writing trades: %w: %w", ErrNotAcknowledged, err)
	}
	e.cfg.Observer.FeedTrades(ingestLabel, len(recs)) // the source may be the name of a user, which no label shows
	return nil
}

func ingested(source string, trace []byte, now int64, t *core.Trade) kafka.TradeRecord {
	r := kafka.TradeRecord{
		Key: append([]byte(nil), t.Symbol...), Value: wire.AppendTrade(nil, t), Timestamp: now,
		Headers: []kafka.Header{
			{Key: wire.HeaderContentType, Value: []byte(wire.ContentTrade)},
			{Key: wire.HeaderSource, Value: []byte(source)},
			{Key: wire.HeaderReceived, Value: strconv.AppendInt(nil, now, 10)},
			{Key: wire.HeaderVenue, Value: []byte(ingestLabel)},
		},
	}
	if id := feed.MessageID(source, t); id != nil {
		r.Headers = append(r.Headers, kafka.Header{Key: wire.HeaderMessageID, Value: id})
	}
	if trace != nil {
		r.Headers = append(r.Headers, kafka.Header{Key: wire.HeaderTrace, Value: trace})
	}
	return r
}
