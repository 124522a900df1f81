package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
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
	kind := faultKind(slot, slow)
	a.faults(kind)
	if ok && slot.Fault == wasmhost.FaultNone || !ok && !slow {
		return
	}
	if ok && slot.Case != nil {
		// In a chain any of its modules may be the one that failed: a fault must not
		// count against another tenant's that only reads its values.
		f.module, f.version = slot.Case.Instance.Module.Name, slot.Case.Instance.Ver
	}
	if f.module == "" {
		// Nobody measures which of a chain took the time: any reader can put a slow
		// module into the src of one that is not.
		return
	}
	a.spawn("strike", func(ctx context.Context) {
		a.log().Warn("an indicator failed", "module", f.module, "ver", f.version, "symbol", f.symbol, "interval", f.interval, "error", f.err)
		counted, last := a.count(f)
		if counted { // beside what follows: a slow storage must not keep the version in service
			a.spawn("entry of a strike", func(ctx context.Context) { a.keep(ctx, f, kind, slot) })
		}
		if last {
			a.takeOut(ctx, f)
		}
	})
}

// keep enters a strike into the audit log, with the file that repeats it.
func (a *activation) keep(ctx context.Context, f fault, kind string, slot *wasmhost.SlotError) {
	rec := a.recordOf(f)
	if rec == nil {
		return
	}
	s := registry.Strike{
		Module: rec.Module, Version: rec.Version, SHA256: rec.SHA256, Tenant: rec.Tenant, Fault: kind, Where: f.symbol + " " + f.interval,
	}
	if slot != nil && slot.Case != nil {
		repro := vet.MakeRepro(slot.Case, slot.Fault, slot.Text)
		// Finite numbers and texts: it cannot fail.
		s.Repro, _ = json.MarshalIndent(repro, "", "\t")
		id := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", repro.Expression, repro.IntervalMS, repro.Fault))
		s.ReproID = hex.EncodeToString(id[:8])
	}
	a.insist(ctx, f, "a strike could not be entered into the audit log yet", func() error { return a.store.Strike(ctx, s) })
}

// recordOf is the version that failed, nil if it is gone.
func (a *activation) recordOf(f fault) *registry.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.known[f.module] {
		if strings.HasPrefix(r.SHA256, f.version) {
			return &r
		}
	}
	return nil
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

// count adds a strike, and tells whether it was the last one.
func (a *activation) count(f fault) (counted, last bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.strikes[f.module]
	if s == nil || s.ended || s.version != f.version {
		return false, false
	}
	now := a.clock.Now()
	s.at = slices.DeleteFunc(s.at, func(t time.Time) bool { return now.Sub(t) > strikeTime })
	s.at = append(s.at, now)
	s.ended = len(s.at) >= maxStrikes
	return true, s.ended
}

// insistAgain is how long a version stays in service whose end could not be
// written, before that is tried again: nothing that it computes is a new strike.
const insistAgain = 5 * time.Second

// takeOut ends the version that has failed.
func (a *activation) takeOut(ctx context.Context, f fault) {
	ctx = registry.By(ctx, registry.Actor{ID: "watchdog"})
	a.insist(ctx, f, "a faulty module could not be taken out of service yet", func() error { return a.replace(ctx, f) })
}

// insist writes what follows from a fault, whatever becomes of the storage
// meanwhile. A refusal is its end: by now another version is active, or the operator
// has stopped the module.
func (a *activation) insist(ctx context.Context, f fault, failed string, write func() error) {
	for told := false; ; told = true {
		err := write()
		if r, refused := errors.AsType[*registry.Refusal](err); err == nil || refused && r.Reason != registry.Unavailable && r.Reason != registry.Full {
			return
		}
		if !told {
			a.log().Error(failed, "module", f.module, "ver", f.version, "error", err)
		}
		timer := a.clock.NewTimer(insistAgain)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// replace brings back the version before the one that has failed, or leaves none.
// Every node sees the same fault at the same bar: should another one have done so
// already, what is active now has done nothing.
func (a *activation) replace(ctx context.Context, f fault) error {
	versions, err := a.store.Get(ctx, f.module)
	if err != nil {
		return err
	}
	active, before := registry.ActiveOf(versions), registry.PreviousOf(versions)
	if active == nil || !strings.HasPrefix(active.SHA256, f.version) {
		return nil
	}
	if before != nil {
		_, err = a.turn(ctx, registry.Switch{Module: f.module, Version: before.Version, Expect: active.Version, Old: registry.Quarantined, Why: registry.ActionQuarantine}, "watchdog")
	} else if _, err = a.store.Deactivate(ctx, f.module, active.Version, registry.Quarantined); err == nil {
		_, err = a.refresh(ctx, f.module)
	}
	if err == nil {
		a.log().Warn("a module was taken out of service after its faults", "module", f.module, "version", active.Version)
	}
	return err
}
