package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// keepRetired is how long the code of a version is kept that does not compute
// any more, for a rollback.
const keepRetired = time.Hour

func loadKey(r *registry.Record) string { return r.Tenant + "\x00" + r.SHA256 }

// errNotLoaded: the records have changed since the code was brought; it is brought
// again after a while.
var errNotLoaded = errors.New("its code is not loaded yet")

// here is the code of a version, nil if it has to be loaded. The caller holds mu.
func (a *activation) here(rec *registry.Record) (*wasmhost.Module, error) {
	if a.kills.Of(rec.Module, rec.Tenant) != nil {
		return nil, errStopped
	}
	return a.loaded[loadKey(rec)], nil
}

// module is the code of a version, or why it is not here. The caller holds mu.
func (a *activation) module(rec *registry.Record, failed map[string]error) (*wasmhost.Module, error) {
	m, err := a.here(rec)
	if m == nil && err == nil {
		err = cmp.Or(failed[loadKey(rec)], errNotLoaded)
	}
	return m, err
}

// load reads a version and compiles it, once. The caller does not hold mu: it may
// take long, and whoever stops a module must not wait for the code of another one.
func (a *activation) load(ctx context.Context, rec *registry.Record) (*wasmhost.Module, error) {
	a.loading.Lock()
	defer a.loading.Unlock()
	a.mu.Lock()
	m, err := a.here(rec)
	a.mu.Unlock()
	if m != nil || err != nil {
		return m, err
	}
	if m, err = a.compile(ctx, rec); err != nil {
		return nil, err
	}
	a.mu.Lock()
	if _, err = a.here(rec); err == nil {
		a.loaded[loadKey(rec)] = m
	}
	a.mu.Unlock()
	if err != nil { // it was stopped meanwhile
		return nil, errors.Join(err, a.demand.unload(ctx, m))
	}
	return m, nil
}

func (a *activation) compile(ctx context.Context, rec *registry.Record) (*wasmhost.Module, error) {
	wasm, err := a.store.Open(ctx, rec.SHA256)
	if err != nil {
		return nil, err
	}
	if err := a.store.Signed(rec, wasm); err != nil {
		return nil, err
	}
	return a.demand.load(ctx, wasm, rec.Tenant)
}

// unload gives back versions that nobody can need soon. A rollback loads them
// again. The caller holds mu, and a version that is being compiled keeps the host: it
// is left to a task, for which whoever stops a module does not wait.
func (a *activation) unload() {
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
	ended := maps.Clone(a.loaded)
	maps.DeleteFunc(ended, func(key string, _ *wasmhost.Module) bool { return used[key] })
	if len(ended) == 0 {
		return
	}
	maps.DeleteFunc(a.loaded, func(key string, _ *wasmhost.Module) bool { return !used[key] })
	a.spawn("unload", func(ctx context.Context) { a.giveBack(ctx, ended) })
}

// giveBack unloads versions, unless they were loaded again meanwhile: the host has
// handed out the same code then.
func (a *activation) giveBack(ctx context.Context, ended map[string]*wasmhost.Module) {
	a.loading.Lock()
	defer a.loading.Unlock()
	for key, m := range ended {
		a.mu.Lock()
		again := a.loaded[key] == m
		a.mu.Unlock()
		if again {
			continue
		}
		if err := a.demand.unload(ctx, m); err != nil && ctx.Err() == nil {
			a.log().Warn("a module could not be unloaded", "module", m.Name, "version", m.Version, "error", err)
		}
	}
}
