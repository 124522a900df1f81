package embedded

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkStartAfterKill measures what a restart costs with 100 MB of log:
// go test -run xxx -bench StartAfterKill -benchtime 3x ./pipeline/embedded
func BenchmarkStartAfterKill(b *testing.B) {
	const size, batch = 100 << 20, 64 << 10
	dir, listen := b.TempDir(), freePort(b)
	c := startChild(b, dir, listen)
	cl, err := kgo.NewClient(kgo.SeedBrokers(listen), kgo.DefaultProduceTopic("ticks"),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0))
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 128)
	for i := range value {
		value[i] = byte(rand.IntN(256))
	}
	for range size / batch {
		recs := make([]*kgo.Record, batch/len(value))
		for i := range recs {
			recs[i] = kgo.SliceRecord(value)
		}
		if err := cl.ProduceSync(context.Background(), recs...).FirstErr(); err != nil {
			b.Fatal(err)
		}
	}
	cl.Close()
	c.kill()
	var took time.Duration
	for b.Loop() {
		began := time.Now()
		broker, err := Start(Config{DataDir: dir, Listen: listen})
		if err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
		b.StopTimer()
		broker.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/start")
}
