package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// TopicReader reads what stands on the topics when an export begins, committed
// records alone.
type TopicReader struct {
	Cluster kafka.Cluster
	// Input and KlineTopic are the names of the topics.
	Input, KlineTopic string
	// Mapping is that of the engine.
	Mapping *wire.Mapping
}

// scan reads all partitions of a topic.
func (r *TopicReader) scan(ctx context.Context, topic string, progress func(done, all int64), put func(p int32, rec *kafka.Rec) error) error {
	edges, err := kafka.EdgesOf(ctx, r.Cluster, topic)
	if err != nil {
		return err
	}
	if len(edges) == 0 {
		return fmt.Errorf("reading %s: the brokers do not know the topic", topic)
	}
	all, done := int64(0), int64(0)
	for _, e := range edges {
		all += e.End - e.Start
	}
	for _, p := range slices.Sorted(maps.Keys(edges)) {
		var failed error
		err := kafka.ReadRange(ctx, r.Cluster, topic, p, edges[p].Start, edges[p].End, func(rec kafka.Rec) bool {
			if done++; progress != nil && done%1024 == 0 {
				progress(done, all)
			}
			failed = put(p, &rec)
			return failed == nil && ctx.Err() == nil
		})
		if err := errors.Join(failed, err, ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// Klines implements Reader. Records without a position are no klines of an
// engine.
func (r *TopicReader) Klines(ctx context.Context, cfg *ExportConfig, put func(*history.Kline) error, restate func(*wire.RestatedRecord, int64, int64) error) error {
	var k history.Kline
	return r.scan(ctx, r.KlineTopic, cfg.Progress, func(p int32, rec *kafka.Rec) error {
		so, ok1 := headerInt(rec, wire.HeaderOffset)
		sk, ok2 := headerInt(rec, wire.HeaderOrdinal)
		if rec.Value == nil || !ok1 || !ok2 {
			return nil
		}
		if kind, other := rec.Header(wire.HeaderKind); other {
			if string(kind) != wire.KindRestated || restate == nil {
				return nil
			}
			var values wire.RestatedRecord
			if err := wire.DecodeRestated(rec.Value, &values); err != nil {
				return fmt.Errorf("reading %s[%d] at %d: %w", r.KlineTopic, p, rec.Offset, err)
			}
			return restate(&values, so, sk)
		}
		if err := wire.DecodeKline(rec.Value, &k.KlineRecord); err != nil {
			return fmt.Errorf("reading %s[%d] at %d: %w", r.KlineTopic, p, rec.Offset, err)
		}
		k.So, k.Sk = so, sk
		return put(&k)
	})
}

func headerInt(rec *kafka.Rec, name string) (int64, bool) {
	v, _ := rec.Header(name)
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && n >= 0
}

// Trades implements Reader. What cannot be used stands in the dead letters and
// is left out here, as heartbeats are.
func (r *TopicReader) Trades(ctx context.Context, cfg *ExportConfig, put func(*history.Trade) error) error {
	dialects := wire.NewDialects(r.Mapping)
	var trades []core.Trade
	return r.scan(ctx, r.Input, cfg.Progress, func(p int32, rec *kafka.Rec) error {
		if _, other := rec.Header(wire.HeaderKind); other || rec.Value == nil {
			return nil
		}
		content, _ := rec.Header(wire.HeaderContentType)
		var bad error
		if trades, bad = dialects.Of(content).Decode(rec.Value, trades[:0]); bad != nil {
			return nil //nolint:nilerr // it is in the dead letters
		}
		for i := range trades {
			if trades[i].Reject != core.ReasonNone {
				continue
			}
			one := history.Trade{Trade: trades[i], Origin: history.Origin{P: p, Offset: rec.Offset, Index: i}}
			if err := put(&one); err != nil {
				return err
			}
		}
		return nil
	})
}

var _ Reader = (*TopicReader)(nil)
