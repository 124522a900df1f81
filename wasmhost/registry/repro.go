package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Repros are faults of stored versions, each in one file that repeats it. They
// live beside the registry under the sum of the version's bytes: whose they are
// follows from its record.
const (
	reproFolder = "kline/repros"
	reproDigits = 16 // of the number of a repro, in hex

	// MaxRepro bounds one file, in bytes: a state of 64 KiB in base64 and a bar.
	MaxRepro = 128 << 10
	// maxVersionRepros and maxTenantRepros bound how many are kept.
	maxVersionRepros = 4
	maxTenantRepros  = 32
)

// Strike is a fault that counts against a version.
type Strike struct {
	Module, Version, SHA256, Tenant string
	Fault                           string // the word of a wasmhost.Fault, or slow
	Where                           string // symbol and interval; foreign text
	// ReproID tells faults of one version apart, 16 hex digits; the second of the
	// same is not kept. Repro is the file, nil where there is nothing to repeat.
	ReproID string
	Repro   []byte
}

func reproKey(sum, id string) string { return reproFolder + "/" + sum + "-" + id + recordSuffix }

// reproOf takes a key apart; empty if it is none.
func reproOf(key string) (sum, id string) {
	name, ok := strings.CutSuffix(path.Base(key), recordSuffix)
	sum, id, cut := strings.Cut(name, "-")
	if !ok || !cut || !validSum(sum) || !validReproID(id) || reproKey(sum, id) != key {
		return "", ""
	}
	return sum, id
}

func validReproID(id string) bool {
	return len(id) == reproDigits && strings.Trim(id, "0123456789abcdef") == ""
}

// repros lists the numbers by the sum of their version.
func (r *Registry) repros(ctx context.Context) (map[string][]string, error) {
	keys, err := r.listing(ctx, reproFolder)
	if err != nil {
		return nil, fmt.Errorf("listing repros: %w", err)
	}
	out := map[string][]string{}
	for _, key := range keys {
		if sum, id := reproOf(key); sum != "" {
			out[sum] = append(out[sum], id)
		}
	}
	for _, ids := range out {
		slices.Sort(ids)
	}
	return out, nil
}

// Repros lists the faults that are kept of the bytes with a sum.
func (r *Registry) Repros(ctx context.Context, sum string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all, err := r.repros(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	return all[sum], nil
}

// ReproCounts is how many faults are kept, by the sum of the bytes.
func (r *Registry) ReproCounts(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all, err := r.repros(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	out := make(map[string]int, len(all))
	for sum, ids := range all {
		out[sum] = len(ids)
	}
	return out, nil
}

// Repro returns one of them.
func (r *Registry) Repro(ctx context.Context, sum, id string) ([]byte, error) {
	if !validSum(sum) || !validReproID(id) {
		return nil, refuse(NotFound, "there is no such fault")
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	b, err := r.cfg.Storage.Load(ctx, reproKey(sum, id))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refuse(NotFound, "there is no such fault")
	case err != nil:
		return nil, unavailable(fmt.Errorf("reading a repro: %w", err))
	case len(b) > MaxRepro:
		return nil, refuse(NotFound, "the file of this fault is larger than any that was written")
	}
	return b, nil
}

// Strike notes a fault in the audit log and keeps its repro, if there is room
// and the fault is not there yet. The note is what counts: an error is about
// that.
func (r *Registry) Strike(ctx context.Context, s Strike) error {
	return r.change(ctx, func(ctx context.Context, c *change) error {
		c.entry = Entry{
			Action: ActionStrike, Result: s.Fault, Tenant: s.Tenant, Module: s.Module, Version: s.Version, ModuleSHA256: s.SHA256, Note: s.Where,
		}
		if err := c.enter(ctx); err != nil {
			return err
		}
		if len(s.Repro) == 0 || len(s.Repro) > MaxRepro || !validSum(s.SHA256) || !validReproID(s.ReproID) {
			return nil
		}
		if err := c.keep(ctx, &s); err != nil {
			c.r.report(Problem{Key: reproKey(s.SHA256, s.ReproID), Reason: "a repro could not be kept: " + err.Error()})
		}
		return nil
	})
}

// keep writes a repro, within the bounds.
func (c *change) keep(ctx context.Context, s *Strike) error {
	all, err := c.r.repros(ctx)
	if err != nil {
		return err
	}
	used := c.v.sums()
	if !used[s.SHA256] || len(all[s.SHA256]) >= maxVersionRepros || slices.Contains(all[s.SHA256], s.ReproID) {
		return nil
	}
	if err := c.dropRepros(ctx, all, used, s.Tenant); err != nil {
		return err
	}
	if c.late() {
		return errLate
	}
	return c.r.cfg.Storage.Store(ctx, reproKey(s.SHA256, s.ReproID), s.Repro)
}

// dropRepros removes those of versions that are gone, and makes room in a tenant
// that has as many as it may by those of its oldest version.
func (c *change) dropRepros(ctx context.Context, all map[string][]string, used map[string]bool, tenant string) error {
	var doomed []string
	var oldest *Record
	count := 0
	for sum := range all {
		if !used[sum] {
			doomed = append(doomed, sum)
		}
	}
	for _, rec := range c.v.sorted() {
		if rec.Tenant != tenant || len(all[rec.SHA256]) == 0 {
			continue
		}
		count += len(all[rec.SHA256])
		if oldest == nil || rec.Time.Before(oldest.Time) {
			oldest = &rec
		}
	}
	if count >= maxTenantRepros {
		doomed = append(doomed, oldest.SHA256)
	}
	for _, sum := range doomed {
		for _, id := range all[sum] {
			if err := c.r.cfg.Storage.Delete(ctx, reproKey(sum, id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetRepros removes those of a version that is being deleted. One that stays
// is found and removed with the next that is kept.
func (c *change) forgetRepros(ctx context.Context, doomed []Record) {
	all, err := c.r.repros(ctx)
	for i := range doomed {
		for _, id := range all[doomed[i].SHA256] {
			if err == nil {
				err = c.r.cfg.Storage.Delete(ctx, reproKey(doomed[i].SHA256, id))
			}
		}
	}
	if err != nil {
		c.r.report(Problem{Key: reproFolder, Reason: "the repros of a deleted version could not be removed: " + err.Error()})
	}
}
