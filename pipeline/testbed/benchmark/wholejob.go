package main

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// wholeJob is the engine as it runs in Caddy with `source kafka`, without indicators: group, windows, klines, checkpoints, commits. It
// ends with an orderly stop, which writes the last checkpoints.
func wholeJob(c contender) (usage, error) { return runEngine(c, true, false) }

// idempotentJob is wholeJob on one node without transactions.
func idempotentJob(c contender) (usage, error) { return runEngine(c, true, true) }

// servingJob is wholeJob and the follower that reads the klines back and keeps the view of this node.
func servingJob(c contender) (usage, error) { return runEngine(c, false, false) }

func runEngine(c contender, noView, idempotent bool) (usage, error) {
	engine, err := pipeline.New(pipeline.Config{
		Kafka:     &pipeline.KafkaSource{Brokers: []string{c.space.addr}, Topic: c.space.topic, Group: c.space.group, OutputPrefix: c.space.prefix, CreateTopics: true, Idempotent: idempotent},
		Intervals: c.intervals, Node: "bench", DataDir: c.space.dir, NoView: noView,
	})
	if err != nil {
		return usage{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	m := newMeter()
	if err := engine.Start(ctx); err != nil {
		return usage{}, err
	}
	var flows time.Time
	for n := int64(0); n < int64(c.trades); n = applied(engine.Status()) {
		if n > 0 && flows.IsZero() {
			flows = time.Now()
		}
		select {
		case <-ctx.Done():
			return usage{}, fmt.Errorf("%w: %d of %d", errNotAllRead, applied(engine.Status()), c.trades)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := engine.Stop(ctx); err != nil {
		return usage{}, err
	}
	u := m.stop()
	u.Flow = time.Since(flows)
	u.Trades = int64(c.trades)
	u.Klines, err = c.space.klines(ctx)
	return u, err
}

// applied is the number of records that all partitions have applied.
func applied(s pipeline.Status) int64 {
	total := int64(0)
	for _, p := range s.Partitions {
		total += p.Next
	}
	return total
}

// klines counts the records of the topic klines.
func (s space) klines(ctx context.Context) (int64, error) {
	total := int64(0)
	for p := range int32(partitions) {
		_, end, err := kafka.Bounds(ctx, s.cluster(), s.names().Name(kafka.Klines), p)
		if err != nil {
			return 0, err
		}
		total += end
	}
	return total, nil
}
