package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Stop adds a kill. One of the same scope and name is left as it is.
func (r *Registry) Stop(ctx context.Context, k Kill) error {
	if err := k.check(); err != nil {
		return err
	}
	k.Reason, k.By, k.Since = bounded(k.Reason), bounded(actorOf(ctx).ID), r.cfg.Now().UTC()
	return r.changeKills(ctx, func(ctx context.Context, c *change) error {
		list, err := r.kills(ctx)
		switch {
		case errors.Is(err, errKillsDamaged):
			return refuse(DamagedThere, "the list of kills is damaged, and everything is stopped: lift the kill of all first, which writes the list anew")
		case err != nil:
			return unavailable(err)
		case list.index(k.Scope, k.Name) >= 0:
			return nil
		case len(list) >= maxKills:
			return &Refusal{Reason: Full, Limit: maxKills, Message: fmt.Sprintf("%d kills stand, which is all that there may be: stop tenants, or all", len(list))}
		}
		c.entry = k.entry(ActionKill, k.Reason)
		return c.putKills(ctx, append(list, k))
	})
}

// Lift removes a kill; NotFound if there is none.
func (r *Registry) Lift(ctx context.Context, s Scope, name string) error {
	k := Kill{Scope: s, Name: name}
	if err := k.check(); err != nil {
		return err
	}
	return r.changeKills(ctx, func(ctx context.Context, c *change) error {
		list, err := r.kills(ctx)
		damaged := errors.Is(err, errKillsDamaged)
		if err != nil && !damaged {
			return unavailable(err)
		}
		c.entry = k.entry(ActionLift, "")
		if damaged && s == ScopeAll {
			c.entry.Note = "the list was damaged and is empty now"
			return c.putKills(ctx, Kills{})
		}
		i := list.index(s, name)
		if i < 0 {
			return refuse(NotFound, "nothing is stopped under this name")
		}
		return c.putKills(ctx, slices.Delete(list, i, i+1))
	})
}

// Meets tells whether a kill would stop anything that is stored. The error says why
// nobody knows, which is no reason not to stop it.
func (r *Registry) Meets(ctx context.Context, k Kill) (bool, error) {
	v, err := r.look(ctx)
	if err != nil {
		return false, err
	}
	for _, rec := range v.records {
		if (Kills{k}).Of(rec.Module, rec.Tenant) != nil {
			return true, nil
		}
	}
	if n := len(v.damaged); n > 0 {
		return false, fmt.Errorf("looking for what a kill stops: %w: %d records cannot be read", ErrDamaged, n)
	}
	return false, nil
}

// changeKills runs f, which changes the list of kills, under the lock. It reads and
// writes no record: one that cannot be read may be that of what has to stop.
func (r *Registry) changeKills(ctx context.Context, f func(ctx context.Context, c *change) error) error {
	return r.attempts(ctx, func(wait, ctx context.Context, entered *bool) error {
		return r.underLock(wait, func() error {
			c := &change{r: r, v: r.lastView(), began: r.cfg.Now(), entered: entered}
			err := f(ctx, c)
			c.doubt(ctx)
			return err
		})
	})
}

func (c *change) putKills(ctx context.Context, list Kills) error {
	b, err := seal(killsHead, list)
	if err != nil {
		return fmt.Errorf("encoding the list of kills: %w", err)
	}
	if err := c.enter(ctx); err != nil {
		return err
	}
	if err := c.r.cfg.Storage.Store(ctx, killsKey, b); err != nil {
		c.unsure = true
		return unavailable(fmt.Errorf("writing the list of kills: %w", err))
	}
	return nil
}
