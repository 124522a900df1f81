package kafka

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// BenchmarkUnit measures one unit of ten klines with a checkpoint of 64 KB, from
// Publish to the last acknowledgement, on a broker in memory:
// go test -run xxx -bench Unit ./pipeline/kafka
func BenchmarkUnit(b *testing.B) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		b.Fatal(err)
	}
	defer fake.Close()
	at, topics := Cluster{Brokers: fake.ListenAddrs()}, Topics{Input: "ticks"}
	layout, err := Ensure(context.Background(), at, topics, EnsureOptions{Create: true, Partitions: 1})
	if err != nil {
		b.Fatal(err)
	}
	c, err := NewClient(ClientConfig{Cluster: at, Topics: topics, Layout: layout, Direct: true}, newSummer())
	if err != nil {
		b.Fatal(err)
	}
	c.parts[0] = &partition{group: -1}
	sending, committing := c.send.start(), c.commit.start()
	u := &Unit{P: 0, Checkpoint: &Checkpoint{Body: make([]byte, 64<<10)}}
	for i := range 10 {
		u.Outs = append(u.Outs, Out{Topic: Klines, Key: fmt.Appendf(nil, "S|1m|%d", i), Value: make([]byte, 380)})
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		u.Checkpoint.To++
		if err := c.Publish(context.Background(), u); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "us/unit-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "us/unit-p99")
	c.fail(context.Canceled)
	c.commit.stop()
	committing.Wait()
	sending.Wait()
	c.cl.Close()
}
