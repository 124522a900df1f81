//go:build synctests

package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

const (
	inputTopic = "ticks"
	group      = "caddy-kline"
	// sessionTimeout is short, so that a node that is gone for good is noticed
	// within a seed.
	sessionTimeout = 8 * time.Second
	// stopTime is what an engine may take to stop, also when nothing answers.
	stopTime = 5 * time.Minute
)

// node is one process: an engine behind a network of its own.
type node struct {
	name    string
	engine  *pipeline.Engine
	link    *link
	watch   *watch
	stopped chan error // one value when the engine has ended
}

// engineConfig are the rules of all nodes. The replay takes them too.
func engineConfig() pipeline.Config {
	return pipeline.Config{
		Intervals: intervals(), NoView: true,
		WatermarkDelay: 500 * time.Millisecond, IdleTimeout: 2 * time.Second, IdleDelay: time.Second,
		MaxFuture: 5 * time.Second, AllowedLateness: 10 * time.Second,
	}
}

func intervals() []core.Interval {
	var itvs []core.Interval
	for _, name := range []string{"1s", "5s", "15s"} {
		itv, err := core.ParseInterval(name)
		if err != nil {
			panic(err)
		}
		itvs = append(itvs, itv)
	}
	return itvs
}

// startNode starts a process called name.
func (w *world) startNode(name string) *node {
	n := &node{name: name, link: newLink(&w.network, w.tally), watch: newWatch(w, name), stopped: make(chan error, 1)}
	cfg := engineConfig()
	cfg.Node, cfg.Observer, cfg.Log = name, n.watch, n.watch
	cfg.Kafka = &pipeline.KafkaSource{
		Brokers: w.brokers(), Topic: inputTopic, Group: group, CreateTopics: true,
		Idempotent: w.plan.idempotent, SessionTimeout: sessionTimeout, Dial: n.link.dial,
	}
	e, err := pipeline.New(cfg)
	if err == nil {
		err = e.Start(context.Background())
	}
	if err != nil {
		w.t.Fatalf("starting node %s: %v", name, err)
	}
	n.engine = e
	w.ran = append(w.ran, n)
	return n
}

// stop ends the process in good order.
func (n *node) stop() {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := n.engine.Stop(ctx); err != nil {
			n.stopped <- fmt.Errorf("node %s does not stop: %w", n.name, err)
			return
		}
		n.stopped <- nil
	}()
}

// kill ends the process for everybody else. What is left of it in memory hears
// of it when nothing answers any more.
func (n *node) kill() {
	n.link.cut()
	n.stop()
}

// watch is what a node tells: counters for the checks, its log for the report of
// a failed seed.
type watch struct {
	w    *world
	name string

	mu       sync.Mutex // protects counters
	counters map[int32]core.Counters
}

func newWatch(w *world, name string) *watch {
	return &watch{w: w, name: name, counters: map[int32]core.Counters{}}
}

// Counters keeps the newest totals of p.
func (o *watch) Counters(p int32, c core.Counters) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counters[p] = c
}

func (o *watch) of(p int32) core.Counters {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counters[p]
}

// Panicked is what must never happen.
func (o *watch) Panicked(name string) {
	o.w.t.Errorf("a goroutine of node %s ended in a panic: %s", o.name, name)
}

// Stalled is what the watchdog found: counted, since the restart heals it.
func (o *watch) Stalled(p int32) {
	o.w.tally.hit("watchdog", 1)
	o.w.trace.add(o.name, "STALLED", "partition", p)
}

// Restored counts restores.
func (o *watch) Restored(int32, time.Duration, int64) { o.w.tally.hit("restores", 1) }

// Journal counts decisions by what became of them.
func (o *watch) Journal(result string, _ time.Duration) { o.w.tally.hit("journal: "+result, 1) }

// Partition counts partitions that failed.
func (o *watch) Partition(_ int32, s pipeline.PartitionState) {
	if s == pipeline.StateFailed {
		o.w.tally.hit("failed partitions", 1)
	}
}

// CommitError counts commits that failed outside of transactions.
func (o *watch) CommitError(reason string) { o.w.tally.hit("offset commit "+reason, 1) }

// Transaction counts transactions by how they ended.
func (o *watch) Transaction(result string, _ time.Duration) { o.w.tally.hit("transactions "+result, 1) }

func (*watch) Klines(string, string, int)           {}
func (*watch) Lag(int32, int64, time.Duration)      {}
func (*watch) Watermark(int32, time.Duration)       {}
func (*watch) Checkpoint(int32, int, time.Duration) {}
func (*watch) Published(int32, time.Duration)       {}
func (*watch) Moved(int32)                          {}
func (*watch) Queue(int32, int, bool)               {}
func (*watch) Sink(string, int32, int64)            {}
func (*watch) SinkError(string, string)             {}
func (*watch) SinkRewind(string)                    {}
func (*watch) FeedTrades(string, int)               {}
func (*watch) FeedError(string, string)             {}
func (*watch) FeedGap(string, string, int64)        {}
func (*watch) FeedRefused(string, string, int)      {}
func (*watch) FeedSpill(string, int64)              {}
func (*watch) State(int32, int, int)                {}

func (o *watch) Debug(msg string, kv ...any) { o.w.trace.add(o.name, msg, kv...) }
func (o *watch) Info(msg string, kv ...any)  { o.w.trace.add(o.name, msg, kv...) }
func (o *watch) Warn(msg string, kv ...any)  { o.w.trace.add(o.name, msg, kv...) }
func (o *watch) Error(msg string, kv ...any) { o.w.trace.add(o.name, msg, kv...) }

var (
	_ pipeline.Observer = (*watch)(nil)
	_ pipeline.Logger   = (*watch)(nil)
)
