package caddymodule

import (
	"context"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
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
	// Whoever hangs up now has begun a run, which would be looked after by nobody.
	versions, err = a.refresh(context.WithoutCancel(ctx), module)
	if err != nil {
		return Activation{}, err
	}
	a.lookAfter(module, version, who)
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

// Rollback implements Activator. Asked twice it goes back and forth, since either
// version was active before the other: who repeats a request whose answer was lost
// names the version that shall not be active.
func (a *activation) Rollback(ctx context.Context, module, version, who string) (Activation, error) {
	versions, err := a.store.Get(ctx, module)
	if err != nil {
		return Activation{}, err
	}
	active, before := registry.ActiveOf(versions), registry.PreviousOf(versions)
	switch {
	case active == nil:
		return Activation{}, wishConflict("no version of the module is active")
	case version != "" && version != active.Version:
		return Activation{}, wishConflict("version " + active.Version + " is active, not " + cut(version))
	case before == nil:
		return Activation{}, wishConflict("no version was active before " + active.Version)
	}
	return a.turn(ctx, registry.Switch{Module: module, Version: before.Version, Expect: active.Version, Lead: a.lead(), Why: registry.ActionRollback}, who)
}

// Deactivate implements Activator.
func (a *activation) Deactivate(ctx context.Context, module, who string) error {
	was, err := a.store.Deactivate(ctx, module, "", registry.Retired)
	if err != nil || !was {
		return err
	}
	a.log().Info("a module was deactivated", "module", module, "by", who)
	_, err = a.refresh(ctx, module)
	return err
}
