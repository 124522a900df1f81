package pipeline

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Feed produces trades into the input topic until its context ends.
type Feed interface {
	// Name is the source of its trades, unique.
	Name() string
	// Run sends trades to the topic. It returns nil when it has nothing more to
	// send, and an error when it cannot go on.
	Run(ctx context.Context, out feed.Topic) error
}

// reporter is a feed that tells more of itself than its trades.
type reporter interface{ Report() feed.Report }

// States of a feed in the status.
const (
	feedRunning = "running"
	feedEnded   = "ended"
	feedFailed  = "failed"
)

// feedGrace is how long a feed that was told to stop may finish its last send.
const feedGrace = 2 * time.Second

// attachedFeed is a feed that the engine runs.
type attachedFeed struct {
	e      *Engine
	feed   Feed
	cancel context.CancelFunc
	handle *safego.Handle

	mu    sync.Mutex // protects state, err, sent
	state string
	err   string
	sent  int64
}

// Attach runs f while the engine runs and until detach is called, which waits
// for it. A feed that fails is degraded, nothing else stops.
func (e *Engine) Attach(f Feed) (detach func()) {
	a := &attachedFeed{e: e, feed: f, state: feedEnded}
	e.mu.Lock()
	e.feeds = append(e.feeds, a)
	if e.running {
		e.startFeed(a)
	}
	e.mu.Unlock()
	return func() {
		e.mu.Lock()
		for i := range e.feeds {
			if e.feeds[i] == a {
				e.feeds = append(e.feeds[:i:i], e.feeds[i+1:]...)
				break
			}
		}
		e.mu.Unlock()
		if a.cancel != nil {
			a.cancel()
			a.handle.Wait()
		}
		e.heal("feed " + f.Name())
	}
}

// startFeed runs a in a goroutine of its own. The caller holds e.mu.
func (e *Engine) startFeed(a *attachedFeed) {
	ctx, cancel := context.WithCancel(e.ctx)
	a.cancel = cancel
	a.handle = safego.Go("feed", func(err error) {
		e.cfg.Observer.Panicked("feed")
		a.ended(err)
	}, func() { a.run(ctx) })
}

func (a *attachedFeed) run(ctx context.Context) {
	layout, ok := a.e.found(ctx)
	if !ok {
		return
	}
	cfg := kafka.ProducerConfig{Cluster: a.e.cluster, Topic: a.e.topics.Input}
	if m := a.e.cfg.Embedded; m != nil && m.Sync {
		cfg.Linger = 10 * time.Millisecond // each batch costs an fsync
	}
	p, err := kafka.NewProducer(cfg)
	if err != nil {
		a.ended(err)
		return
	}
	closeProducer := sync.OnceFunc(p.Close)
	defer closeProducer()
	returned, done := context.WithCancel(context.Background())
	defer done()
	defer context.AfterFunc(ctx, func() {
		// A send under way cannot be taken back: with the brokers away only
		// the end of its client ends it.
		if a.e.pause(returned, feedGrace) {
			closeProducer()
		}
	})()
	a.mu.Lock()
	a.state = feedRunning
	a.mu.Unlock()
	err = a.feed.Run(ctx, &topicWriter{a: a, producer: p, n: layout.N, shared: a.e.sharing.get(a.e, layout)})
	if ctx.Err() != nil {
		return
	}
	a.ended(err)
}

func (a *attachedFeed) ended(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = feedEnded
	if err == nil {
		return
	}
	a.state, a.err = feedFailed, err.Error()
	a.e.cfg.Log.Error("a feed ended", "source", a.feed.Name(), "error", err)
	a.e.degrade("feed "+a.feed.Name(), err)
}

func (a *attachedFeed) status() FeedStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := FeedStatus{Source: a.feed.Name(), State: a.state, Trades: a.sent, Error: a.err}
	if r, ok := a.feed.(reporter); ok {
		report := r.Report()
		s.Report = &report
	}
	return s
}

// topicWriter is the input topic as a feed sees it.
type topicWriter struct {
	a        *attachedFeed
	producer *kafka.Producer
	n        int32
	shared   feed.Shared
}

// Write sends recs and waits for all acknowledgements.
func (t *topicWriter) Write(ctx context.Context, recs []feed.Record) error {
	out := make([]kafka.TradeRecord, len(recs))
	trades := int64(0)
	for i := range recs {
		r := &recs[i]
		out[i] = kafka.TradeRecord{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
		for _, h := range r.Headers {
			out[i].Headers = append(out[i].Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		if r.Partition != feed.Keyed {
			out[i].Explicit, out[i].Partition = true, r.Partition
			continue
		}
		trades++
	}
	if err := t.producer.Send(ctx, out); err != nil {
		return err
	}
	t.a.mu.Lock()
	t.a.sent += trades
	t.a.mu.Unlock()
	return nil
}

// LastTrade reads the partition of the symbol backwards.
func (t *topicWriter) LastTrade(ctx context.Context, symbol string) (id, eventMS int64, found bool, err error) {
	dec := wire.NewDecoder(nil)
	var trades []core.Trade
	p := kafka.PartitionOf([]byte(symbol), t.n)
	_, found, err = kafka.LastRecord(ctx, t.a.e.cluster, t.a.e.topics.Input, p, func(r *kafka.Rec) bool {
		if string(r.Key) != symbol {
			return false
		}
		var bad error
		trades, bad = dec.Decode(r.Value, trades[:0])
		var rejected *wire.RejectError
		if errors.As(bad, &rejected) || len(trades) == 0 {
			return false
		}
		last := &trades[len(trades)-1]
		if last.ID.Kind != core.IDInt {
			return false
		}
		id, eventMS = last.ID.Num, last.EventNS/1e6
		return true
	})
	return id, eventMS, found, err
}

// Partitions is the number of partitions of the input.
func (t *topicWriter) Partitions() int32 { return t.n }

// lookback is how many records of a partition are searched for a symbol's last
// trade. A symbol that was quiet for longer begins at the venue's newest page.
const lookback = 4 << 20

// LastTrades reads each partition backwards once.
func (t *topicWriter) LastTrades(ctx context.Context, source string, symbols []string) (map[string]feed.LastTrade, error) {
	parts := map[int32]map[string]bool{}
	for _, s := range symbols {
		p := kafka.PartitionOf([]byte(s), t.n)
		if parts[p] == nil {
			parts[p] = map[string]bool{}
		}
		parts[p][s] = true
	}
	out := make(map[string]feed.LastTrade, len(symbols))
	for p, wanted := range parts {
		found, err := kafka.LastRecords(ctx, t.a.e.cluster, t.a.e.topics.Input, p, len(wanted), lookback, func(r *kafka.Rec) string {
			if src, _ := r.Header(wire.HeaderSource); string(src) != source || !wanted[string(r.Key)] {
				return ""
			}
			return string(r.Key)
		})
		if err != nil {
			return nil, err
		}
		dec := wire.NewDecoder(nil)
		for symbol, r := range found {
			trades, err := dec.Decode(r.Value, nil)
			if err != nil || len(trades) == 0 || trades[len(trades)-1].Reject != core.ReasonNone {
				continue
			}
			last := trades[len(trades)-1]
			out[symbol] = feed.LastTrade{ID: last.ID, EventNS: last.EventNS}
		}
	}
	return out, nil
}

// Shared is what the nodes of this topic share.
func (t *topicWriter) Shared() feed.Shared { return t.shared }

// SpillDir is the folder for what the topic does not take.
func (t *topicWriter) SpillDir() string { return filepath.Join(t.a.e.cfg.DataDir, "spill") }

var _ feed.Topic = (*topicWriter)(nil)
