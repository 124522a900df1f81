package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pollLoop is the yardstick that does nothing: every record is fetched, checked by the client library, and dropped.
func pollLoop(c contender) (usage, error) {
	client, err := kgo.NewClient(reading(c.space.addr, c.space.topic)...)
	if err != nil {
		return usage{}, fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	m := newMeter()
	seen, size := 0, 0
	for seen < c.trades {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return usage{}, fmt.Errorf("polling: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			size += len(r.Value)
		})
	}
	u := m.stop()
	u.Trades = int64(seen)
	return u, nil
}

// reading are the options of both yardsticks: all partitions from their start, without a group, sizes as the library has them.
func reading(addr, topic string) []kgo.Opt {
	at := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		at[p] = kgo.NewOffset().AtStart()
	}
	return []kgo.Opt{kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at})}
}
