package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// bed is an engine on an embedded broker in a folder of the test.
type bed struct {
	t   *testing.T
	dir string
	e   *Engine

	more func(*Config)
	tail int64 // 0: the default
	// takes is what is asked for the health of the broker; nil: the broker.
	takes func() error
}

func newBed(t *testing.T) *bed { return newBedOf(t, func(*Config) {}) }

func newBedOf(t *testing.T, more func(*Config)) *bed {
	b := &bed{t: t, dir: t.TempDir(), more: more}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *bed) start() {
	b.t.Helper()
	var log Logger
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	cfg := Config{
		Embedded: &EmbeddedSource{Listen: "127.0.0.1:0"}, DataDir: b.dir, Node: "n1", Indicators: newNativeHost(), Log: log,
	}
	b.more(&cfg)
	e, err := New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.tail > 0 {
		e.tail = b.tail
	}
	e.takes = b.takes
	if err := e.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.e = e
	b.await("ready", func() bool { ok, _ := e.Ready(); return ok })
}

func (b *bed) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.e.Stop(ctx); err != nil {
		b.t.Error(err)
	}
}

func (b *bed) await(what string, ok func() bool) {
	b.t.Helper()
	const limit = time.Minute // no more than a guard: a busy machine takes its time
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	_, why := b.e.Ready()
	b.t.Fatalf("waited %s for %s; not ready because: %v, status %+v", limit, what, why, b.e.Status())
}

func (b *bed) produce(values ...string) {
	b.t.Helper()
	p, err := kafka.NewProducer(kafka.ProducerConfig{Cluster: b.e.cluster, Topic: "ticks"})
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Close()
	var recs []kafka.TradeRecord
	for _, v := range values {
		recs = append(recs, kafka.TradeRecord{Key: []byte("A"), Value: []byte(v)})
	}
	if err := p.Send(b.t.Context(), recs); err != nil {
		b.t.Fatal(err)
	}
}

// topic reads an output topic whole.
func (b *bed) topic(kind kafka.TopicKind) []kafka.Rec {
	b.t.Helper()
	ctx := b.t.Context()
	start, end, err := kafka.Bounds(ctx, b.e.cluster, b.e.topics.Name(kind), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	var recs []kafka.Rec
	err = kafka.ReadRange(ctx, b.e.cluster, b.e.topics.Name(kind), 0, start, end, func(r kafka.Rec) bool {
		recs = append(recs, r)
		return true
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return recs
}

func trade(id int, ts int64, price string) string {
	return fmt.Sprintf(`{"symbol":"A","price":%q,"size":"2","ts":%d,"id":%d,"side":"buy"}`, price, ts, id)
}

func TestTradesBecomeKlinesWithValuesOnTheTopic(t *testing.T) {
	b := newBed(t)
	now := time.Now().UnixMilli()
	base := now - now%60_000 - 300_000
	var ts []string
	for i := range 240 {
		ts = append(ts, trade(i+1, base+int64(i)*1000, fmt.Sprintf("%d.5", 100+i)))
	}
	ts = append(ts, ts[0], `{"symbol":"A"}`, `garbage`)
	b.produce(ts...)
	b.await("the last closed second", func() bool { return len(b.topic(kafka.Klines)) >= 239+3 })
	var k wire.KlineRecord
	found := false
	for _, r := range b.topic(kafka.Klines) {
		if err := wire.DecodeKline(r.Value, &k); err != nil {
			t.Fatalf("%s: %v", r.Value, err)
		}
		if k.Itv == "1m" && k.T == base+60_000 {
			found = true
			if string(k.O) != "160.5" || string(k.C) != "219.5" || string(k.V) != "120" || k.N != 60 || len(k.Ind) != 2 {
				t.Errorf("the second minute is %s", r.Value)
			}
		}
	}
	if !found {
		t.Error("the second minute was not closed")
	}
	b.await("dead letters", func() bool { return len(b.topic(kafka.DLQ)) == 2 })
	inc := b.e.current.Load()
	workers, _ := inc.snapshot()
	b.await("counters", func() bool { _, c := workers[0].status.read(); return c.Duplicate == 1 && c.Applied == 240 })
}

func TestANodeWithoutAViewPublishesAndIsReady(t *testing.T) {
	b := newBedOf(t, func(c *Config) { c.NoView = true })
	now := time.Now().UnixMilli() / 1000 * 1000
	b.produce(trade(1, now-9000, "100"), trade(2, now-5000, "101"))
	b.await("a closed second", func() bool { return len(b.topic(kafka.Klines)) > 0 })
	if b.e.Hub().Ready() {
		t.Error("a hub that follows nothing says that it was loaded")
	}
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	b := newBed(t)
	now := time.Now().UnixMilli()
	base := now - now%60_000 - 600_000
	for round := range 4 {
		var ts []string
		for i := range 50 {
			n := round*50 + i
			ts = append(ts, trade(n+1, base+int64(n)*1000, fmt.Sprint(100+n%7)))
		}
		b.produce(ts...)
		want := (round+1)*50 - 2
		b.await("klines of the round", func() bool { return countKlines(b.topic(kafka.Klines), `"itv":"1s"`) >= want })
		b.stop()
		b.start()
	}
	seen := map[string]int{}
	for _, r := range b.topic(kafka.Klines) {
		so, _ := r.Header(wire.HeaderOffset)
		sk, _ := r.Header(wire.HeaderOrdinal)
		seen[string(so)+"."+string(sk)]++
	}
	for at, n := range seen {
		if n > 1 {
			t.Errorf("position %s was written %d times after clean stops", at, n)
		}
	}
}

func countKlines(recs []kafka.Rec, part string) int {
	n := 0
	for _, r := range recs {
		if strings.Contains(string(r.Value), part) {
			n++
		}
	}
	return n
}

func TestAQuietSymbolIsClosedByADecision(t *testing.T) {
	b := newBed(t)
	now := time.Now().UnixMilli()
	b.produce(trade(1, now-3000, "5"), trade(2, now, "6"))
	b.await("the second of the last trade", func() bool { return countKlines(b.topic(kafka.Klines), `"itv":"1s"`) == 2 })
	if n := len(b.topic(kafka.Journal)); n < 2 {
		t.Errorf("the journal holds %d records, want the start and an idle decision", n)
	}
}

// attempts counts restores, and attempts that ended before one.
type attempts struct {
	nopObserver
	restored, failed atomic.Int64
}

func (a *attempts) Restored(int32, time.Duration, int64) { a.restored.Add(1) }

func (a *attempts) Warn(msg string, _ ...any) {
	if msg == "the topics are not to be had, trying again" {
		a.failed.Add(1)
	}
}

func (a *attempts) Debug(string, ...any) {}
func (a *attempts) Info(string, ...any)  {}
func (a *attempts) Error(string, ...any) {}

// A node whose klines somebody deleted took its partitions again and again, and looked
// ready in between.
func TestADeletedTopicKeepsANodeFromBeingReady(t *testing.T) {
	a := &attempts{}
	b := newBedOf(t, func(c *Config) { c.Observer, c.Log = a, a })
	adm, err := kgo.NewClient(kgo.SeedBrokers(b.e.cluster.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adm.Close)
	if err := one(kadm.NewClient(adm).DeleteTopic(t.Context(), "klines")); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli() / 1000 * 1000
	b.produce(trade(1, now-9000, "100"), trade(2, now-5000, "101"))
	b.await("the sentence", func() bool {
		return strings.Contains(strings.Join(b.e.Status().Degraded, "\n"),
			"source: looking for the topics: deleted while the node ran: klines; a restart of the node creates what is missing again, empty")
	})
	restored, failed := a.restored.Load(), a.failed.Load()
	b.await("two more attempts", func() bool { return a.failed.Load() >= failed+2 })
	if ok, _ := b.e.Ready(); ok || a.restored.Load() != restored {
		t.Errorf("ready %v, %d more restores, with nowhere to write to", ok, a.restored.Load()-restored)
	}
	b.stop()
	b.start()
	b.await("klines in the new topic", func() bool { return len(b.topic(kafka.Klines)) > 0 })
}

// The clients of a broker whose disk is full are told of an unknown error.
func TestADiskThatIsFullIsTheReasonNotToBeReady(t *testing.T) {
	var full atomic.Bool
	b := &bed{t: t, dir: t.TempDir(), more: func(*Config) {}, takes: func() error {
		if full.Load() {
			return errors.New("the disk of the embedded broker is full")
		}
		return nil
	}}
	b.start()
	t.Cleanup(b.stop)
	full.Store(true)
	b.await("the reason", func() bool {
		ok, why := b.e.Ready()
		return !ok && slices.Equal(why, []string{"the disk of the embedded broker is full"}) &&
			slices.Equal(b.e.Status().Degraded, []string{"broker: the disk of the embedded broker is full"})
	})
	full.Store(false)
	b.await("a disk with room", func() bool { ok, _ := b.e.Ready(); return ok })
}
