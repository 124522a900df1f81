package caddymodule

import (
	"context"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// keepRetired is how long the code of a version is kept that does not compute
// any more, for a rollback.
const keepRetired = time.Hour

func loadKey(r *registry.Record) string { return r.Tenant + "\x00" + r.SHA256 }

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
