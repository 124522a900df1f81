package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// mirror is a follower for Redis alone: klines are written by the test, no
// engine is at work.
type mirror struct {
	t     *testing.T
	e     *Engine
	redis *miniredis.Miniredis
	adm   *kadm.Client
	wrote int
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "klines"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	m := &mirror{t: t, redis: miniredis.RunT(t)}
	m.e, err = New(Config{
		Kafka: &KafkaSource{Brokers: fake.ListenAddrs()}, DataDir: t.TempDir(), Node: "n1", Indicators: newNativeHost(),
		Redis: &RedisStore{Addr: m.redis.Addr()},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.e.cluster = kafka.Cluster{Brokers: fake.ListenAddrs(), Clock: m.e.cfg.Clock, Log: m.e.cfg.Log}
	m.e.layout = &kafka.Layout{N: 1, Mapping: "0a1b2c3d"}
	close(m.e.ready)
	m.adm = kadm.NewClient(m.client())
	ctx, cancel := context.WithCancel(context.Background())
	h := safego.Go("follower", func(err error) { t.Error(err) }, func() { m.e.followRedis(ctx) })
	t.Cleanup(func() { cancel(); h.Wait() })
	return m
}

// client is a client of its own each time: one that has seen a topic goes on to
// ask for it by its id.
func (m *mirror) client() *kgo.Client {
	m.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(m.e.cluster.Brokers...), kgo.DefaultProduceTopic("klines"), kgo.MetadataMinAge(20*time.Millisecond))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(cl.Close)
	return cl
}

// write puts n more bars on the topic, a minute each.
func (m *mirror) write(n int) {
	m.t.Helper()
	var recs []*kgo.Record
	for range n {
		m.wrote++
		at := int64(m.wrote) * 60_000
		value := fmt.Sprintf(`{"sym":"A","itv":"1m","t":%d,"T":%d,"o":"1","h":"1","l":"1","c":"%d","v":"1","qv":"1","n":1,"bv":"1","bqv":"1","vwap":"1","f":1,"L":2,"final":true,"rev":0,"seq":%d,"q":"trades","src":{"p":0,"o0":1,"o1":%d},"wm":%d,"ep":1}`,
			at, at+59_999, m.wrote, m.wrote, m.wrote, at+60_000)
		recs = append(recs, &kgo.Record{Value: []byte(value), Headers: []kgo.RecordHeader{
			{Key: "so", Value: strconv.AppendInt(nil, int64(m.wrote), 10)}, {Key: "sk", Value: []byte("0")},
		}})
	}
	if err := m.client().ProduceSync(m.t.Context(), recs...).FirstErr(); err != nil {
		m.t.Fatal(err)
	}
}

// holds waits until the view has exactly the bars of the minutes from to to.
func (m *mirror) holds(from, to int) {
	m.t.Helper()
	var want, got []string
	for i := from; i <= to; i++ {
		want = append(want, strconv.Itoa(i*60_000))
	}
	slices.Sort(want)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		fields, err := m.redis.HKeys("kl:{0a1b2c3d.0}:bar:1:A2:1m")
		if got = slices.Sorted(slices.Values(fields)); err == nil && slices.Equal(got, want) {
			return
		}
	}
	m.t.Fatalf("the view holds %d bars, want those of %d to %d; degraded: %v", len(got), from, to, m.degraded())
}

func (m *mirror) degraded() map[string]string {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	return maps.Clone(m.e.degraded)
}

// reports waits until the store is reported as away, or as fine.
func (m *mirror) reports(away bool) {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, got := m.degraded()["store"]; got == away {
			return
		}
	}
	m.t.Fatalf("degraded is %v, want the store away: %v", m.degraded(), away)
}

// because waits until the store is reported as away for a reason. A busy machine may
// find another one first.
func (m *mirror) because(reason string) {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(m.degraded()["store"], reason) {
			return
		}
	}
	m.t.Fatalf("degraded is %v, want the store away because of %q", m.degraded(), reason)
}

func TestFault_D01_RedisAwayIsReportedAndCaughtUp(t *testing.T) {
	m := newMirror(t)
	m.write(50)
	m.holds(1, 50)
	m.redis.SetError("LOADING Redis is loading the dataset in memory")
	m.because("LOADING")
	m.write(50)
	m.redis.SetError("")
	m.holds(1, 100)
	m.reports(false)
}

// While Redis was away retention went past its position: the follower must not
// seek there for ever, nor leave a hole.
func TestFault_D03_RetentionOvertakesTheView(t *testing.T) {
	m := newMirror(t)
	m.write(50)
	m.holds(1, 50)
	m.redis.SetError("LOADING Redis is loading the dataset in memory")
	m.reports(true)
	m.write(100)
	var cut kadm.Offsets
	cut.AddOffset("klines", 0, 100, -1)
	if err := first(m.adm.DeleteRecords(t.Context(), cut)); err != nil {
		t.Fatal(err)
	}
	m.redis.SetError("")
	m.holds(101, 150)
	m.reports(false)
	m.write(5)
	m.holds(101, 155)
}

func first(r kadm.DeleteRecordsResponses, err error) error {
	if err != nil {
		return err
	}
	return r.Error()
}

// A topic that was deleted and created again: the view's position is beyond its
// end, and what it holds is of another log.
func TestFault_D03_TopicIsCreatedAgain(t *testing.T) {
	m := newMirror(t)
	m.write(80)
	m.holds(1, 80)
	if err := one(m.adm.DeleteTopic(t.Context(), "klines")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.adm.CreateTopic(t.Context(), 1, 1, nil, "klines"); err != nil {
		t.Fatal(err)
	}
	m.wrote = 1000
	m.write(30)
	m.holds(1001, 1030)
	m.reports(false)
}

func one(r kadm.DeleteTopicResponse, err error) error {
	if err != nil {
		return err
	}
	return r.Err
}
