package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/embedded"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// outputFormat is the version of the bytes that are written for the same
// state. It is part of the identity: an upgrade that writes other bytes for the
// same input is a change of configuration and stands in the journal.
const outputFormat = 1

// Engine turns one topic of trades into klines. It owns the broker (if
// embedded), the Kafka clients, the workers, the followers and the view.
type Engine struct {
	cfg    Config
	topics kafka.Topics
	hub    *serve.Hub
	epoch  int32 // of the dataset
	tail   int64 // tailRecords, less in tests

	broker *embedded.Broker
	takes  func() error // why the embedded broker refuses records, nil if it does not
	live   *liveBars
	// formingForRedis takes one round of forming bars; nil without Redis.
	formingForRedis chan formingBars
	current         atomic.Pointer[incarnation]
	sharing         feedSharing
	ingest          ingest
	members         atomic.Int32 // others in the group that hold partitions
	// ended says why the last incarnation ended, until the next one stands.
	ended  atomic.Pointer[string]
	cancel context.CancelFunc
	tasks  []*safego.Handle

	mu       sync.Mutex // protects the fields below
	running  bool
	stopped  chan struct{} // nil until Stop, closed when it is done
	cluster  kafka.Cluster
	layout   *kafka.Layout // nil until the topics were found
	ready    chan struct{} // closed when layout is set
	degraded map[string]string
	feeds    []*attachedFeed
	// histories are the databases that follow.
	histories []*attachedHistory
	ctx       context.Context // of everything that runs; nil before Start
}

// New builds an engine. It checks the configuration, also against the log of an
// embedded broker that is there, and opens nothing.
func New(cfg Config) (*Engine, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, topics: cfg.topics(), ready: make(chan struct{}), degraded: map[string]string{}, tail: tailRecords}
	if cfg.Embedded != nil {
		if err := embedded.Check(cfg.broker(e.topics)); err != nil {
			return nil, err
		}
	}
	probe, err := core.New(e.coreConfig(0))
	if err != nil {
		return nil, err
	}
	e.epoch = probe.Epoch()
	e.hub = serve.NewHub(e.hubConfig())
	e.live = newLiveBars(e)
	e.hub.OnDemand(e.showForming)
	if cfg.Redis != nil {
		e.formingForRedis = make(chan formingBars, 1)
	}
	return e, nil
}

// Hub is what readers ask. It is there from New on and answers when the topic
// of klines was followed to its end once.
func (e *Engine) Hub() *serve.Hub { return e.hub }

// Start opens the embedded broker, if that is the source, and starts all the
// rest in the background. Its errors are for the operator: port taken, folder
// locked. An unreachable Kafka or Redis is no error: the engine waits for it.
// An engine that was stopped does not start again: its view and its feeds have
// ended.
func (e *Engine) Start(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running {
		return nil
	}
	if e.stopped != nil {
		return errors.New("starting the engine: it was stopped, build a new one")
	}
	if err := e.open(); err != nil {
		return err
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.running = true
	e.spawn("engine", e.consume)
	if !e.cfg.NoView {
		e.spawn("follower of klines", e.followHub)
		e.spawn("indicators on demand", e.hub.Tend)
		e.spawn("previews on demand", e.hub.Previews)
	}
	if e.cfg.transactional() {
		e.spawn("live bars", e.live.run)
		e.spawn("follower of live bars", e.live.follow)
	}
	if e.cfg.Redis != nil {
		e.spawn("follower for redis", e.followRedis)
	}
	e.spawn("watchdog", e.watch)
	for _, f := range e.feeds {
		e.startFeed(f)
	}
	for _, h := range e.histories {
		e.startHistory(h)
	}
	return nil
}

// open names the node and makes the broker reachable.
func (e *Engine) open() error {
	if e.cfg.Node == "" {
		name, err := NodeName(e.cfg.DataDir)
		if err != nil {
			return err
		}
		e.cfg.Node = name
	}
	if e.cfg.Kafka != nil {
		c, err := e.cfg.Kafka.cluster(e.cfg.Clock, e.cfg.Log)
		e.cluster = c
		return err
	}
	b, err := embedded.Start(e.cfg.broker(e.topics))
	if err != nil {
		return err
	}
	e.broker = b
	if e.takes == nil {
		e.takes = b.Health
	}
	// Inside the process the broker is reached past its advertised name, which
	// may be the host's and need not resolve here.
	e.cluster = kafka.Cluster{Brokers: []string{b.Addr()}, Dial: b.Dial, Clock: e.cfg.Clock, Log: e.cfg.Log}
	return nil
}

// spawn starts a task of the engine that ends with its context. A panic ends
// the task alone and shows as a degraded state.
func (e *Engine) spawn(name string, task func(ctx context.Context)) {
	ctx := e.ctx
	e.tasks = append(e.tasks, safego.Go(name, func(err error) {
		e.cfg.Observer.Panicked(name)
		e.cfg.Log.Error("a task of the engine ended in a panic", "task", name, "error", err)
		e.degrade(name, err)
	}, func() { task(ctx) }))
}

// Stop ends feeds, writes the last units with their checkpoints, commits,
// leaves the group and closes everything. What is not done when ctx ends is
// dropped: that costs a replay at the next start. A second call waits for the
// first.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	if !e.running {
		stopped := e.stopped
		e.mu.Unlock()
		return await(ctx, stopped)
	}
	e.running, e.stopped = false, make(chan struct{})
	defer close(e.stopped)
	feeds := append([]*attachedFeed(nil), e.feeds...)
	histories := append([]*attachedHistory(nil), e.histories...)
	e.mu.Unlock()
	var err error
	for _, f := range feeds {
		f.cancel()
	}
	for _, f := range feeds {
		err = cmp.Or(err, await(ctx, f.handle.Done()))
	}
	e.sharing.end()
	e.ingest.end()
	e.cancel()
	for _, t := range e.tasks {
		err = cmp.Or(err, await(ctx, t.Done()))
	}
	for _, h := range histories {
		err = cmp.Or(err, await(ctx, h.handle.Done()))
	}
	if e.broker != nil {
		e.broker.Close()
	}
	return err
}

// await waits for done, nil being done already, or for ctx.
func await(ctx context.Context, done <-chan struct{}) error {
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping the engine: %w", context.Cause(ctx))
	}
}

// watch looks after the partitions' progress.
func (e *Engine) watch(ctx context.Context) {
	t := e.cfg.Clock.NewTicker(time.Second)
	defer t.Stop()
	others := memberWatch{e: e}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C():
			e.lookAtBroker()
			if inc := e.current.Load(); inc != nil {
				inc.watch(e.cfg.Clock.Now())
				inc.standing(e.cfg.Clock.Now())
				others.look(ctx, inc)
			}
		}
	}
}

// formingWait is how long a reader waits for forming bars that nobody looked
// at before. A worker that takes longer is busy with something more important;
// remoteWait is for those of another node, which hears of it over a topic.
const (
	formingWait = 150 * time.Millisecond
	remoteWait  = 400 * time.Millisecond
)

// showForming asks the owners of symbols for their forming bars and waits for
// them. Nobody knows by the name which worker that is, so all of this node are
// asked.
func (e *Engine) showForming(symbols []string) {
	ctx, cancel := context.WithTimeout(context.Background(), formingWait)
	defer cancel()
	for _, done := range e.askWorkers(symbols) {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
	e.live.ask(symbols)
}

// askWorkers asks the workers of this node. Each of the channels is closed when
// one has shown what it has.
func (e *Engine) askWorkers(symbols []string) []<-chan struct{} {
	inc := e.current.Load()
	if inc == nil {
		return nil
	}
	workers, _ := inc.snapshot()
	var rounds []<-chan struct{}
	for _, w := range workers {
		rounds = append(rounds, w.forming.ask(symbols))
	}
	return rounds
}

// ours tells which partitions this node works on.
func (e *Engine) ours(p int32) bool {
	inc := e.current.Load()
	return inc != nil && inc.has(p)
}

// identity is a hash of all that changes results. A checkpoint of another
// identity is taken over with the decision `config`.
func (e *Engine) identity() string {
	h := sha256.New()
	c := e.coreConfig(0)
	fmt.Fprintf(h, "%d|%+v|%v|", outputFormat, c, e.cfg.Mapping)
	if e.cfg.Indicators != nil {
		for _, i := range e.cfg.Indicators.Instances() {
			fmt.Fprintf(h, "%s@%s|", i.Name, i.Version)
		}
	}
	if e.layout != nil {
		fmt.Fprint(h, e.layout.Mapping)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// degrade notes what is away; heal takes it back.
func (e *Engine) degrade(what string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.degraded[what] = err.Error()
}

func (e *Engine) heal(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.degraded, what)
}

// pause waits for d and reports whether ctx is still alive.
func (e *Engine) pause(ctx context.Context, d time.Duration) bool {
	t := e.cfg.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C():
		return true
	}
}
