package feed

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// log is an input topic in memory.
type log struct {
	dir    string
	shared Shared

	mu      sync.Mutex // protects the rest
	records []Record
	away    bool
}

func newLog(t *testing.T) *log { return &log{dir: t.TempDir(), shared: NewMemory(clock.Real())} }

func (l *log) Write(ctx context.Context, recs []Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away || ctx.Err() != nil {
		return errors.New("no broker")
	}
	l.records = append(l.records, recs...)
	return nil
}

func (l *log) set(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

func (*log) LastTrade(context.Context, string) (int64, int64, bool, error) {
	return 0, 0, false, errors.New("a live feed asks for its own trades alone")
}

func (l *log) LastTrades(_ context.Context, source string, symbols []string) (map[string]LastTrade, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]LastTrade{}
	for i := range l.records {
		r := &l.records[i]
		if header(r, wire.HeaderSource) != source || !slices.Contains(symbols, string(r.Key)) {
			continue
		}
		trades, err := wire.NewDecoder(nil).Decode(r.Value, nil)
		if err != nil || len(trades) != 1 {
			return nil, errors.New("a record of the feed cannot be read")
		}
		out[string(r.Key)] = LastTrade{ID: trades[0].ID, EventNS: trades[0].EventNS}
	}
	return out, nil
}

func (*log) Partitions() int32  { return 2 }
func (l *log) Shared() Shared   { return l.shared }
func (l *log) SpillDir() string { return l.dir }

func header(r *Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// ids are the trade ids of a symbol in the order of the log.
func (l *log) ids(symbol string) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []int64
	for i := range l.records {
		if string(l.records[i].Key) == symbol {
			var t struct{ ID int64 }
			_ = json.Unmarshal(l.records[i].Value, &t)
			out = append(out, t.ID)
		}
	}
	return out
}

// beats are the heartbeats of the log.
func (l *log) beats() (out []core.Heartbeat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.records {
		if header(&l.records[i], wire.HeaderKind) == wire.KindHeartbeat {
			hb, _ := wire.DecodeHeartbeat(l.records[i].Value)
			out = append(out, hb)
		}
	}
	return out
}

// runs a feed until the test, or the returned function, ends it.
func runs(t *testing.T, run func(context.Context, Topic) error, out Topic) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, out) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the feed ended: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the feed does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// within waits for something to become true.
func within(t *testing.T, what string, true func() bool) {
	t.Helper()
	const limit = time.Minute
	for end := time.Now().Add(limit); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// counts is an Observer that adds up.
type counts struct {
	mu                    sync.Mutex
	trades                int
	errors, gaps, refused map[string]int64
}

func newCounts() *counts {
	return &counts{errors: map[string]int64{}, gaps: map[string]int64{}, refused: map[string]int64{}}
}

func (c *counts) FeedTrades(_ string, n int)   { c.mu.Lock(); defer c.mu.Unlock(); c.trades += n }
func (c *counts) FeedError(_, r string)        { c.mu.Lock(); defer c.mu.Unlock(); c.errors[r]++ }
func (c *counts) FeedGap(_, k string, n int64) { c.mu.Lock(); defer c.mu.Unlock(); c.gaps[k] += n }
func (c *counts) FeedRefused(_, r string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[r] += int64(n)
}
func (*counts) FeedSpill(string, int64) {}

// counted is how many trades were counted. A trade is counted once it is delivered: it
// is on the topic before.
func (c *counts) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trades
}

func (c *counts) of(m map[string]int64, k string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m[k]
}

func upTo(from, to int64) []int64 {
	var out []int64
	for id := from; id <= to; id++ {
		out = append(out, id)
	}
	return out
}
