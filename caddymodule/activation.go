package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// activation lets stored versions compute. What computes follows from the
// registry alone: which version is active, and from which bar on. Every node
// reads it and comes to the same answer; none decides for others.
type activation struct {
	store  *registry.Registry
	demand *demand
	hub    func() *serve.Hub // nil before the engine was started
	clock  clock.Clock
	log    func() pipeline.Logger
	lead   func() time.Duration                              // how long until every node has read the registry
	open   time.Duration                                     // how long ago an open bar can have begun
	spawn  func(name string, task func(ctx context.Context)) // ends with the engine
	listed func()                                            // the list of indicators has changed
	faults func(kind string)                                 // counts them; kind is of a closed set
	ctx    context.Context                                   //nolint:containedctx // of the engine

	// reading is held from a look at the registry until known says it: what was read
	// earlier must not be noted later. loading is held while one version is loaded,
	// telling from a change of shown until the hub has it. All are taken before mu.
	reading sync.Locker
	loading sync.Mutex
	telling sync.Mutex

	mu       sync.Mutex                            // protects all below; never held while a version is loaded or a guest asked
	touched  map[string]bool                       // modules whose change in known was not applied yet
	known    map[string]map[string]registry.Record // by module and version
	loaded   map[string]*wasmhost.Module           // by tenant and sum
	shown    map[string]shown                      // by module
	strikes  map[string]*strikes                   // by module
	failures map[string]failure                    // by module: why its newest version is not loaded
	rehearse map[string]bool                       // shadow runs that this node looks after, as module@version
	kills    registry.Kills                        // what the operator has stopped
	news     []func(*serve.Hub)                    // what the hub was not told yet; of who holds telling
}

// shown is what the hub was told of a module.
type shown struct {
	turns  []due
	shadow string // version computed beside them
	halted bool   // the operator has stopped the module
}

// letUploadsCompute connects the registry, the host that computes on demand and
// the hub that shows it.
func (e *engine) letUploadsCompute() {
	m := e.compute.modules
	a := newActivation(e.ctx, m.registry, e.compute.demand, e.clock)
	a.hub, a.log = e.hub, e.lent.logger
	a.reading = &m.reading
	a.open = openBars(e.config.Intervals, e.config.AllowedLateness)
	// Twice the time between two looks: one may fail.
	a.lead = func() time.Duration { return 2*e.lent.syncInterval() + time.Second }
	a.spawn = func(name string, task func(ctx context.Context)) {
		safego.Go(name, e.panicked, func() { task(e.ctx) })
	}
	a.listed = func() {
		if hub := e.hub(); hub != nil {
			if err := e.compute.publish(hub); err != nil {
				e.lent.logger().Error("the list of indicators could not be made", "error", err)
			}
		}
	}
	size := func() demandSize {
		d := demandSize{memory: e.compute.demand.memory()}
		if hub := e.hub(); hub != nil {
			d.series = hub.Demanded()
		}
		return d
	}
	e.metrics.demanded.Store(&size)
	a.faults = func(kind string) { e.metrics.faults.WithLabelValues(kind).Inc() }
	e.compute.turns = a
	e.compute.demand.watch(a.struck)
	m.watch(a.changed)
	m.watchKills(a.stop)
	m.lift, m.catchUp = a.lift, a.catchUp
	var activator Activator = a
	m.activator.Store(&activator)
}

func newActivation(ctx context.Context, store *registry.Registry, d *demand, c clock.Clock) *activation {
	return &activation{
		ctx: ctx, store: store, demand: d, clock: c, reading: new(sync.Mutex),
		known: map[string]map[string]registry.Record{}, loaded: map[string]*wasmhost.Module{},
		shown: map[string]shown{}, strikes: map[string]*strikes{}, rehearse: map[string]bool{}, failures: map[string]failure{},
		touched: map[string]bool{},
	}
}

// changed notes what is new in the registry, for catchUp.
func (a *activation) changed(changes []registry.Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		versions := a.known[c.Module]
		if versions == nil {
			versions = map[string]registry.Record{}
			a.known[c.Module] = versions
		}
		versions[c.Version] = c.Record
		if c.Gone {
			delete(versions, c.Version)
		}
		a.touched[c.Module] = true
	}
}

// catchUp makes compute what changed has noted, and tries once more what could not
// be loaded.
func (a *activation) catchUp() {
	a.mu.Lock()
	due := maps.Clone(a.touched)
	clear(a.touched)
	for module, f := range a.failures {
		if a.clock.Now().Sub(f.at) >= loadAgain {
			due[module] = true
		}
	}
	a.mu.Unlock()
	for _, module := range slices.Sorted(maps.Keys(due)) {
		a.bring(a.ctx, module)
	}
}

// refresh reads the versions of one module anew, after this node has changed
// something: its own users shall not wait for the next look at the storage.
func (a *activation) refresh(ctx context.Context, module string) ([]registry.Record, error) {
	versions, err := a.read(ctx, module)
	if err != nil {
		return nil, err
	}
	a.bring(ctx, module)
	return versions, nil
}

// read notes the versions of one module as the registry has them.
func (a *activation) read(ctx context.Context, module string) ([]registry.Record, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	versions, err := a.store.Get(ctx, module)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	known := map[string]registry.Record{}
	for _, v := range versions {
		known[v.Version] = v
	}
	a.known[module] = known
	return versions, nil
}

// State implements Activator.
func (a *activation) State(module string) (Activation, bool) {
	a.mu.Lock()
	versions, kill := slices.Collect(maps.Values(a.known[module])), a.stopped(module)
	a.mu.Unlock()
	out, told := a.describe(module, versions)
	if kill != nil {
		out.State, out.Since, told = stateStopped, &kill.Since, true
		out.Stopped = &stopBody{Scope: kill.Scope, Since: kill.Since, Reason: kill.Reason}
	}
	return out, told
}

func (a *activation) describe(module string, versions []registry.Record) (Activation, bool) {
	out := Activation{Module: module, State: string(registry.Staged)}
	var told bool
	if r := registry.ActiveOf(versions); r != nil {
		out.Active, out.State, out.Since, out.Comparison, told = r.Version, string(r.State), &r.Since, r.Comparison, true
	}
	if r := registry.PreviousOf(versions); r != nil {
		out.Previous, told = r.Version, true
	}
	for i := range versions {
		if r := &versions[i]; r.State == registry.Shadow {
			out.Shadow, out.State, out.Since, told = r.Version, string(r.State), &r.Since, true
			out.Comparison = a.comparison(module)
		}
	}
	if out.Active == "" && out.Shadow == "" {
		for i := range versions {
			if r := &versions[i]; r.Turn > 0 {
				out.State, told = string(r.State), true
			}
		}
	}
	return out, told
}

var (
	errNotActive = errors.New("the module is not active")
	errStopped   = fmt.Errorf("the operator has stopped it: %w", serve.ErrQuarantined)
)

// wishConflict is the answer to a wish that does not fit the state.
func wishConflict(detail string) *problem {
	return &problem{code: "conflict", status: http.StatusConflict, title: "Conflict", detail: detail}
}
