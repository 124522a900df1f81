package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// destructTimeout bounds the end of an engine: it runs inside the lock under
// which Caddy reloads, and last at exit.
const destructTimeout = 10 * time.Second

// errDestroyed ends whatever waits on behalf of an engine.
var errDestroyed = errors.New("the engine was given up")

// engineCore is the engine of package pipeline, or a fake in tests.
type engineCore interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	Hub() *serve.Hub
	Status() pipeline.Status
	Attach(f pipeline.Feed) (detach func())
	Ingest(ctx context.Context, source string, trace []byte, trades []core.Trade) error
	AttachHistory(h pipeline.History) (detach func())
}

// phase is how far an engine has come.
type phase int32

const (
	phaseIdle    phase = iota // not started yet
	phaseWaiting              // another engine holds the lease
	phaseRunning              // core.Start returned without an error
	phaseFailed               // the start after the wait failed
	phaseEnded                // Destruct was called
)

// engine is the part of a config that survives reloads.
type engine struct {
	key     string
	config  pipeline.Config // without indicators
	build   func(pipeline.Config) (engineCore, error)
	compute *computer
	leases  *leaseTable
	lease   []string
	metrics *metrics
	streams *streams
	lent    *attachments
	clock   clock.Clock

	quotas  *demandQuotas
	answers *answers // of all engines
	bodies  *answers // the same of trades that are taken over HTTP

	ctx    context.Context // own, from Background: Caddy's dies at every reload
	cancel context.CancelCauseFunc

	built chan struct{}              // closed when core is set
	core  atomic.Pointer[engineCore] // nil until the first start
	phase atomic.Int32               // a phase; read without startMu
	wrong atomic.Pointer[string]     // why the last start failed; set before phaseFailed

	// tryOut is nil, or tries what a start needs and this process does not hold.
	tryOut func(held func(name string) bool) error

	uploads atomic.Int32 // handlers that take modules, of all configs that are loaded

	startMu sync.Mutex // protects leased, waiting and feeds; held while the core starts
	leased  bool
	waiting *safego.Handle
	feeds   map[string]*runningFeed // by source name
	// histories that run, by sink name.
	histories map[string]*runningHistory
	// readers are the databases among them that the hub reads from.
	readers []runningReader
}

// attach makes the settings of a config the current ones.
func (e *engine) attach(a *attachment) {
	e.lent.add(a)
	if e.lent.built.view != a.view {
		e.lent.logger().Warn("view_bars or view_memory changed: they take effect after a restart")
	}
	e.startMu.Lock()
	defer e.startMu.Unlock()
	e.reconcileFeeds()
	e.reconcileHistories()
}

// detach takes the settings back: those of the newest config that is left are
// current again.
func (e *engine) detach(a *attachment) {
	e.lent.remove(a)
	e.startMu.Lock()
	defer e.startMu.Unlock()
	e.reconcileFeeds()
	e.reconcileHistories()
}

// start starts the engine once; a failed start may be tried again.
//
// When another engine of this process still holds the group, the folder or the
// port, it is about to be destroyed by the reload that we are part of. Waiting
// here would wait for ourselves, so the rest happens when it is gone; what can be
// tried before is: an error here keeps the old configuration.
func (e *engine) start() error {
	e.startMu.Lock()
	defer e.startMu.Unlock()
	switch phase(e.phase.Load()) {
	case phaseRunning, phaseWaiting, phaseEnded:
		return nil
	case phaseIdle, phaseFailed:
	}
	if !e.leases.try(e.lease) {
		if e.tryOut != nil {
			if err := e.tryOut(e.leases.held); err != nil {
				return err
			}
		}
		e.phase.Store(int32(phaseWaiting))
		e.waiting = safego.Go("lease", e.panicked, e.startWhenFree)
		return nil
	}
	e.leased = true
	return e.startLeased()
}

// startWhenFree waits for the lease and starts the engine.
func (e *engine) startWhenFree() {
	if err := e.leases.wait(e.ctx, e.lease); err != nil {
		return // destroyed before its turn came
	}
	e.startMu.Lock()
	defer e.startMu.Unlock()
	e.leased = true
	if e.ctx.Err() != nil {
		e.giveLeaseBack()
		return
	}
	if err := e.startLeased(); err != nil {
		e.phase.Store(int32(phaseFailed))
		e.lent.logger().Error("engine did not start: change what the message names, then reload or restart", "error", err)
	}
}

// startLeased builds and starts the core. Without success the lease is free
// again and the phase is idle. It runs under startMu.
func (e *engine) startLeased() error {
	err := e.startCore()
	if err != nil {
		e.compute.stop()
		e.giveLeaseBack()
		text := err.Error()
		e.wrong.Store(&text)
		e.phase.Store(int32(phaseIdle))
		return err
	}
	e.phase.Store(int32(phaseRunning))
	e.reconcileFeeds()
	e.reconcileHistories()
	return nil
}

// startCore compiles the indicators before the core is built, since the names
// of their values decide the shape of every record.
func (e *engine) startCore() error {
	if err := e.compute.start(e.ctx); err != nil {
		return fmt.Errorf("starting indicators: %w", err)
	}
	cfg := e.config
	host := e.compute.running.Load()
	cfg.Indicators = host
	core, err := e.build(cfg)
	if err != nil {
		return fmt.Errorf("building engine: %w", err)
	}
	core.Hub().SetComputer(e.compute.demand)
	if err := e.compute.publish(core.Hub()); err != nil {
		return err
	}
	if err := core.Start(e.ctx); err != nil {
		return fmt.Errorf("starting engine: %w", err)
	}
	e.core.Store(&core)
	close(e.built)
	e.compute.beginTurns()
	return nil
}

func (e *engine) giveLeaseBack() {
	if e.leased {
		e.leased = false
		e.leases.release(e.lease)
	}
}

// drain tells all streams to end within the drain window.
func (e *engine) drain() {
	window := e.lent.drainWindow()
	e.streams.startDrain(window)
	if hub := e.hub(); hub != nil {
		hub.Drain(window)
	}
}

// Destruct implements caddy.Destructor: the last config that used the engine
// is gone. Streams are told to end and do so on their own; waiting for them
// would block the admin API for as long.
func (e *engine) Destruct() error {
	e.drain()
	defer e.streams.end()
	e.cancel(errDestroyed)
	ctx, cancel := context.WithTimeout(context.Background(), destructTimeout)
	defer cancel()
	e.startMu.Lock()
	defer e.startMu.Unlock()
	e.stopFeeds()
	e.stopHistories()
	e.stopReaders()
	var err error
	if phase(e.phase.Swap(int32(phaseEnded))) == phaseRunning {
		if err = (*e.core.Load()).Stop(ctx); err != nil {
			err = fmt.Errorf("stopping engine: %w", err)
		}
	}
	e.compute.stop()
	// Only now may the next engine join: the old member has left.
	e.giveLeaseBack()
	return err
}

// hub is what the handlers read, nil before the engine was started.
func (e *engine) hub() *serve.Hub {
	core := e.core.Load()
	if core == nil {
		return nil
	}
	return (*core).Hub()
}

// status is that of the core, plus what only the plugin knows. It takes no
// lock that is held while the core starts: the status route answers at once.
func (e *engine) status() pipeline.Status {
	s := pipeline.Status{
		Degraded: []string{},
		Delivery: "idempotent", Node: e.config.Node,
	}
	if core := e.core.Load(); core != nil {
		s = (*core).Status()
	}
	if s.Partitions == nil {
		s.Partitions = []pipeline.PartitionStatus{} // a list in JSON, also an empty one
	}
	reason := ""
	switch phase(e.phase.Load()) {
	case phaseRunning:
		return s
	case phaseIdle:
		reason = "the engine has not been started yet"
	case phaseWaiting:
		reason = "waiting for the engine of the previous configuration to end"
	case phaseFailed:
		reason = "the engine did not start; change what is named here, then reload or restart: " + *e.wrong.Load()
	case phaseEnded:
		reason = "the engine has ended"
	}
	s.Ready = false
	s.Reasons = append(s.Reasons, reason)
	return s
}

// panicked records the end of a goroutine that nobody expected.
func (e *engine) panicked(err error) {
	if p, ok := errors.AsType[*safego.PanicError](err); ok {
		e.metrics.Panicked(p.Name)
		e.lent.logger().Error("goroutine ended in a panic", "goroutine", p.Name, "error", err, "stack", string(p.Stack))
	}
}
