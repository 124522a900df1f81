package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// stepLoop is our own reading side alone: the Kafka client of the pipeline, its decoder, its step with duplicates, watermark and
// windows, one goroutine per partition. What comes out is counted and dropped.
func stepLoop(c contender) (usage, error) {
	layout, err := c.space.ensure(context.Background())
	if err != nil {
		return usage{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &steps{c: c, n: layout.N, stop: cancel, parts: map[int32]*stepPart{}}
	m := newMeter()
	s.client, err = kafka.NewClient(kafka.ClientConfig{
		Cluster: c.space.cluster(), Topics: c.space.names(), Layout: layout, Group: c.space.group, Direct: true,
	}, s)
	if err != nil {
		return usage{}, err
	}
	if err := s.client.Run(ctx); err != nil {
		return usage{}, err
	}
	s.work.Wait()
	u := m.stop()
	u.Trades, u.Klines = s.seen.Load(), s.klines.Load()
	if s.bad.Load() > 0 {
		return u, fmt.Errorf("%d records were rejected", s.bad.Load())
	}
	return u, nil
}

type steps struct {
	c      contender
	n      int32
	client *kafka.Client
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu                sync.Mutex // protects parts
	parts             map[int32]*stepPart
	seen, klines, bad atomic.Int64
}

type stepPart struct {
	batches chan *kafka.Batch
	engine  *core.Engine
	decoder *wire.Decoder
}

// Assigned implements kafka.Handler: a fresh step from the start of the log.
func (s *steps) Assigned(ctx context.Context, p int32) (int64, error) {
	engine, err := core.New(stepConfig(p, s.n, s.c.intervals))
	if err != nil {
		return 0, err
	}
	start, _, err := s.client.Bounds(ctx, p)
	if err == nil {
		err = engine.Begin(start)
	}
	if err != nil {
		return 0, err
	}
	// One fetch cut into batches fits: Batch must not block.
	part := &stepPart{batches: make(chan *kafka.Batch, 1024), engine: engine, decoder: wire.NewDecoder(nil)}
	s.mu.Lock()
	s.parts[p] = part
	s.mu.Unlock()
	s.work.Go(func() { s.run(p, part) })
	return start, nil
}

func (s *steps) run(p int32, part *stepPart) {
	var out core.Outputs
	var trades []core.Trade
	for b := range part.batches {
		for i := range b.Records {
			r := &b.Records[i]
			rec := core.Record{Offset: r.Offset, Timestamp: r.Timestamp, Source: s.c.space.topic}
			var err error
			if trades, err = part.decoder.Decode(r.Value, trades[:0]); err == nil {
				err = part.engine.Trades(&rec, trades, &out)
			}
			if err != nil || len(out.Diverted) > 0 {
				s.bad.Add(1)
			}
			out.Touched = out.Touched[:0]
		}
		s.klines.Add(int64(len(out.Klines)))
		out.Reset()
		n := int64(len(b.Records))
		b.Release()
		if len(part.batches) == 0 {
			s.client.Resume(p)
		}
		if s.seen.Add(n) == int64(s.c.trades) {
			s.stop()
		}
	}
}

// Batch implements kafka.Handler.
func (s *steps) Batch(b *kafka.Batch) {
	s.mu.Lock()
	part := s.parts[b.P]
	s.mu.Unlock()
	part.batches <- b
	if len(part.batches) >= 4 {
		s.client.Pause(b.P)
	}
}

// Revoked implements kafka.Handler.
func (s *steps) Revoked(_ context.Context, ps []int32) { s.Lost(ps) }

// Lost implements kafka.Handler.
func (s *steps) Lost(ps []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range ps {
		if part := s.parts[p]; part != nil {
			close(part.batches)
			delete(s.parts, p)
		}
	}
}

// Failed implements kafka.Handler.
func (s *steps) Failed(p int32, err error) {
	s.bad.Add(1)
	s.stop()
}

// stepConfig has the defaults of the Caddyfile.
func stepConfig(p, n int32, intervals []core.Interval) core.Config {
	return core.Config{
		Partition: p, Partitions: n, Intervals: intervals, WatermarkDelay: 500, AllowedLateness: 60_000, IdleDelay: 1000, MaxFuture: 5000,
	}
}

var (
	_ kafka.Handler = (*steps)(nil)

	errNotAllRead = errors.New("not all trades were read")
)
