package caddymodule

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

const (
	// shadowTime bounds a shadow run; shadowBars ends it where every series has
	// been compared over that many bars.
	shadowTime = 10 * time.Minute
	shadowBars = 100
	// shadowLook is how often a shadow run is looked at.
	shadowLook = time.Second
	// rehearsed is the number of series on which a version is compared that
	// nobody looks at.
	rehearsed = 20
	// rehearseTime bounds that.
	rehearseTime = 5 * time.Second
)

// Activate implements Activator. The first version of a module computes at once;
// another one runs beside the active version first, unless now is set.
func (a *activation) Activate(ctx context.Context, module, version, _ string, now bool, who string) (Activation, error) {
	versions, err := a.store.Get(ctx, module)
	if err != nil {
		return Activation{}, err
	}
	active := registry.ActiveOf(versions)
	if active == nil || now || active.Version == version {
		return a.turn(ctx, registry.Switch{Module: module, Version: version, Lead: a.lead()}, who)
	}
	if err := a.store.SetState(ctx, module, version, registry.Shadow, nil); err != nil {
		return Activation{}, err
	}
	a.log().Info("a module runs beside the active version", "module", module, "version", version, "active", active.Version, "by", who)
	versions, err = a.refresh(ctx, module)
	if err != nil {
		return Activation{}, err
	}
	a.lookAfter(module, version, active.Version, who)
	out, _ := a.describe(module, versions)
	return out, nil
}

// turn makes a version the active one.
func (a *activation) turn(ctx context.Context, s registry.Switch, who string) (Activation, error) {
	rec, err := a.store.Activate(ctx, s)
	if err != nil {
		return Activation{}, err
	}
	a.log().Info("a version was activated", "module", s.Module, "version", s.Version, "sha256", rec.SHA256, "turn", rec.Turn, "from", rec.From, "by", who)
	versions, err := a.refresh(ctx, s.Module)
	if err != nil {
		return Activation{}, err
	}
	out, _ := a.describe(s.Module, versions)
	return out, nil
}

// Rollback implements Activator.
func (a *activation) Rollback(ctx context.Context, module, who string) (Activation, error) {
	versions, err := a.store.Get(ctx, module)
	if err != nil {
		return Activation{}, err
	}
	active, before := registry.ActiveOf(versions), registry.PreviousOf(versions)
	switch {
	case active == nil:
		return Activation{}, wishConflict("no version of the module is active")
	case before == nil:
		return Activation{}, wishConflict("no version was active before " + active.Version)
	}
	return a.turn(ctx, registry.Switch{Module: module, Version: before.Version, Expect: active.Version, Lead: a.lead(), Why: registry.ActionRollback}, who)
}

// Deactivate implements Activator.
func (a *activation) Deactivate(ctx context.Context, module, who string) error {
	was, err := a.store.Deactivate(ctx, module, registry.Retired)
	if err != nil || !was {
		return err
	}
	a.log().Info("a module was deactivated", "module", module, "by", who)
	_, err = a.refresh(ctx, module)
	return err
}

// lookAfter ends the shadow run of a version when enough was compared. The node
// that was asked does it; should it die, the version stays in its shadow run
// until a publisher asks again.
func (a *activation) lookAfter(module, version, active, who string) {
	a.mu.Lock()
	busy := a.rehearse[module+"@"+version]
	a.rehearse[module+"@"+version] = true
	a.mu.Unlock()
	if busy {
		return
	}
	a.spawn("shadow run", func(ctx context.Context) {
		defer func() {
			a.mu.Lock()
			delete(a.rehearse, module+"@"+version)
			a.mu.Unlock()
		}()
		a.shadowRun(ctx, module, version, active, who)
	})
}

func (a *activation) shadowRun(ctx context.Context, module, version, active, who string) {
	ctx = registry.By(ctx, registry.Actor{ID: who})
	ticker := a.clock.NewTicker(shadowLook)
	defer ticker.Stop()
	began := a.clock.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		hub := a.hub()
		if hub == nil {
			continue
		}
		if a.isStopped(module) {
			a.refuseShadow(ctx, module, version, nil)
			return
		}
		seen := hub.Compare(module)
		if seen.Series == 0 {
			seen = a.compareUnseen(ctx, module, version)
		}
		doc := encodeComparison(seen)
		if seen.Failed > 0 {
			a.refuseShadow(ctx, module, version, doc)
			return
		}
		enough := seen.Bars >= shadowBars*seen.Series
		if !enough && a.clock.Now().Sub(began) < shadowTime {
			continue
		}
		_, err := a.turn(ctx, registry.Switch{Module: module, Version: version, Expect: active, Lead: a.lead(), Comparison: doc}, who)
		if err != nil {
			a.log().Warn("the version of a shadow run was not activated", "module", module, "version", version, "error", err)
		}
		return
	}
}

// refuseShadow ends the run of a version that failed.
func (a *activation) refuseShadow(ctx context.Context, module, version string, doc []byte) {
	a.log().Warn("a version failed in its shadow run: it was not activated", "module", module, "version", version, "comparison", string(doc))
	if err := a.store.SetState(ctx, module, version, registry.Staged, doc); err != nil {
		a.log().Error("writing the end of a shadow run", "module", module, "version", version, "error", err)
		return
	}
	if _, err := a.refresh(ctx, module); err != nil {
		a.log().Error("reading a module again", "module", module, "error", err)
	}
}

// compareUnseen compares the indicators of a version that nobody looks at, with
// their defaults, on the bars in memory.
func (a *activation) compareUnseen(ctx context.Context, module, version string) serve.Comparison {
	ctx, cancel := context.WithTimeout(ctx, rehearseTime)
	defer cancel()
	a.mu.Lock()
	rec, active := a.known[module][version], registry.ActiveOf(slices.Collect(maps.Values(a.known[module])))
	var fresh *wasmhost.Module
	var err error
	if active != nil {
		fresh, err = a.module(ctx, &rec)
	}
	a.mu.Unlock()
	var sum serve.Comparison
	if active == nil || err != nil {
		sum.Failed++
		return sum
	}
	resolve := a.demand.with(module, fresh)
	for _, ind := range rec.Indicators {
		text := module + "/" + ind
		b, err := resolve(text)
		if err != nil {
			sum.Failed++
			continue
		}
		old, err := a.demand.Program(text)
		if err != nil {
			continue // an indicator that the active version does not have
		}
		sum.Add(a.hub().Rehearse(ctx, old, b, rehearsed))
	}
	return sum
}
