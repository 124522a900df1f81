package caddymodule

import (
	"context"
	"encoding/json"
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

	mu       sync.Mutex                            // protects all below; held while versions are loaded
	known    map[string]map[string]registry.Record // by module and version
	loaded   map[string]*wasmhost.Module           // by tenant and sum
	shown    map[string]shown                      // by module
	strikes  map[string]*strikes                   // by module
	rehearse map[string]bool                       // modules whose shadow run this node looks after
	kills    registry.Kills                        // what the operator has stopped
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
	var activator Activator = a
	m.activator.Store(&activator)
}

func newActivation(ctx context.Context, store *registry.Registry, d *demand, c clock.Clock) *activation {
	return &activation{
		ctx: ctx, store: store, demand: d, clock: c,
		known: map[string]map[string]registry.Record{}, loaded: map[string]*wasmhost.Module{},
		shown: map[string]shown{}, strikes: map[string]*strikes{}, rehearse: map[string]bool{},
	}
}

// changed takes what is new in the registry.
func (a *activation) changed(changes []registry.Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	touched := map[string]bool{}
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
		touched[c.Module] = true
	}
	for _, module := range slices.Sorted(maps.Keys(touched)) {
		a.apply(context.Background(), module)
	}
}

// refresh reads the versions of one module anew, after this node has changed
// something: its own users shall not wait for the next look at the storage.
func (a *activation) refresh(ctx context.Context, module string) ([]registry.Record, error) {
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
	a.apply(ctx, module)
	return versions, nil
}

// apply makes demand and hub what the registry says of a module.
func (a *activation) apply(ctx context.Context, module string) {
	versions := slices.Collect(maps.Values(a.known[module]))
	was := a.shown[module]
	if k := a.stopped(module); k != nil {
		a.halt(ctx, module, k)
		return
	}
	turns := turnsOf(versions, a.clock.Now().Add(-a.open).UnixMilli())
	if was.halted {
		was = a.resume(ctx, module, turns)
	} else {
		was = a.follow(ctx, module, turns, was)
	}
	a.shown[module] = a.applyShadow(ctx, module, versions, was)
	a.unload(ctx)
}

// keepRetired is how long the code of a version is kept that does not compute
// any more, for a rollback.
const keepRetired = time.Hour

// unload gives back versions that nobody can need soon. A rollback loads them
// again.
func (a *activation) unload(ctx context.Context) {
	used := map[string]bool{}
	for module, versions := range a.known {
		if a.stopped(module) != nil {
			continue // its code is ended at once
		}
		for _, r := range versions {
			if r.State == registry.Active || r.State == registry.Shadow || a.clock.Now().Sub(r.Since) < keepRetired {
				used[loadKey(&r)] = true
			}
		}
	}
	for _, s := range a.shown { // bars of long intervals may still be their own
		for i := range s.turns {
			used[loadKey(&s.turns[i].rec)] = true
		}
	}
	for key, m := range a.loaded {
		if used[key] {
			continue
		}
		delete(a.loaded, key)
		if err := a.demand.unload(ctx, m); err != nil {
			a.log().Warn("a module could not be unloaded", "module", m.Name, "version", m.Version, "error", err)
		}
	}
}

func loadKey(r *registry.Record) string { return r.Tenant + "\x00" + r.SHA256 }

var (
	errNotActive = errors.New("the module is not active")
	errStopped   = fmt.Errorf("the operator has stopped it: %w", serve.ErrQuarantined)
)

// applyShadow computes a version beside the active one, or ends that.
func (a *activation) applyShadow(ctx context.Context, module string, versions []registry.Record, was shown) shown {
	i := slices.IndexFunc(versions, func(r registry.Record) bool { return r.State == registry.Shadow })
	hub := a.hub()
	if i < 0 {
		if was.shadow != "" && hub != nil {
			hub.Unshadow(module)
		}
		was.shadow = ""
		return was
	}
	if rec := &versions[i]; was.shadow != rec.Version && hub != nil {
		m, err := a.module(ctx, rec)
		if err != nil {
			a.log().Error("a module cannot be loaded for its shadow run", "module", module, "version", rec.Version, "error", err)
			return was
		}
		hub.Shadow(module, a.demand.with(module, m))
		was.shadow = rec.Version
	}
	return was
}

// module loads a version once.
func (a *activation) module(ctx context.Context, rec *registry.Record) (*wasmhost.Module, error) {
	if a.kills.Of(rec.Module, rec.Tenant) != nil {
		return nil, errStopped
	}
	key := loadKey(rec)
	if m := a.loaded[key]; m != nil {
		return m, nil
	}
	wasm, err := a.store.Open(ctx, rec.SHA256)
	if err != nil {
		return nil, err
	}
	if err := a.store.Signed(rec, wasm); err != nil {
		return nil, err
	}
	m, err := a.demand.load(ctx, wasm, rec.Tenant)
	if err != nil {
		return nil, err
	}
	a.loaded[key] = m
	return m, nil
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

// comparison is what the shadow run has shown on this node so far.
func (a *activation) comparison(module string) json.RawMessage {
	hub := a.hub()
	if hub == nil {
		return nil
	}
	return encodeComparison(hub.Compare(module))
}

// encodeComparison is the document that publishers read.
func encodeComparison(c serve.Comparison) json.RawMessage {
	doc, err := json.Marshal(struct {
		Series    int64   `json:"series"`
		Bars      int64   `json:"bars"`
		Differing int64   `json:"differing"`
		Absolute  float64 `json:"max_abs"`
		Relative  float64 `json:"max_rel"`
		Failed    int64   `json:"failed"`
	}{c.Series, c.Bars, c.Differing, c.Absolute, c.Relative, c.Failed})
	if err != nil { // an infinite difference
		return json.RawMessage(`{"differing":-1}`)
	}
	return doc
}

// conflict is the answer to a wish that does not fit the state.
func wishConflict(detail string) *problem {
	return &problem{code: "conflict", status: http.StatusConflict, title: "Conflict", detail: detail}
}
