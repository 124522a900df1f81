package registry

import (
	"context"
	"slices"
)

// Sweep removes what killed processes left behind. It takes the lock only if
// there is something.
func (r *Registry) Sweep(ctx context.Context) error {
	v, err := r.look(ctx)
	if err != nil {
		return err
	}
	if len(v.leftovers()) == 0 && len(v.outdone) == 0 {
		return nil
	}
	return r.change(ctx, func(context.Context, *change) error { return nil })
}

// leftovers are the keys of what no record names, and of writes that were killed.
// While a record is damaged all bytes stay: they may be those it named.
func (v *view) leftovers() []string {
	keys := slices.Clone(v.halves)
	if len(v.damaged) > 0 {
		return keys
	}
	used := v.sums()
	for sum := range v.bytes {
		if !used[sum] {
			keys = append(keys, bytesKey(sum))
		}
	}
	return keys
}

// sweep removes the leftovers, for as long as the lock is certain.
func (c *change) sweep(ctx context.Context) {
	for _, key := range c.v.leftovers() {
		if c.late() {
			return
		}
		if err := c.r.cfg.Storage.Delete(ctx, key); err != nil {
			c.r.report(Problem{Key: key, Reason: "a leftover could not be removed: " + err.Error()})
		}
	}
}
