package caddymodule

import (
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// killLook is how often a node looks for kills, whatever sync_interval says: it
// is one small read.
const killLook = time.Second

// stop takes what the operator has stopped and ends it. What is not stopped any
// more is left to lift: it has to be loaded, and whoever stops something else must
// not wait for that.
func (a *activation) stop(kills registry.Kills) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kills.Equal(kills) {
		return
	}
	a.kills = kills
	for module := range a.known {
		if k := a.stopped(module); k != nil {
			a.halt(module, k)
		}
	}
	a.unload()
}

// lift lets modules compute again that are not stopped any more. One that could not
// be loaded is left to catchUp.
func (a *activation) lift() {
	a.mu.Lock()
	var due []string
	for module, s := range a.shown {
		if _, failed := a.failures[module]; s.halted && !failed && a.stopped(module) == nil {
			due = append(due, module)
		}
	}
	a.mu.Unlock()
	slices.Sort(due)
	for _, module := range due {
		a.bring(a.ctx, module)
	}
}

// stopped is the kill under which a module is, nil for none. The caller holds mu.
func (a *activation) stopped(module string) *registry.Kill {
	tenant := ""
	for _, r := range a.known[module] {
		tenant = r.Tenant
	}
	return a.kills.Of(module, tenant)
}

// isStopped is stopped for those who do not hold mu.
func (a *activation) isStopped(module string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopped(module) != nil
}

// halt ends a module that computes: requests do not find it, and open streams have
// no values of it. The caller unloads its instances.
func (a *activation) halt(module string, k *registry.Kill) {
	if a.shown[module].halted {
		return
	}
	a.demand.mean(module, []meant{{err: errStopped}})
	a.end(module)
	a.shown[module] = shown{halted: true}
	delete(a.strikes, module)
	delete(a.failures, module)
	a.listed()
	a.log().Warn("a module was stopped by the operator", "module", module, "scope", string(k.Scope), "name", k.Name, "by", k.By, "reason", k.Reason)
}

// end tells the hub that a module is stopped.
func (a *activation) end(module string) {
	if hub := a.hub(); hub != nil {
		hub.Unshadow(module)
		hub.Renew(module, errStopped)
	}
}

// resume lets a module compute again that was stopped, as its records say. Should
// the version that is active not load, the module stays as it is until it does.
func (a *activation) resume(module string, turns []due, failed map[string]error) shown {
	now := shown{halted: true}
	if len(turns) == 0 {
		a.demand.mean(module, nil)
	} else if now = a.follow(module, turns, now, failed); len(now.turns) == 0 {
		return now
	}
	now.halted = false
	a.tell(func(hub *serve.Hub) { hub.Renew(module, nil) })
	a.log().Info("a module is not stopped any more", "module", module)
	return now
}
