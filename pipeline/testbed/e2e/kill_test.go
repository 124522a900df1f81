package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/load"
)

// kills is how often the node is killed. KLINE_KILLS asks for more.
func kills(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("KLINE_KILLS"))
	if err != nil || n <= 0 {
		return 20
	}
	return n
}

// flow produces made-up trades of now until it is stopped. It never gives a
// trade up: what was not acknowledged is sent again.
type flow struct {
	acked atomic.Int64
	hold  atomic.Bool // nothing is sent while it is set
	stop  context.CancelFunc
	done  sync.WaitGroup
	err   error
}

func startFlow(t *testing.T, b *bed, rate float64, seed uint64) *flow {
	t.Helper()
	return startFlowOf(t, b, 5, rate, seed)
}

func startFlowOf(t *testing.T, b *bed, symbols int, rate float64, seed uint64) *flow {
	t.Helper()
	gen, err := load.New(load.Config{
		Symbols: symbols, Rate: rate, Count: 1 << 40, StartMS: time.Now().UnixMilli(), DisorderMS: 300, Repeats: 0.02, Seed: seed,
	})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(b.place.brokers(), ",")...), kgo.DefaultProduceTopic(b.place.topic("ticks")),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		// A broker that comes back within 5 s of the last look at its metadata
		// would get no trade for the rest of them: the clock closes the bars, and
		// seconds of late trades restate them at once.
		kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &flow{stop: cancel}
	f.done.Go(func() {
		defer cl.Close()
		f.err = f.run(ctx, cl, gen)
	})
	t.Cleanup(func() { cancel(); f.done.Wait() })
	return f
}

func (f *flow) run(ctx context.Context, cl *kgo.Client, gen *load.Generator) error {
	for ctx.Err() == nil {
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
		for f.hold.Load() && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		f.send(cl, &kgo.Record{Key: []byte(trade.Symbol), Value: trade.AppendJSON(nil)})
	}
	flush, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return cl.Flush(flush)
}

// send repeats a record until it is acknowledged; the id makes it one trade.
func (f *flow) send(cl *kgo.Client, r *kgo.Record) {
	cl.Produce(context.Background(), r, func(r *kgo.Record, err error) {
		switch {
		case err == nil:
			f.acked.Add(1)
		case errors.Is(err, kgo.ErrClientClosed):
		default:
			f.send(cl, &kgo.Record{Key: r.Key, Value: r.Value})
		}
	})
}

// killed kills the node at random moments while trades flow, and holds topic,
// REST and streams against the oracle at the end.
func killed(t *testing.T, newPlace func() place) {
	b := start(t, newPlace(), "")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	streams := []*client{
		stream(t, b, "s=S0000,S0001@1s,1m:kline,ema(20)", nil),
		stream(t, b, "s=S0002,S0003,S0004@1s:kline", nil),
	}
	f := startFlow(t, b, 400, seed)
	for i := range kills(t) {
		time.Sleep(time.Duration(200+r.IntN(2300)) * time.Millisecond)
		b.kill()
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
		}
		b.node.Restart()
		if i%3 != 2 {
			b.ready()
		}
	}
	b.ready()
	time.Sleep(3 * time.Second)
	f.stop()
	f.done.Wait()
	if f.err != nil {
		t.Errorf("flushing the producer: %v", f.err)
	}
	b.settle(time.Minute)
	// Whatever is still open of the seconds is closed by the clock.
	time.Sleep(5 * time.Second)
	l := b.check(allIntervals, false, streams...)
	ids := map[string]bool{}
	for _, tr := range l.input.Trades {
		ids[tr.Symbol+fmt.Sprint(tr.ID)] = true
	}
	if got := int64(len(l.input.Trades)); got < f.acked.Load() {
		t.Errorf("the topic holds %d records of trades, %d were acknowledged", got, f.acked.Load())
	}
	t.Logf("%d records acknowledged, %d trades on the topic, %d kills", f.acked.Load(), len(ids), kills(t))
}

func TestEmbeddedKilledAnywhereEqualsTheOracle(t *testing.T) {
	t.Parallel()
	killed(t, func() place { return newEmbedded(t, 2) })
}

func TestServersKilledAnywhereEqualsTheOracle(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	for _, delivery := range []string{"transactional", "idempotent"} {
		t.Run(delivery, func(t *testing.T) {
			t.Parallel()
			killed(t, func() place {
				p := s.place(3)
				p.delivery = delivery
				return p
			})
		})
	}
}
