package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Scope is how far a kill reaches.
type Scope string

// The scopes.
const (
	ScopeModule Scope = "module" // all versions of one module
	ScopeTenant Scope = "tenant" // all modules of one tenant
	ScopeAll    Scope = "all"    // everything that was ever uploaded
)

// Kill keeps uploaded modules from running, wherever they would: no version
// computes, none is activated, none is taken and examined. It stands until it is
// lifted. Configured indicators and bars know nothing of it.
type Kill struct {
	Scope  Scope     `json:"scope"`
	Name   string    `json:"name,omitempty"` // of the module or tenant; empty with ScopeAll
	Since  time.Time `json:"since"`          // UTC
	By     string    `json:"by"`             // identity; foreign text
	Reason string    `json:"reason,omitempty"`
}

// Kills are those that stand.
type Kills []Kill

// Of is the kill that stops a module of a tenant, the widest first; nil: none
// does.
func (k Kills) Of(module, tenant string) *Kill {
	for _, want := range []Kill{{Scope: ScopeAll}, {Scope: ScopeTenant, Name: tenant}, {Scope: ScopeModule, Name: module}} {
		if i := k.index(want.Scope, want.Name); i >= 0 {
			return &k[i]
		}
	}
	return nil
}

func (k Kills) index(s Scope, name string) int {
	return slices.IndexFunc(k, func(o Kill) bool { return o.Scope == s && o.Name == name })
}

// Equal tells whether both stop the same.
func (k Kills) Equal(o Kills) bool {
	return slices.EqualFunc(k, o, func(a, b Kill) bool {
		return a.Scope == b.Scope && a.Name == b.Name && a.By == b.By && a.Reason == b.Reason && a.Since.Equal(b.Since)
	})
}

const (
	killsKey  = "kline/kills"
	killsHead = "caddy-kline kills 1 sha256:"

	// maxKills bounds the list, which every node reads each second.
	maxKills = 1000
)

// errKillsDamaged: nobody knows any more what is stopped, so everything is.
var errKillsDamaged = errors.New("the list of kills is damaged")

// Kills reads what is stopped now, and ends the examination under way if its module
// is. A list that cannot be read because it was damaged stops everything, until
// somebody lifts that; the error is that of a storage which does not answer.
func (r *Registry) Kills(ctx context.Context) (Kills, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	k, err := r.kills(ctx)
	if errors.Is(err, errKillsDamaged) {
		r.report(Problem{Key: killsKey, Reason: err.Error() + ": everything that was uploaded is stopped until the kill of all is lifted"})
		k, err = Kills{{Scope: ScopeAll, By: unknownActor, Reason: errKillsDamaged.Error()}}, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	r.interrupt(k)
	return k, nil
}

func (r *Registry) kills(ctx context.Context) (Kills, error) {
	b, err := r.cfg.Storage.Load(ctx, killsKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the list of kills: %w", err)
	}
	var k Kills
	if err := unseal(killsHead, b, &k); err != nil {
		return nil, fmt.Errorf("%w: %w", errKillsDamaged, err)
	}
	return k, nil
}

func (k *Kill) check() error {
	switch {
	case k.Scope == ScopeAll && k.Name == "", k.Scope == ScopeModule && ValidName(k.Name), k.Scope == ScopeTenant && k.Name != "" && len(k.Name) <= 64:
		return nil
	}
	return refuse(BadName, "a kill is that of a module, of a tenant, or of all")
}

func (k *Kill) entry(a Action, note string) Entry {
	e := Entry{Action: a, Note: note}
	switch k.Scope {
	case ScopeModule:
		e.Module = k.Name
	case ScopeTenant:
		e.Tenant = k.Name
	case ScopeAll:
		e.Module = "*"
	}
	return e
}

// stopped refuses what would run a module that is stopped.
func (c *change) stopped(ctx context.Context, module, tenant string) error {
	return c.r.refuseStopped(ctx, module, tenant)
}

func (r *Registry) refuseStopped(ctx context.Context, module, tenant string) error {
	kills, err := r.Kills(ctx)
	if err != nil {
		return err
	}
	if k := kills.Of(module, tenant); k != nil {
		return k.refusal()
	}
	return nil
}

// refusal is the answer to who asks for what is stopped.
func (k *Kill) refusal() *Refusal {
	what := map[Scope]string{ScopeModule: "this module", ScopeTenant: "the modules of this tenant", ScopeAll: "all uploaded modules"}[k.Scope]
	text := "the operator has stopped " + what
	if k.Reason != "" {
		text += ": " + k.Reason
	}
	return refuse(Stopped, text)
}
