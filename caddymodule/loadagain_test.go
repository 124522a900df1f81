package caddymodule

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// bodilessStore is a storage that does not give modules for a while.
type bodilessStore struct{ outageStore }

func (s *bodilessStore) Load(ctx context.Context, key string) ([]byte, error) {
	if s.away.Load() && strings.HasSuffix(key, ".wasm") {
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
