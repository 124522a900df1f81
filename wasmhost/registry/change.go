package registry

import (
	"context"
	"crypto/rand"
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
	v      *view // what is there, kept up to date with what was written; of a kill what was seen last
	began  time.Time
	dirty  bool // a record was written or deleted
	unsure bool // a write failed and may have happened nevertheless

	entry   Entry // what the audit log says of this change; without an action nothing
	entered *bool // it does so already, in this attempt or the one before
}

// change runs f under the lock, with a scan of its own. What f has written is
// announced, and what killed writers left behind is removed. The caller's patience
// ends the wait for the lock, but no change half way; a time limit of its own does.
func (r *Registry) change(ctx context.Context, f func(ctx context.Context, c *change) error) error {
	return r.attempts(ctx, func(wait, ctx context.Context, entered *bool) error { return r.attempt(wait, ctx, entered, f) })
}

// attempts runs f until it ends with its lock for certain. f waits for the lock with
// the first context and works with the second.
func (r *Registry) attempts(ctx context.Context, f func(wait, ctx context.Context, entered *bool) error) error {
	wait, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	return alone(wait, r.changing, func() error {
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
		defer cancel()
		entered := false
		err := f(wait, work, &entered)
		for i := 1; i < maxAttempts && errors.Is(err, errLate); i++ {
			err = f(work, work, &entered) // the one before may have written
		}
		if errors.Is(err, errLate) || errors.Is(err, context.DeadlineExceeded) {
			return unavailable(err)
		}
		return err
	})
}

func (r *Registry) attempt(wait, ctx context.Context, entered *bool, f func(ctx context.Context, c *change) error) error {
	return r.underLock(wait, func() error {
		began := r.cfg.Now()
		v, err := r.scan(ctx, "")
		if err != nil {
			return unavailable(err)
		}
		c := &change{r: r, v: v, began: began, entered: entered}
		if err = c.settle(ctx); err == nil {
			err = f(ctx, c)
		}
		return errors.Join(err, c.end(ctx))
	})
}

// locked runs f, which writes one value, under the lock without a scan.
func (r *Registry) locked(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
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

// settle writes down what the view says of versions whose activation was killed
// half way. The entry of that activation stands in the audit log.
func (c *change) settle(ctx context.Context) error {
	for _, key := range c.v.outdone {
		if err := c.put(ctx, new(c.v.records[key])); err != nil {
			return err
		}
	}
	return nil
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
	c.doubt(ctx)
	if !c.unsure {
		c.sweep(ctx)
	}
	c.r.mu.Lock()
	c.r.seen = nil // the next reader scans
	c.r.mu.Unlock()
	return nil
}

// doubt notes in the audit log that a write failed which may have happened.
func (c *change) doubt(ctx context.Context) {
	if !c.unsure || !*c.entered {
		return
	}
	doubt := c.entry
	doubt.Result = ResultUnsure
	if err := c.r.record(ctx, doubt); err != nil {
		c.r.report(Problem{Key: auditFolder, Reason: "that a write failed could not be noted: " + err.Error()})
	}
}

func (c *change) late() bool { return c.r.cfg.Now().Sub(c.began) > lockBudget }
