package main

import (
	"context"
	"flag"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
)

// paceStep is the time between two trades of one symbol.
const paceStep = paceSymbols * time.Second / paceRate

func paceSymbol(i int) string { return fmt.Sprintf("PACE%02d", i) }

// paceChild produces trades at a steady rate, whatever the broker does. The id of a trade is the time in ns when it was due, so a
// viewer knows of every trade how late it sees it, without a message from here.
func paceChild(flags *flag.FlagSet) func() (any, error) {
	addr := flags.String("addr", "", "broker")
	seconds := flags.Int("seconds", 10, "how long")
	return func() (any, error) {
		client, err := kgo.NewClient(kgo.SeedBrokers(*addr), kgo.DefaultProduceTopic("ticks"), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
			kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			return nil, fmt.Errorf("making a producer: %w", err)
		}
		defer client.Close()
		fmt.Println(ready)
		var acked atomic.Int64
		start := time.Now().Add(100 * time.Millisecond).Truncate(paceStep)
		for i := range *seconds * paceRate {
			due := start.Add(time.Duration(i/paceSymbols) * paceStep)
			if wait := time.Until(due); wait > time.Millisecond {
				time.Sleep(wait)
			}
			client.Produce(context.Background(), paceTrade(i%paceSymbols, due), func(_ *kgo.Record, err error) {
				if err == nil {
					acked.Add(1)
				}
			})
		}
		err = client.Flush(context.Background())
		return acked.Load(), err
	}
}

func paceTrade(symbol int, due time.Time) *kgo.Record {
	t := marketdata.Trade{
		Symbol: paceSymbol(symbol), Price: fmt.Sprintf("%d.%02d", 100+symbol, due.UnixNano()/1e6%100), Size: "0.125", TS: due.UnixMilli(), ID: due.UnixNano(), Side: "buy",
	}
	return &kgo.Record{Key: []byte(t.Symbol), Value: t.AppendJSON(make([]byte, 0, 128))}
}
