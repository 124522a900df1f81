package caddymodule

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// bodilessStore is a storage that does not give modules for a while.
type bodilessStore struct {
	outageStore
	only string // the sum of the one that it does not give, empty: none is given
}

func (s *bodilessStore) Load(ctx context.Context, key string) ([]byte, error) {
	if s.away.Load() && strings.HasSuffix(key, s.only+".wasm") {
		s.asked.Add(1)
		return nil, errors.New("the storage is slow")
	}
	return s.Storage.Load(ctx, key)
}

// A version that another node has activated is loaded later if it cannot be now: this
// node would show the one before for good.
func TestAVersionThatCouldNotBeLoadedIsLoadedLater(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	b.values()
	b.engine.compute.modules.stop() // it reads the storage
	store := &bodilessStore{}
	store.Storage = b.engine.lent.newest().storage
	store.away.Store(true)
	b.engine.lent.newest().storage = store
	b.engine.compute.beginTurns()
	other := registry.New(registry.Config{Storage: store, Now: b.clock.Now})
	rec, err := other.Activate(t.Context(), registry.Switch{Module: "my-sum", Version: "1.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	b.until("asked", func() string {
		if store.asked.Load() > 0 {
			return "asked"
		}
		return "not yet"
	})
	store.away.Store(false)
	b.next = (rec.From-begin)/60_000 + 1
	b.until(verOf(rec), func() string { b.close(1); return b.values() })
}

// The version before, which still has the open bars, is loaded later as well: a node
// that starts while the storage is slow would give its bars to the next one for good.
func TestAnEarlierVersionThatCouldNotBeLoadedIsLoadedLater(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	b.post("activate", `{"version":"1.1.0","now":true}`)
	store := &bodilessStore{only: b.record("1.0.0").SHA256}
	store.Storage = b.engine.lent.newest().storage
	store.away.Store(true)
	a := b.nodeOn(registry.New(registry.Config{Storage: store, Now: b.clock.Now}))
	turns := func() int {
		plan, err := a.demand.Turns(t.Context(), "my-sum/running_sum")
		if err != nil {
			t.Fatal(err)
		}
		return len(plan)
	}
	if n := turns(); n != 1 {
		t.Fatalf("%d turns while the storage is slow, want the newest alone", n)
	}
	asked := store.asked.Load()
	a.catchUp()
	if store.asked.Load() != asked {
		t.Error("tried again at once: it may cost a compilation")
	}
	b.clock.Advance(loadAgain)
	a.catchUp()
	if n := turns(); n != 1 || store.asked.Load() == asked {
		t.Errorf("%d turns while the storage is slow, asked %d times", n, store.asked.Load()-asked)
	}
	store.away.Store(false)
	b.clock.Advance(loadAgain)
	a.catchUp()
	if n := turns(); n != 2 || len(a.failures) > 0 {
		t.Errorf("%d turns when the storage answers, want both; failures %v", n, a.failures)
	}
}
