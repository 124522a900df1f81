// Command produce sends trades to a topic as generic JSON: made-up ones at a rate, with disorder and repeats, or those of a file. It
// is the load of the crash tests and of the latency measurements.
//
// A run is one [settings]: a source that gives trades one by one, and a Kafka client that keys them by symbol, sends each record
// idempotently with acks=all, and waits for a broker that is away instead of giving up. At the end it prints one JSON line.
//
// It writes no heartbeats and creates no topic.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/load"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
	"github.com/twmb/franz-go/pkg/kgo"
)

type settings struct {
	brokers, topic, file string
	unpaced              bool
	load                 load.Config
}

// result is what a run prints. Sent = Acked + Failed at its end.
type result struct {
	Sent    int64   `json:"sent"`
	Repeats int64   `json:"repeats"`
	Acked   int64   `json:"acked"`
	Failed  int64   `json:"failed"`
	FirstTS int64   `json:"first_ts"`
	LastTS  int64   `json:"last_ts"`
	Seconds float64 `json:"seconds"`
}

func main() {
	s := settings{}
	flag.StringVar(&s.brokers, "brokers", "127.0.0.1:9092", "host:port list")
	flag.StringVar(&s.topic, "topic", "ticks", "topic of the trades; it must exist")
	flag.StringVar(&s.file, "file", "", "send the trades of this file instead: .._trades.zip (US equity), .._trades.csv.gz or .._trades.json.gz (Binance)")
	flag.BoolVar(&s.unpaced, "unpaced", false, "send as fast as the brokers take it; without it trades are sent when their event time comes (files: always unpaced)")
	flag.IntVar(&s.load.Symbols, "symbols", 10, "number of symbols")
	flag.Float64Var(&s.load.Rate, "rate", 1_000, "trades a second over all symbols, in event time")
	flag.IntVar(&s.load.Count, "count", 10_000, "number of trades, repeats not counted")
	flag.Int64Var(&s.load.StartMS, "start", 0, "event time of the first trade, ms since 1970 (default: now)")
	flag.Int64Var(&s.load.DisorderMS, "disorder", 0, "a trade is sent up to so many ms after its event time")
	flag.Float64Var(&s.load.Repeats, "repeats", 0, "share of trades that are sent twice, 0 to 1")
	flag.Uint64Var(&s.load.Seed, "seed", 1, "seed of the made-up trades")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, out io.Writer) error {
	// The defaults are the ones wanted: idempotent, acks=all, no limit on deliveries. The partitioner is Kafka's murmur2 of the key.
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.brokers, ",")...), kgo.DefaultProduceTopic(s.topic),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerLinger(2*time.Millisecond))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	began := time.Now()
	p := producer{ctx: ctx, client: client}
	if s.file != "" {
		err = p.replay(s.file)
	} else {
		err = p.generate(s, began)
	}
	if flushErr := client.Flush(ctx); flushErr != nil {
		err = errors.Join(err, fmt.Errorf("waiting for acknowledgements: %w", flushErr))
	}
	p.result.Acked, p.result.Failed = p.acked.Load(), p.failed.Load()
	p.result.Seconds = time.Since(began).Seconds()
	if cause := p.cause.Load(); cause != nil {
		err = errors.Join(err, fmt.Errorf("producing: %w", *cause))
	}
	return errors.Join(err, json.NewEncoder(out).Encode(p.result))
}

type producer struct {
	ctx           context.Context
	client        *kgo.Client
	result        result
	acked, failed atomic.Int64
	cause         atomic.Pointer[error] // first failure
}

func (p *producer) send(trade marketdata.Trade) error {
	if p.result.FirstTS == 0 {
		p.result.FirstTS = trade.TS
	}
	p.result.LastTS = max(p.result.LastTS, trade.TS)
	p.result.Sent++
	// No timestamp of ours: the client puts the time of sending. Brokers delete by it, and trades of 2013 would be gone at once.
	record := &kgo.Record{Key: []byte(trade.Symbol), Value: trade.AppendJSON(nil)}
	p.client.Produce(p.ctx, record, func(_ *kgo.Record, err error) {
		if err != nil {
			p.failed.Add(1)
			p.cause.CompareAndSwap(nil, &err)
			return
		}
		p.acked.Add(1)
	})
	return p.ctx.Err()
}

func (p *producer) replay(path string) error {
	switch {
	case strings.HasSuffix(path, ".zip"):
		return marketdata.Equity(path, func(print marketdata.Print) error { return p.send(print.Trade) })
	case strings.HasSuffix(path, ".csv.gz"):
		return marketdata.Binance(path, p.send)
	case strings.HasSuffix(path, ".json.gz"):
		return marketdata.BinanceAggregate(path, p.send)
	}
	return fmt.Errorf("reading %q: want a file that ends in .zip, .csv.gz or .json.gz", path)
}

// generate sends made-up trades. Paced, the first one is due now, whatever event time it has.
func (p *producer) generate(s settings, began time.Time) error {
	if s.load.StartMS == 0 {
		s.load.StartMS = began.UnixMilli()
	}
	generator, err := load.New(s.load)
	if err != nil {
		return err
	}
	for trade, more := generator.Next(); more; trade, more = generator.Next() {
		if !s.unpaced {
			due := began.Add(time.Duration(trade.SendMS-s.load.StartMS) * time.Millisecond)
			if err := sleepUntil(p.ctx, due); err != nil {
				return err
			}
		}
		if trade.Repeat {
			p.result.Repeats++
		}
		if err := p.send(trade.Trade); err != nil {
			return err
		}
	}
	return nil
}

func sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
