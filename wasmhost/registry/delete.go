package registry

import (
	"context"
	"fmt"
)

// Delete removes one version of a module, or all of them with an empty version.
// A version that is active or in its shadow run is in use, and then nothing is
// removed.
func (r *Registry) Delete(ctx context.Context, module, version string) error {
	return r.change(ctx, func(ctx context.Context, c *change) error {
		var doomed []Record
		for _, rec := range c.v.versions(module) {
			if version != "" && rec.Version != version {
				continue
			}
			if rec.State == Active || rec.State == Shadow {
				return refuse(Conflict, fmt.Sprintf("version %s is %s: activate another one or deactivate the module first", rec.Version, rec.State))
			}
			doomed = append(doomed, rec)
		}
		if version != "" && c.v.damaged[recordKey(module, version)] {
			return damagedThere(module, version)
		}
		if len(doomed) == 0 {
			return refuse(NotFound, "there is no such module or version")
		}
		c.entry = Entry{Action: ActionDelete, Module: module, Version: version, Tenant: doomed[0].Tenant}
		if version != "" {
			c.entry.ModuleSHA256 = doomed[0].SHA256
		}
		for i := range doomed {
			if err := c.remove(ctx, &doomed[i]); err != nil {
				return err
			}
		}
		c.forgetRepros(ctx, doomed)
		return nil
	})
}

func damagedThere(module, version string) error {
	return refuse(DamagedThere, fmt.Sprintf("the record of %s %s is there and cannot be read: the operator has to restore or remove the key %s",
		module, version, recordKey(module, version)))
}
