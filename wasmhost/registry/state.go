package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
)

// State is what is known of a version's life. The engine decides it; the
// record repeats it.
type State string

// The states.
const (
	Staged      State = "staged"      // stored and checked, computes nothing
	Shadow      State = "shadow"      // computes beside the active version, not published
	Active      State = "active"      // its values are published
	Retired     State = "retired"     // it was active
	Quarantined State = "quarantined" // it was taken out of service by its faults
)

func (s State) known() bool {
	switch s {
	case Staged, Shadow, Active, Retired, Quarantined:
		return true
	}
	return false
}

// SetState records what the engine decided about a version, with the comparison
// of its shadow run if there is one. A module has at most one active version: the
// one before becomes retired first; and one in its shadow run: that of another one
// ends. Repeating it changes nothing, so that every node may report what all of
// them see; neither does what somebody else has decided otherwise meanwhile: an
// active version becomes no shadow, and only a shadow run becomes staged, which
// makes it what it was before.
func (r *Registry) SetState(ctx context.Context, module, version string, s State, comparison json.RawMessage) error {
	if !s.known() {
		return fmt.Errorf("setting the state of %s %s: %q is no state", module, version, s)
	}
	v, err := r.look(ctx)
	if err != nil {
		return err
	}
	if settled(v, module, version, s, comparison) {
		return nil
	}
	return r.change(ctx, func(ctx context.Context, c *change) error {
		rec, ok := c.v.records[recordKey(module, version)]
		if !ok {
			return refuse(NotFound, "there is no such module or version")
		}
		if settled(c.v, module, version, s, comparison) || s == Shadow && rec.State == Active || s == Staged && rec.State != Shadow {
			return nil
		}
		c.entry = Entry{Action: ActionState, Module: module, Version: version, ModuleSHA256: rec.SHA256, Note: string(s)}
		if s == Shadow {
			c.entry.Action = ActionShadow
			if err := c.stopped(ctx, module, rec.Tenant); err != nil {
				return err
			}
			if err := c.endShadows(ctx, module, version); err != nil {
				return err
			}
		}
		if s == Active {
			if err := c.retireOthers(ctx, &rec); err != nil {
				return err
			}
		}
		switch {
		case rec.State == s:
		case s == Staged:
			c.endShadow(&rec)
		default:
			rec.Before = ""
			if s == Shadow {
				rec.Before = rec.State
			}
			rec.State, rec.Since = s, r.cfg.Now().UTC()
		}
		if comparison != nil {
			rec.Comparison = comparison
		}
		return c.put(ctx, &rec)
	})
}

// settled tells whether a state needs no write.
func settled(v *view, module, version string, s State, comparison json.RawMessage) bool {
	for _, rec := range v.versions(module) {
		if rec.Version == version && (rec.State != s || comparison != nil && !bytes.Equal(compact(rec.Comparison), compact(comparison))) {
			return false
		}
		if rec.Version != version && rec.State == Active && s == Active {
			return false
		}
	}
	_, there := v.records[recordKey(module, version)]
	return there
}

// compact makes documents comparable that went through an indented record.
func compact(doc json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, doc) != nil {
		return doc
	}
	return b.Bytes()
}

func (c *change) retireOthers(ctx context.Context, active *Record) error {
	for _, other := range c.v.versions(active.Module) {
		if other.Version == active.Version || other.State != Active {
			continue
		}
		other.State, other.Since = Retired, c.r.cfg.Now().UTC()
		if err := c.put(ctx, &other); err != nil {
			return err
		}
	}
	return nil
}

// endShadows ends the shadow runs of a module but that of one version: they compare
// with what is not active any more, or are not wanted.
func (c *change) endShadows(ctx context.Context, module, but string) error {
	for _, other := range c.v.versions(module) {
		if other.Version == but || other.State != Shadow {
			continue
		}
		c.endShadow(&other)
		if err := c.put(ctx, &other); err != nil {
			return err
		}
	}
	return nil
}

// endShadow makes a version what it was before its run.
func (c *change) endShadow(r *Record) {
	r.State, r.Since, r.Before = cmp.Or(r.Before, Staged), c.r.cfg.Now().UTC(), ""
}
