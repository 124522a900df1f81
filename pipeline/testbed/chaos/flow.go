//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/load"
)

// flow produces made-up trades of now until it is stopped: out of order, some twice, some so late that their bar is restated, some too
// late, and now and then a record that is no trade. It never gives a record up: what was not acknowledged is sent again.
type flow struct {
	acked     atomic.Int64 // records, repeats and sent again included
	malformed atomic.Int64
	stop      context.CancelFunc
	done      sync.WaitGroup
	err       error
}

// startFlow begins to produce. The brokers are the flow's own, without proxies.
func startFlow(brokers, topic string, c Config) (*flow, error) {
	gen, err := load.New(load.Config{
		Symbols: c.Symbols, Rate: c.Rate, Count: 1 << 40, StartMS: time.Now().UnixMilli(), DisorderMS: 300, Repeats: 0.02, Seed: c.Seed,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the load: %w", err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.MaxBufferedRecords(1<<20), kgo.UnknownTopicRetries(-1), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }))
	if err != nil {
		return nil, fmt.Errorf("starting the load: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &flow{stop: cancel}
	f.done.Go(func() {
		defer client.Close()
		f.err = f.run(ctx, client, gen)
	})
	return f, nil
}

func (f *flow) run(ctx context.Context, client *kgo.Client, gen *load.Generator) error {
	for n := 1; ctx.Err() == nil; n++ {
		trade, ok := gen.Next()
		if !ok {
			return nil
		}
		if wait := time.Until(time.UnixMilli(trade.SendMS)); wait > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
		trade.TS -= delayOf(trade).Milliseconds()
		f.send(client, []byte(trade.Symbol), trade.AppendJSON(nil))
		if n%997 == 0 {
			f.malformed.Add(1)
			f.send(client, []byte(trade.Symbol), []byte(garbage[n/997%len(garbage)]))
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := client.Flush(flush); err != nil {
		return fmt.Errorf("flushing the load: %w", err)
	}
	return nil
}

// garbage is what now and then comes in place of a trade.
var garbage = [...]string{
	`not json`, `{"price":"1","size":"1","ts":1}`, `{"symbol":"S0000","price":"NaN","size":"1","ts":1}`,
	`{"symbol":"S0000","price":"1","size":"-1","ts":1}`, "\x00\xff", `{"symbol":"a b","price":"1","size":"1","ts":1}`,
}

// delayOf says how much older than its sending a trade is. It hangs on the trade alone, so that a repeat is the same trade.
func delayOf(t load.Trade) time.Duration {
	h := fnv.New32a()
	fmt.Fprint(h, t.Symbol, t.ID)
	switch n := h.Sum32() % 1000; {
	case n < 3:
		return lateness + 5*time.Second
	case n < 13:
		return time.Duration(1+n%4) * time.Second
	}
	return 0
}

// send repeats a record until it is acknowledged; the id makes it one trade.
func (f *flow) send(client *kgo.Client, key, value []byte) {
	client.Produce(context.Background(), &kgo.Record{Key: key, Value: value}, func(_ *kgo.Record, err error) {
		switch {
		case err == nil:
			f.acked.Add(1)
		case errors.Is(err, kgo.ErrClientClosed):
		default:
			f.send(client, key, value)
		}
	})
}
