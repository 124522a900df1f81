package caddymodule

import (
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// A module that one node has stored is known to another within an interval.
func TestOtherNodesLearnOfModules(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	quick := *b.engine.lent.newest()
	quick.gen, quick.sync = quick.gen+1, 20*time.Millisecond
	b.engine.lent.add(&quick)
	other := newModules(b.engine.lent, registry.NewGate(), clock.Real(), nil)
	seen := make(chan registry.Change, 10)
	other.watch(func(changes []registry.Change) {
		for _, c := range changes {
			seen <- c
		}
	})
	other.start(t.Context())
	defer other.stop()
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	select {
	case c := <-seen:
		if c.Module != "my-sum" || c.State != registry.Staged {
			t.Errorf("change %+v", c)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was seen")
	}
}

// A reload to another storage in the middle of a change must not leave the old
// one locked, nor put half of the change into the new one.
func TestAReloadDoesNotMoveAChangeUnderWay(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	first, second := b.engine.lent.newest(), &fileStore{dir: t.TempDir()}
	old := first.storage.(*fileStore)
	s := &lentStorage{lent: b.engine.lent}
	if err := s.Lock(t.Context(), "kline_indicators"); err != nil {
		t.Fatal(err)
	}
	next := *first
	next.gen, next.storage = first.gen+1, second
	b.engine.lent.add(&next)
	if err := s.Store(t.Context(), "kline/indicators/revision", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Unlock(t.Context(), "kline_indicators"); err != nil {
		t.Fatal(err)
	}
	if !old.mu.TryLock() {
		t.Error("the old storage is still locked")
	}
	if _, err := old.Load(t.Context(), "kline/indicators/revision"); err != nil {
		t.Errorf("the change went elsewhere: %v", err)
	}
	if err := s.Store(t.Context(), "kline/indicators/revision", []byte("y")); err != nil {
		t.Fatal(err)
	}
	if got, _ := second.Load(t.Context(), "kline/indicators/revision"); string(got) != "y" {
		t.Error("the new storage is not used after the change")
	}
}

// A node whose look for kills had ended in a panic ran what the operator stops until it
// was restarted.
func TestKillsAreLookedForAgainAfterAPanic(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	ended := make(chan error, 10)
	other := newModules(b.engine.lent, registry.NewGate(), clock.Real(), func(err error) { ended <- err })
	looks := make(chan struct{}, 1000)
	calls := 0
	other.watchKills(func(registry.Kills) {
		if calls++; calls <= 2 {
			panic("a list that nobody expected")
		}
		looks <- struct{}{}
	})
	other.start(t.Context())
	defer other.stop()
	for range 2 {
		select {
		case <-looks:
		case <-time.After(time.Minute):
			t.Fatal("nobody looks for kills any more")
		}
	}
	if len(ended) != 2 {
		t.Errorf("%d panics were told, want 2", len(ended))
	}
}
