package e2e

import (
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// A node that comes back while one of three brokers is away needs that broker for nothing: the others lead its partitions and coordinate.
func TestServersNodeRestartsWhileABrokerIsAway_B01(t *testing.T) {
	t.Parallel()
	s := &servers{kafka: server.StartKafka(t, server.KafkaConfig{Nodes: 3}), redis: server.StartRedis(t, server.RedisConfig{})}
	p := s.place(6)
	p.session = "6s"
	b := start(t, p, "")
	f := startFlow(t, b, 400, 1)
	b.settle(time.Minute)
	for broker := range 3 {
		s.kafka.Kill9(broker)
		time.Sleep(time.Second)
		b.kill()
		began := time.Now()
		b.node.Restart()
		b.node.WaitURL(b.http+"/v1/health", 2*patience) // the broker stays away: who needs it is never ready
		t.Logf("broker %d is away: the node was ready again after %v", broker, time.Since(began).Round(time.Millisecond))
		s.kafka.Restart(broker)
		s.kafka.WaitReady()
		s.kafka.WaitInSync() // with the next one away two have to be
	}
	f.stop()
	f.done.Wait()
	b.settle(time.Minute)
	time.Sleep(4 * time.Second)
	l := b.check(allIntervals, false)
	if l.klines.Repeats > 0 {
		t.Errorf("a read_committed reader of klines sees %d positions twice", l.klines.Repeats)
	}
	if got := int64(len(l.input.Trades)); got == 0 || got < f.acked.Load() {
		t.Errorf("the topic holds %d records of trades, %d were acknowledged", got, f.acked.Load())
	}
}
