package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/load"
)

// workload is a topic of made-up trades.
type workload struct {
	name    string
	symbols int
	rate    float64 // trades a second of event time over all symbols
	trades  int
	repeats float64 // share of the trades that come twice
}

// mainLoad gives 0.08 klines a trade with the intervals 1m to 1d: 1.285 bars a minute and symbol, 16 trades a minute and symbol.
func (b *bench) mainLoad() workload {
	return workload{name: "ticks", symbols: 1000, rate: 268, trades: b.trades}
}

// barLoad gives nearly one bar of a second per trade, and long series: more than 2,000 bars each.
func (b *bench) barLoad() workload {
	return workload{name: "bars", symbols: 100, rate: 50, trades: min(b.trades/3, 600_000)}
}

// topic fills the topic of a workload once.
func (b *bench) topic(w workload) error {
	if b.topics[w.name] > 0 {
		return nil
	}
	if err := b.create(w.name, partitions); err != nil {
		return err
	}
	began := time.Now()
	records, err := fill(b.kafka.Addr(), w)
	if err != nil {
		return err
	}
	say("%d trades of %d symbols are in topic %s after %v", records, w.symbols, w.name, time.Since(began).Round(time.Millisecond))
	b.topics[w.name] = records
	return nil
}

// repeatsWithin is how long after a trade its repeat comes, in event time.
const repeatsWithin = 300 * time.Millisecond

// fill produces the trades as fast as the broker takes them, and returns how many records they made. Their event time ends now.
func fill(addr string, w workload) (records int, err error) {
	span := time.Duration(float64(w.trades) / w.rate * float64(time.Second))
	config := load.Config{Symbols: w.symbols, Rate: w.rate, Count: w.trades, StartMS: time.Now().Add(-span).UnixMilli(), Seed: 1}
	if w.repeats > 0 {
		config.Repeats, config.DisorderMS = w.repeats, repeatsWithin.Milliseconds()
	}
	generator, err := load.New(config)
	if err != nil {
		return 0, fmt.Errorf("making trades: %w", err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(w.name), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	defer client.Close()
	var failed atomic.Pointer[error]
	ctx := context.Background()
	for trade, more := generator.Next(); more; trade, more = generator.Next() {
		records++
		record := &kgo.Record{Key: []byte(trade.Symbol), Value: trade.AppendJSON(make([]byte, 0, 128))}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return 0, fmt.Errorf("producing trades: %w", err)
	}
	if err := failed.Load(); err != nil {
		return 0, fmt.Errorf("producing trades: %w", *err)
	}
	return records, nil
}
