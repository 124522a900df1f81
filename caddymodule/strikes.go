package caddymodule

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

const (
	// maxStrikes faults within strikeTime take a version out of service.
	maxStrikes = 3
	strikeTime = 10 * time.Minute
)

// strikes are the faults of the active version of a module on this node. An
// error that a module returns is none: it says that it has no value, not that it
// is broken.
type strikes struct {
	version string // 8 hex digits
	since   time.Time
	at      []time.Time
	ended   bool
}

// struck counts a fault of a program. It is called while bars wait, so whatever
// follows from it happens elsewhere.
func (a *activation) struck(f fault) {
	slot, ok := errors.AsType[*wasmhost.SlotError](f.err)
	slow := !ok && errors.Is(f.err, serve.ErrTooSlow)
	a.faults(faultKind(slot, slow))
	if ok && slot.Fault == wasmhost.FaultNone || !ok && !slow {
		return
	}
	a.spawn("strike", func(ctx context.Context) {
		a.log().Warn("an indicator failed", "module", f.module, "ver", f.version, "symbol", f.symbol, "interval", f.interval, "error", f.err)
		if a.count(f) {
			a.takeOut(ctx, f.module)
		}
	})
}

// faultKind is the label of a fault.
func faultKind(slot *wasmhost.SlotError, slow bool) string {
	switch {
	case slow:
		return "slow"
	case slot == nil:
		return "host"
	case slot.Fault == wasmhost.FaultNone:
		return "error"
	}
	return slot.Fault.String()
}

// count adds a strike and tells whether it was the last one.
func (a *activation) count(f fault) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.strikes[f.module]
	if s == nil || s.ended || s.version != f.version {
		return false
	}
	now := a.clock.Now()
	s.at = slices.DeleteFunc(s.at, func(t time.Time) bool { return now.Sub(t) > strikeTime })
	s.at = append(s.at, now)
	s.ended = len(s.at) >= maxStrikes
	return s.ended
}

// takeOut brings back the version before the active one, or leaves none. Should
// another node have done so already, nothing happens.
func (a *activation) takeOut(ctx context.Context, module string) {
	versions, err := a.store.Get(ctx, module)
	if err != nil {
		a.log().Error("a faulty module could not be taken out of service", "module", module, "error", err)
		return
	}
	active, before := registry.ActiveOf(versions), registry.PreviousOf(versions)
	switch {
	case active == nil:
		return
	case before != nil:
		_, err = a.turn(ctx, registry.Switch{Module: module, Version: before.Version, Expect: active.Version, Old: registry.Quarantined}, "watchdog")
	default:
		if _, err = a.store.Deactivate(ctx, module, registry.Quarantined); err == nil {
			_, err = a.refresh(ctx, module)
		}
	}
	if err != nil {
		a.log().Error("a faulty module could not be taken out of service", "module", module, "error", err)
		return
	}
	a.log().Warn("a module was taken out of service after its faults", "module", module, "version", active.Version)
}
