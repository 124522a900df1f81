package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// group is several engines on one broker in memory.
type group struct {
	*bed
	fake  *kfake.Cluster
	nodes []*Engine
}

func newGroup(t *testing.T, n int) *group {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "ticks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	g := &group{bed: &bed{t: t}, fake: fake}
	for i := range n {
		g.join(fmt.Sprint("n", i))
	}
	g.await("both nodes work", func() bool {
		for _, e := range g.nodes {
			if g.running(e) != 2/n {
				return false
			}
		}
		return true
	})
	return g
}

func (g *group) join(name string) {
	g.t.Helper()
	e, err := New(Config{
		Kafka:   &KafkaSource{Brokers: g.fake.ListenAddrs(), CreateTopics: true, SessionTimeout: 30 * time.Second},
		DataDir: g.t.TempDir(), Node: name, Indicators: newNativeHost(),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	if err := e.Start(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			g.t.Error(err)
		}
	})
	g.nodes, g.e = append(g.nodes, e), e
	g.await(name+" is ready", func() bool { ok, _ := e.Ready(); return ok })
}

// leave stops the newest node in good order.
func (g *group) leave() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := g.e.Stop(ctx); err != nil {
		g.t.Fatal(err)
	}
}

func (g *group) running(e *Engine) int {
	n := 0
	for _, p := range e.Status().Partitions {
		if p.State == StateRunning {
			n++
		}
	}
	return n
}

// open is the newest bar in progress of A on one node, of a week.
func (g *group) open(e *Engine) (n int) {
	g.t.Helper()
	return g.openOf(e, "1w")
}

func (g *group) openOf(e *Engine, interval string) (n int) {
	g.t.Helper()
	q, problem := e.Hub().ParseKlines(url.Values{"sym": {"A"}, "itv": {interval}, "limit": {"1"}}, 100)
	if problem != nil {
		g.t.Fatal(problem)
	}
	answer, err := e.Hub().Klines(g.t.Context(), q)
	if err != nil {
		g.t.Fatal(err)
	}
	var body struct {
		Bars []struct {
			N     int  `json:"n"`
			Final bool `json:"final"`
		} `json:"bars"`
	}
	if err := json.Unmarshal(answer.Body, &body); err != nil {
		g.t.Fatal(err)
	}
	for _, b := range body.Bars {
		if !b.Final {
			return b.N
		}
	}
	return 0
}

func TestEveryNodeShowsTheBarsInProgressOfAll(t *testing.T) {
	g := newGroup(t, 2)
	now := time.Now().UnixMilli()
	g.produce(trade(1, now-2000, "10"), trade(2, now, "11"))
	g.await("the first kline is followed", func() bool {
		for _, e := range g.nodes {
			if _, ok := e.Hub().PartitionOf("A"); !ok {
				return false
			}
		}
		return true
	})
	for i, e := range g.nodes {
		// The first read already, though nobody has looked before. It waits for another
		// node for a moment only, which a busy machine may use up: then it is the first
		// read of another series.
		shown := false
		for _, interval := range []string{"1w", "1d", "4h"} {
			began := time.Now()
			if shown = g.openOf(e, interval) > 0; shown || time.Since(began) < formingWait {
				break
			}
			t.Logf("node %d has waited %s for the first bar of %s", i, time.Since(began), interval)
		}
		if !shown {
			t.Errorf("node %d shows no bar in progress at the first read", i)
		}
	}
	g.produce(trade(3, now+1, "12"))
	for i, e := range g.nodes {
		g.await(fmt.Sprintf("node %d shows the third trade", i), func() bool { return g.open(e) == 3 })
	}
}

func TestASingleNodeWritesNoLiveBars(t *testing.T) {
	g := newGroup(t, 1)
	now := time.Now().UnixMilli()
	g.produce(trade(1, now-2000, "10"), trade(2, now, "11"))
	g.await("a bar in progress", func() bool { return g.open(g.e) > 0 })
	g.produce(trade(3, now+1, "12"))
	g.await("the third trade", func() bool { return g.open(g.e) == 3 })
	for p := range int32(2) {
		if _, end, err := kafka.Bounds(t.Context(), g.e.cluster, "klines.live", p); err != nil || end > 0 {
			t.Errorf("partition %d of klines.live holds %d records (%v)", p, end, err)
		}
	}
}

func TestARestartedNodeRepeatsNothing(t *testing.T) {
	g := newGroup(t, 1)
	base := time.Now().UnixMilli()/60_000*60_000 - 600_000
	for round := range 3 {
		var ts []string
		for i := range 50 {
			n := round*50 + i
			ts = append(ts, trade(n+1, base+int64(n)*1000, fmt.Sprint(100+n%7)))
		}
		g.produce(ts...)
		g.await("klines of the round", func() bool { return countKlines(g.allKlines(), `"itv":"1s"`) >= (round+1)*50-2 })
		old := g.e.current.Load()
		old.cancel(errKilled) // everything of this incarnation is gone
		g.await("the next one works", func() bool { return g.e.current.Load() != old && g.running(g.e) == 2 })
	}
	seen := map[string]int{}
	for _, r := range g.allKlines() {
		so, _ := r.Header("so")
		sk, _ := r.Header("sk")
		seen[fmt.Sprint(string(r.Key), string(so), ".", string(sk))]++
	}
	for at, n := range seen {
		if n > 1 {
			t.Errorf("%s is committed %d times", at, n)
		}
	}
}

func (g *group) allKlines() []kafka.Rec {
	g.t.Helper()
	var recs []kafka.Rec
	for p := range int32(2) {
		start, end, err := kafka.Bounds(g.t.Context(), g.e.cluster, "klines", p)
		if err != nil {
			g.t.Fatal(err)
		}
		if err := kafka.ReadRange(g.t.Context(), g.e.cluster, "klines", p, start, end, func(r kafka.Rec) bool { recs = append(recs, r); return true }); err != nil {
			g.t.Fatal(err)
		}
	}
	return recs
}

func TestBrokersThatRefuseTransactionsAreNamed(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "ticks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed})
	e, err := New(Config{
		Kafka: &KafkaSource{Brokers: fake.ListenAddrs(), CreateTopics: true}, DataDir: t.TempDir(), Node: "n", Indicators: newNativeHost(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, e: e}
	t.Cleanup(b.stop)
	b.await("a sentence that says what to do", func() bool {
		ready, why := e.Ready()
		return !ready && strings.Contains(strings.Join(why, "; "), "`delivery idempotent`")
	})
}

// retain removes every record of a topic, as a retention does in the end.
func (g *group) retain(topic string) {
	g.t.Helper()
	for p := range int32(2) {
		_, end, err := kafka.Bounds(g.t.Context(), g.e.cluster, topic, p)
		if err == nil {
			err = g.fake.DeleteRecords(topic, p, end)
		}
		if err != nil {
			g.t.Fatal(err)
		}
	}
}

// TestANodeRestartsWhenRetentionHasEmptiedAnInputWithTransactions: behind the last trade
// of a producer with transactions stands a marker, which is no record.
func TestANodeRestartsWhenRetentionHasEmptiedAnInputWithTransactions(t *testing.T) {
	g := newGroup(t, 1)
	cl, err := kgo.NewClient(kgo.SeedBrokers(g.fake.ListenAddrs()...), kgo.TransactionalID("trades"), kgo.DefaultProduceTopic("ticks"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	send := func(id int, ts int64) {
		t.Helper()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte("A"), Value: []byte(trade(id, ts, "5"))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	base := time.Now().UnixMilli() - 60_000
	send(1, base)
	send(2, base+5000)
	next := func() (n int64) {
		for _, p := range g.e.Status().Partitions {
			n = max(n, p.Next)
		}
		return n
	}
	g.await("both trades", func() bool { return next() == 3 }) // at 0 and 2, behind each a marker
	g.leave()
	g.retain("ticks")
	g.join("n0")
	g.await("both partitions work again", func() bool { return g.running(g.e) == 2 })
	send(3, base+10_000)
	g.await("the third trade", func() bool { return next() == 5 })
	bars := func() int { return countKlines(g.allKlines(), `"itv":"1s"`) }
	// It closes the bar before it, and its own is closed by the clock, sooner or later.
	g.await("the bars of all trades", func() bool { return bars() >= 3 })
	if n := bars(); n != 3 {
		t.Errorf("%d bars of a second are published, want 3", n)
	}
}

func TestANodeRestartsWhenRetentionHasEmptiedTheJournal(t *testing.T) {
	g := newGroup(t, 1)
	now := time.Now().UnixMilli()
	g.produce(trade(1, now-1500, "5"), trade(2, now-400, "6"))
	ends := map[int32]int64{}
	g.await("a decision about the quiet symbol", func() bool {
		for p := range int32(2) {
			_, end, err := kafka.Bounds(t.Context(), g.e.cluster, "journal", p)
			if err != nil {
				t.Fatal(err)
			}
			ends[p] = end
		}
		return ends[0]+ends[1] > 0
	})
	g.leave()
	g.retain("journal")
	g.join("n0")
	g.await("both partitions work again", func() bool { return g.running(g.e) == 2 })
}
