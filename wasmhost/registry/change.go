package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// changeTimeout bounds a change with its wait for the lock. A storage of
	// files takes 10 s to free the lock of a process that was killed.
	changeTimeout = 30 * time.Second

	// lockBudget is how long the lock is believed. A process that stood still
	// for longer may have lost it: another one may have written meanwhile.
	lockBudget = 5 * time.Second

	maxAttempts = 3
)

// errLate ends an attempt whose lock may be lost. The change begins anew.
var errLate = errors.New("the lock of the registry was held for too long")

// change is one attempt to change the storage, under its lock.
type change struct {
	r      *Registry
	v      *view // what is there, kept up to date with what was written
	began  time.Time
	dirty  bool // a record was written or deleted
	unsure bool // a write failed and may have happened nevertheless

	entry   Entry // what the audit log says of this change; without an action nothing
	entered *bool // it does so already, in this attempt or the one before
}

// change runs f under the lock, with a scan of its own. What f has written is
// announced, and what killed writers left behind is removed. The client's
// patience does not end a change half way; its own time limit does.
func (r *Registry) change(ctx context.Context, f func(ctx context.Context, c *change) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	return alone(ctx, r.changing, func() error {
		err, entered := errLate, false
		for i := 0; i < maxAttempts && errors.Is(err, errLate); i++ {
			err = r.attempt(ctx, &entered, f)
		}
		if errors.Is(err, errLate) || errors.Is(err, context.DeadlineExceeded) {
			return unavailable(err)
		}
		return err
	})
}

func (r *Registry) attempt(ctx context.Context, entered *bool, f func(ctx context.Context, c *change) error) error {
	return r.underLock(ctx, func() error {
		began := r.cfg.Now()
		v, err := r.scan(ctx, "")
		if err != nil {
			return unavailable(err)
		}
		c := &change{r: r, v: v, began: began, entered: entered}
		err = f(ctx, c)
		return errors.Join(err, c.end(ctx))
	})
}

// locked runs f under the lock without a scan.
func (r *Registry) locked(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	return alone(ctx, r.changing, func() error { return r.underLock(ctx, func() error { return f(ctx) }) })
}

func (r *Registry) underLock(ctx context.Context, f func() error) error {
	if err := r.cfg.Storage.Lock(ctx, lockName); err != nil {
		return unavailable(fmt.Errorf("locking the registry: %w", err))
	}
	defer func() {
		// Without the caller's deadline: a lock that is kept stops everybody.
		unlock, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockBudget)
		defer cancel()
		if e := r.cfg.Storage.Unlock(unlock, lockName); e != nil {
			r.report(Problem{Key: lockName, Reason: "the lock could not be given back: " + e.Error()})
		}
	}()
	return f()
}

// enter writes the entry of the change into the audit log, before its first
// effect. Without the entry the change does not happen.
func (c *change) enter(ctx context.Context) error {
	if c.late() {
		return errLate
	}
	if *c.entered || c.entry.Action == "" {
		return nil
	}
	c.fill(ctx)
	if err := c.r.record(ctx, c.entry); err != nil {
		return unavailable(err)
	}
	*c.entered = true
	if c.late() {
		return errLate
	}
	return nil
}

// fill completes the entry.
func (c *change) fill(ctx context.Context) {
	e := &c.entry
	by := actorOf(ctx)
	if e.Actor == "" {
		e.Actor = by.ID
	}
	e.Address = by.Address
	if e.Result == "" {
		e.Result = ResultDone
	}
	if tenant, ok := c.v.owner(e.Module); ok && e.Tenant == "" {
		e.Tenant = tenant
	}
}

// end announces what was written and removes leftovers. After a failed write
// nothing is removed: a record that may be there after all needs its bytes.
func (c *change) end(ctx context.Context) error {
	if c.dirty || c.unsure {
		c.v.revision = rand.Text()
		if err := c.r.cfg.Storage.Store(ctx, revisionKey, []byte(c.v.revision)); err != nil {
			// What was written stands. Others see it when their scan is old.
			c.r.report(Problem{Key: revisionKey, Reason: "the revision could not be written: " + err.Error()})
		}
	}
	if c.unsure && *c.entered {
		doubt := c.entry
		doubt.Result = ResultUnsure
		if err := c.r.record(ctx, doubt); err != nil {
			c.r.report(Problem{Key: auditFolder, Reason: "that a write failed could not be noted: " + err.Error()})
		}
	}
	if !c.unsure {
		c.sweep(ctx)
	}
	c.r.mu.Lock()
	c.r.seen = nil // the next reader scans
	c.r.mu.Unlock()
	return nil
}

// sweep removes what no record names. While a record is damaged all bytes
// stay: they may be those it named.
func (c *change) sweep(ctx context.Context) {
	garbage := c.v.halves
	if used := c.v.sums(); len(c.v.damaged) == 0 {
		for sum := range c.v.bytes {
			if !used[sum] {
				garbage = append(garbage, bytesKey(sum))
			}
		}
	}
	for _, key := range garbage {
		if c.late() {
			return
		}
		if err := c.r.cfg.Storage.Delete(ctx, key); err != nil {
			c.r.report(Problem{Key: key, Reason: "a leftover could not be removed: " + err.Error()})
		}
	}
}

func (c *change) late() bool { return c.r.cfg.Now().Sub(c.began) > lockBudget }

// put writes a record, last.
func (c *change) put(ctx context.Context, rec *Record) error {
	b, err := rec.encode()
	if err != nil {
		return err
	}
	if err := c.enter(ctx); err != nil {
		return err
	}
	if err := c.r.cfg.Storage.Store(ctx, rec.key(), b); err != nil {
		c.unsure = true
		return unavailable(fmt.Errorf("writing the record of %s %s: %w", rec.Module, rec.Version, err))
	}
	c.v.records[rec.key()], c.dirty = *rec, true
	return nil
}

// putBytes writes a module.
func (c *change) putBytes(ctx context.Context, sum string, wasm []byte) error {
	if err := c.r.cfg.Storage.Store(ctx, bytesKey(sum), wasm); err != nil {
		return unavailable(fmt.Errorf("writing module sha256:%s: %w", sum[:8], err))
	}
	c.v.bytes[sum] = true
	return nil
}

// remove deletes a record; its bytes are a leftover then.
func (c *change) remove(ctx context.Context, rec *Record) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	if err := c.r.cfg.Storage.Delete(ctx, rec.key()); err != nil {
		c.unsure = true
		return unavailable(fmt.Errorf("deleting the record of %s %s: %w", rec.Module, rec.Version, err))
	}
	delete(c.v.records, rec.key())
	c.dirty = true
	return nil
}

// Sweep removes what killed processes left behind. It takes the lock only if
// there is something.
func (r *Registry) Sweep(ctx context.Context) error {
	v, err := r.look(ctx)
	if err != nil {
		return err
	}
	used, clean := v.sums(), len(v.halves) == 0
	for sum := range v.bytes {
		clean = clean && (used[sum] || len(v.damaged) > 0)
	}
	if clean {
		return nil
	}
	return r.change(ctx, func(context.Context, *change) error { return nil })
}

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

// SetState records what the engine decided about a version, with the comparison
// of its shadow run if there is one. A module has at most one active version:
// the one before becomes retired first. Repeating it changes nothing, so that
// every node may report what all of them see.
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
		if settled(c.v, module, version, s, comparison) {
			return nil
		}
		c.entry = Entry{Action: ActionState, Module: module, Version: version, ModuleSHA256: rec.SHA256, Note: string(s)}
		if s == Shadow {
			c.entry.Action = ActionShadow
			if err := c.stopped(ctx, module, rec.Tenant); err != nil {
				return err
			}
		}
		if s == Active {
			if err := c.retireOthers(ctx, &rec); err != nil {
				return err
			}
		}
		if rec.State != s {
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

func damagedThere(module, version string) error {
	return refuse(DamagedThere, fmt.Sprintf("the record of %s %s is there and cannot be read: the operator has to restore or remove the key %s",
		module, version, recordKey(module, version)))
}
