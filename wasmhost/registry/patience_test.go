package registry

import (
	"context"
	"errors"
	"testing"
)

// held is a storage whose lock somebody else has.
type held struct {
	Storage
	cancel context.CancelFunc // of the caller, called while it waits
	ended  error              // why the wait ended
}

func (h *held) Lock(ctx context.Context, _ string) error {
	h.cancel()
	<-ctx.Done()
	h.ended = ctx.Err()
	return ctx.Err()
}

// A lock that somebody else has must not keep a caller longer than he waits: an
// engine that ends would hold up the reload behind it.
func TestACallerIsNotKeptWaitingForTheLock(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context, r *Registry) error{
		"entries": func(ctx context.Context, r *Registry) error {
			return r.Record(ctx, Entry{Action: ActionRefused, Actor: "ann"})
		},
		"a change": func(ctx context.Context, r *Registry) error { return r.Delete(ctx, "mine", "1.0.0") },
	} {
		b := newBed(newDisk())
		ctx, cancel := context.WithCancel(t.Context())
		h := &held{Storage: b.p, cancel: cancel}
		b.cfg.Storage = h
		if err := f(ctx, b.Registry); !errors.Is(err, context.Canceled) || !errors.Is(h.ended, context.Canceled) {
			t.Errorf("%s: %v, the wait for the lock ended with %v", name, err, h.ended)
		}
	}
}

// leaving is a storage whose caller goes away with the first record that is written.
type leaving struct {
	Storage
	cancel context.CancelFunc
	cut    int // calls with a context that has ended
}

func (l *leaving) Store(ctx context.Context, key string, value []byte) error {
	if ctx.Err() != nil {
		l.cut++
	}
	if k, _ := classify(key); k == kindRecord {
		l.cancel()
	}
	return l.Storage.Store(ctx, key, value)
}

func TestACallerThatGoesAwayEndsNoChangeHalfWay(t *testing.T) {
	b := threeVersions(t, newDisk())
	if _, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := &leaving{Storage: b.p, cancel: cancel}
	b.cfg.Storage = l
	if _, err := b.Activate(ctx, Switch{Module: "mine", Version: "1.1.0"}); err != nil || l.cut > 0 {
		t.Errorf("%v, %d writes were cut", err, l.cut)
	}
	if v, err := b.scan(t.Context(), ""); err != nil || len(v.outdone) > 0 || activeOnes(v.sorted()) != 1 {
		t.Errorf("half of it was done: %v", err)
	}
}
