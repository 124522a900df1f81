package history

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

const testPartitions = 2

// bed is a broker in memory with the two topics, and an engine that follows.
type bed struct {
	t      *testing.T
	client *kgo.Client
	engine Engine

	mu      sync.Mutex // protects the rest
	owned   map[int32]bool
	letters []kafka.TradeRecord
	deaf    bool // the dead-letter topic does not answer
	away    map[string]string
	counts  map[string]int
}

func newBed(t *testing.T) *bed {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(testPartitions, "ticks", "klines"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := &bed{t: t, client: client, owned: map[int32]bool{0: true, 1: true}, away: map[string]string{}, counts: map[string]int{}}
	b.engine = Engine{
		Cluster: kafka.Cluster{Brokers: fake.ListenAddrs()}, Topics: [2]string{"ticks", "klines"}, Partitions: testPartitions, Layout: "m1",
		Owns: func(p int32) bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.owned[p]
		},
		DeadLetter: b.letter,
		Away: func(what string, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.away[what] = err.Error()
		},
		Back: func(what string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.away, what)
		},
	}
	return b
}

func (b *bed) letter(_ context.Context, letters []kafka.TradeRecord) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deaf {
		return errDown
	}
	b.letters = append(b.letters, letters...)
	return nil
}

// own makes the partitions those of this node.
func (b *bed) own(ps ...int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.owned)
	for _, p := range ps {
		b.owned[p] = true
	}
}

func (b *bed) hear(deaf bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaf = deaf
}

func (b *bed) degraded() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.away)
}

func (b *bed) count(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[what]
}

func (b *bed) add(what string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[what] += n
}

// The bed is the observer.
func (*bed) Sink(string, int32, int64)           {}
func (b *bed) SinkError(_ string, reason string) { b.add("error "+reason, 1) }
func (b *bed) SinkRewind(string)                 { b.add("rewind", 1) }
func (b *bed) HistoryRows(_ string, n int)       { b.add("rows", n) }
func (b *bed) HistoryRefused(_ string, n int)    { b.add("refused", n) }
func (b *bed) HistoryLost(_ string, n int64)     { b.add("lost", int(n)) }
func (b *bed) Panicked(string)                   { b.add("panic", 1) }
func (b *bed) Info(string, ...any)               {}
func (b *bed) Warn(msg string, kv ...any)        { b.t.Log(msg, kv) }
func (b *bed) Error(msg string, kv ...any)       { b.t.Log(msg, kv) }
func (b *bed) config(s Stream, d *database) Config {
	return Config{Name: "test", Streams: []Stream{s}, Open: d.sink, MaxRows: 64, Linger: 5 * time.Millisecond, Observer: b, Log: b}
}

// run runs a follower until the end of the test, or until the function returned
// is called.
func (b *bed) run(cfg Config) (f *Follower, stop func()) {
	f = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { f.Run(ctx, b.engine) })
	stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	b.t.Cleanup(stop)
	return f, stop
}

// trades produces n trades, by turns into the partitions.
func (b *bed) trades(from, n int) {
	b.t.Helper()
	var recs []*kgo.Record
	for i := from; i < from+n; i++ {
		recs = append(recs, &kgo.Record{Topic: "ticks", Partition: int32(i % testPartitions),
			Value: fmt.Appendf(nil, `{"symbol":"BTCUSDT","price":"60000.5","size":"0.1","ts":%d,"id":%d}`, 1_700_000_000_000+i, i)})
	}
	b.produce(recs...)
}

func (b *bed) produce(recs ...*kgo.Record) {
	b.t.Helper()
	if err := b.client.ProduceSync(b.t.Context(), recs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// holds waits until the database has n rows, none twice.
func (b *bed) holds(d *database, n int) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("%d rows", n), func() bool {
		got, _ := d.stored()
		return got >= n
	})
	time.Sleep(20 * time.Millisecond) // what comes too much comes now
	if got, twice := d.stored(); got != n || len(twice) > 0 {
		b.t.Errorf("the database holds %d rows, want %d; %d of them twice: %.200s", got, n, len(twice), strings.Join(twice, " "))
	}
}

func (b *bed) eventually(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.t.Fatalf("waiting for %s: not after a minute; the follower says %v", what, b.away)
		}
	}
}

// cut deletes the records below offset of all partitions of the input.
func (b *bed) cut(offset int64) {
	b.t.Helper()
	offsets := kadm.Offsets{}
	for p := range int32(testPartitions) {
		offsets.Add(kadm.Offset{Topic: "ticks", Partition: p, At: offset})
	}
	if _, err := kadm.NewClient(b.client).DeleteRecords(b.t.Context(), offsets); err != nil {
		b.t.Fatal(err)
	}
}
