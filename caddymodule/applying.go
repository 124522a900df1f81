package caddymodule

import (
	"context"
	"maps"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// bring loads what a module needs, and applies what is known of it when all is
// there that can be.
func (a *activation) bring(ctx context.Context, module string) {
	failed := map[string]error{}
	for {
		rec := a.applyOrWant(module, failed)
		if rec == nil {
			return
		}
		if _, err := a.load(ctx, rec); err != nil {
			failed[loadKey(rec)] = err
		}
	}
}

// applyOrWant returns a version that has to be loaded before a module can be
// applied; failed are those that could not be. Nil: it was applied.
func (a *activation) applyOrWant(module string, failed map[string]error) *registry.Record {
	a.telling.Lock()
	defer a.telling.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rec := range a.needed(module) {
		if m, err := a.here(&rec); m == nil && err == nil && failed[loadKey(&rec)] == nil {
			return &rec
		}
	}
	a.apply(module, failed)
	a.deliver(module)
	a.unload()
	return nil
}

// tell leaves to deliver what the hub has to be told.
func (a *activation) tell(news func(hub *serve.Hub)) { a.news = append(a.news, news) }

// deliver tells the hub what apply has left, without mu: it asks guests about each
// instance, and whoever stops a module must not wait for them. What was stopped
// meanwhile is stopped once more, behind what the hub was told of it.
func (a *activation) deliver(module string) {
	news, hub := a.news, a.hub()
	a.news = nil
	if hub == nil || len(news) == 0 {
		return
	}
	func() {
		a.mu.Unlock()
		defer a.mu.Lock()
		for _, tell := range news {
			tell(hub)
		}
	}()
	if a.stopped(module) != nil {
		a.end(module)
	}
}

// needed are the versions of a module whose code is needed to apply it.
func (a *activation) needed(module string) []registry.Record {
	if a.stopped(module) != nil {
		return nil
	}
	versions, was := slices.Collect(maps.Values(a.known[module])), a.shown[module]
	var out []registry.Record
	if turns := a.turns(versions); !slices.EqualFunc(turns, was.turns, func(a, b due) bool { return a.same(&b) }) {
		for i := range turns {
			if turns[i].err == nil {
				out = append(out, turns[i].rec)
			}
		}
	}
	if rec := shadowOf(versions); rec != nil && rec.Version != was.shadow && a.hub() != nil {
		out = append(out, *rec)
	}
	return out
}

// turns are those of a module that still matter.
func (a *activation) turns(versions []registry.Record) []due {
	return turnsOf(versions, a.clock.Now().Add(-a.open).UnixMilli())
}

// apply makes demand what the registry says of a module, with the code that is here,
// and leaves to deliver what that means for the hub; failed says why other code is not
// here. The caller holds mu.
func (a *activation) apply(module string, failed map[string]error) {
	versions := slices.Collect(maps.Values(a.known[module]))
	was := a.shown[module]
	if k := a.stopped(module); k != nil {
		a.halt(module, k)
		return
	}
	turns := a.turns(versions)
	if was.halted {
		was = a.resume(module, turns, failed)
	} else {
		was = a.follow(module, turns, was, failed)
	}
	a.shown[module] = a.applyShadow(module, versions, was, failed)
}
