package caddymodule

import (
	"context"
	"fmt"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// engines holds every engine of this process.
var engines = newEnginePool(newPipeline, clock.Real())

// enginePool hands out engines by key and counts who uses them.
type enginePool struct {
	pool   *caddy.UsagePool
	leases *leaseTable
	gate   *registry.Gate // of uploads, for all engines
	build  func(pipeline.Config) (engineCore, error)
	clock  clock.Clock

	answers, bodies *answers

	mu      sync.Mutex            // protects streams
	streams map[*streams]struct{} // of all engines, and of ended ones that still have open streams
}

// enginePlan is what an engine is built from when no config uses it yet.
type enginePlan struct {
	key     string
	config  pipeline.Config
	source  Source
	store   Store
	compute []string
	first   *attachment
}

func newEnginePool(build func(pipeline.Config) (engineCore, error), c clock.Clock) *enginePool {
	return &enginePool{
		pool: caddy.NewUsagePool(), leases: newLeaseTable(), gate: registry.NewGate(), build: build, clock: c,
		answers: newAnswers(), bodies: newAnswers(), streams: make(map[*streams]struct{}),
	}
}

// newPipeline builds the real thing.
func newPipeline(cfg pipeline.Config) (engineCore, error) {
	e, err := pipeline.New(cfg)
	if err != nil {
		return nil, err // not e: a nil *Engine in the interface would not be nil
	}
	return e, nil
}

// acquire counts one reference to the engine of the plan's key. On an error the
// caller holds none and must not release.
func (p *enginePool) acquire(plan enginePlan) (*engine, error) {
	v, _, err := p.pool.LoadOrNew(plan.key, func() (caddy.Destructor, error) { return p.newEngine(plan) })
	if err != nil {
		return nil, err
	}
	return v.(*engine), nil
}

// release gives one reference back. The last one destroys the engine.
func (p *enginePool) release(e *engine) error {
	_, err := p.pool.Delete(e.key)
	return err
}

// newEngine opens nothing. It builds the core once without indicators to learn
// whether it will accept the configuration: a config that cannot run must be
// refused while it is being provisioned.
func (p *enginePool) newEngine(plan enginePlan) (*engine, error) {
	e := &engine{
		key: plan.key, clock: p.clock, build: p.build, lease: plan.source.Exclusive(),
		lent: newAttachments(plan.first), leases: p.leases,
		built: make(chan struct{}), feeds: make(map[string]*runningFeed),
		histories: make(map[string]*runningHistory),
	}
	if t, ok := plan.source.(trier); ok {
		e.tryOut = t.tryOut
	}
	e.metrics = newMetrics(p.clock)
	e.quotas, e.answers, e.bodies = newDemandQuotas(p.clock), p.answers, p.bodies
	e.streams = newStreams(p.clock, func(s *streams) { p.forget(s) })
	cfg := plan.config
	cfg.Clock, cfg.Observer, cfg.Log = p.clock, e.metrics, e.lent.logger()
	if err := plan.source.BuildSource(&cfg, e.lent); err != nil {
		return nil, fmt.Errorf("building source: %w", err)
	}
	if err := plan.store.BuildStore(&cfg, e.lent); err != nil {
		return nil, fmt.Errorf("building store: %w", err)
	}
	if _, err := p.build(cfg); err != nil {
		return nil, err
	}
	var err error
	if e.compute, err = newComputer(plan.compute, cfg.DataDir); err != nil {
		return nil, err
	}
	e.compute.modules = newModules(e.lent, p.gate, p.clock, e.panicked)
	e.compute.modules.cache = e.compute.cache
	e.config = cfg
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	e.letUploadsCompute()
	p.mu.Lock()
	p.streams[e.streams] = struct{}{}
	p.mu.Unlock()
	return e, nil
}

// forget drops the streams of an engine that is gone.
func (p *enginePool) forget(s *streams) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, s)
}

// openStreams is the number of streams of this process, those of ended engines
// included.
func (p *enginePool) openStreams() int {
	n := 0
	for _, s := range p.allStreams() {
		n += s.count()
	}
	return n
}

// awaitStreams waits, at exit, until the streams that were told to end have
// done so. Streams of an engine that was not told are not waited for: a config
// rejected in the instant of a SIGTERM is cleaned up with no drain under way.
func (p *enginePool) awaitStreams() {
	for _, s := range p.allStreams() {
		s.awaitEmpty()
	}
}

func (p *enginePool) allStreams() []*streams {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*streams, 0, len(p.streams))
	for s := range p.streams {
		all = append(all, s)
	}
	return all
}
