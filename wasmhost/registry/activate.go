package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Switch asks for another active version of a module.
type Switch struct {
	Module, Version string
	// Expect is the version that has to be active, if it is not empty: of two
	// nodes that give up one version, the second finds that it is gone.
	Expect string
	// Lead is how far ahead the first bars are that the version computes, where
	// another one is active: every node has to know by then. Without another one
	// it computes all bars.
	Lead time.Duration
	// Old is what becomes of the version before: Retired or Quarantined.
	Old State
	// Comparison is that of the shadow run, nil: the record keeps what it has.
	Comparison json.RawMessage
	// Why is what the audit log calls it. Default: ActionActivate.
	Why Action
}

// Activate makes a version the active one. It writes the record of the new
// version before that of the old: a process that is killed in between leaves two
// active versions, of which the one with the higher turn counts, and the next
// change puts it right. A version that is active already is left as it is.
func (r *Registry) Activate(ctx context.Context, s Switch) (Record, error) {
	var out Record
	err := r.change(ctx, func(ctx context.Context, c *change) error {
		versions := c.v.versions(s.Module)
		rec, ok := c.v.records[recordKey(s.Module, s.Version)]
		if !ok {
			return refuse(NotFound, "there is no such module or version")
		}
		c.entry = Entry{Action: s.Why, Module: s.Module, Version: s.Version, Tenant: rec.Tenant, ModuleSHA256: rec.SHA256}
		if s.Why == "" {
			c.entry.Action = ActionActivate
		}
		if err := c.stopped(ctx, s.Module, rec.Tenant); err != nil {
			return err
		}
		active := ActiveOf(versions)
		done := active != nil && active.Version == s.Version && active.ousts(s.Expect)
		if s.Expect != "" && !done && (active == nil || active.Version != s.Expect) {
			return refuse(Conflict, fmt.Sprintf("version %s is not active any more", s.Expect))
		}
		if active != nil && active.Version == rec.Version {
			out = rec
			return c.retire(ctx, &rec, s.Old)
		}
		now := r.cfg.Now().UTC()
		rec.Earlier = rec.Turns()
		rec.Earlier = rec.Earlier[max(len(rec.Earlier)-maxEarlier, 0):]
		rec.State, rec.Since, rec.Turn, rec.From, rec.Ousted, rec.Before = Active, now, lastTurn(versions)+1, 0, nil, ""
		if active != nil {
			rec.Ousted = &Ousted{active.Version, cmp.Or(s.Old, Retired)}
			rec.From = now.Add(s.Lead).UnixMilli()
		}
		if s.Comparison != nil {
			rec.Comparison = s.Comparison
		}
		if err := c.put(ctx, &rec); err != nil {
			return err
		}
		out = rec
		if err := c.retire(ctx, &rec, s.Old); err != nil {
			return err
		}
		return c.endShadows(ctx, s.Module, s.Version)
	})
	return out, err
}

// ousts tells whether r has taken the place of a version.
func (r *Record) ousts(version string) bool { return r.Ousted != nil && r.Ousted.Version == version }

// Deactivate leaves a module without an active version and without one in its shadow
// run; old is what becomes of the one before. It is false if there was neither, or
// another version is active than expect, if that is not empty.
func (r *Registry) Deactivate(ctx context.Context, module, expect string, old State) (was bool, err error) {
	err = r.change(ctx, func(ctx context.Context, c *change) error {
		versions := c.v.versions(module)
		active := ActiveOf(versions)
		if active == nil {
			active = newest(versions, func(r *Record) bool { return r.State == Shadow })
		}
		if was = active != nil && (expect == "" || active.Version == expect); !was {
			return nil
		}
		c.entry = Entry{Action: ActionDeactivate, Module: module, Version: active.Version, ModuleSHA256: active.SHA256, Tenant: active.Tenant}
		if old == Quarantined {
			c.entry.Action = ActionQuarantine
		}
		if err := c.retire(ctx, &Record{Module: module}, old); err != nil {
			return err
		}
		return c.endShadows(ctx, module, "")
	})
	return was, err
}

// retire ends every active version but the one that is kept.
func (c *change) retire(ctx context.Context, kept *Record, old State) error {
	if old == "" {
		old = Retired
	}
	for _, other := range c.v.versions(kept.Module) {
		if other.Version == kept.Version || other.State != Active {
			continue
		}
		other.State, other.Since = old, c.r.cfg.Now().UTC()
		if err := c.put(ctx, &other); err != nil {
			return err
		}
	}
	return nil
}

// ActiveOf is the version of a module that is active, nil for none.
func ActiveOf(versions []Record) *Record {
	return newest(versions, func(r *Record) bool { return r.State == Active })
}

// PreviousOf is the version that a rollback brings back: the one that was active
// last before. It is nil if there is none, or none but quarantined ones.
func PreviousOf(versions []Record) *Record {
	active := ActiveOf(versions)
	return newest(versions, func(r *Record) bool {
		return r.Turn > 0 && r.State != Quarantined && (active == nil || r.Turn < active.Turn)
	})
}

func newest(versions []Record, fits func(*Record) bool) *Record {
	var best *Record
	for i := range versions {
		if v := &versions[i]; fits(v) && (best == nil || v.Turn > best.Turn) {
			best = v
		}
	}
	return best
}

func lastTurn(versions []Record) int64 {
	var n int64
	for i := range versions {
		n = max(n, versions[i].Turn)
	}
	return n
}
