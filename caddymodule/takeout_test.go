package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// outageStore is a storage that answers nothing for a while.
type outageStore struct {
	registry.Storage
	away  atomic.Bool
	part  string       // of the keys that are not answered, empty: of all
	asked atomic.Int32 // while it was away
}

func (s *outageStore) Load(ctx context.Context, key string) ([]byte, error) {
	if s.away.Load() && strings.Contains(key, s.part) {
		s.asked.Add(1)
		return nil, errors.New("the storage is away")
	}
	return s.Storage.Load(ctx, key)
}

// twoVersions is a bed whose module has an active version and one before it.
func twoVersions(t *testing.T) (b *turnBed, struck fault, states func() string) {
	b = newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	b.post("activate", `{"version":"1.1.0","now":true}`)
	struck = fault{module: "my-sum", version: b.record("1.1.0").SHA256[:8]}
	return b, struck, func() string { return fmt.Sprint(b.record("1.0.0").State, " ", b.record("1.1.0").State) }
}

// Two nodes see the same fault at the same bar. The second one must not take out
// what the first one has brought back.
func TestTwoNodesTakeOutAVersionOnce(t *testing.T) {
	b, struck, states := twoVersions(t)
	for range 2 {
		b.engine.compute.turns.takeOut(t.Context(), struck)
		if got := states(); got != "active quarantined" {
			t.Errorf("the versions are %s", got)
		}
	}
	b.post("deactivate", "")
	b.engine.compute.turns.takeOut(t.Context(), struck)
	if got := states(); got != "retired quarantined" {
		t.Errorf("after the end of the module its versions are %s", got)
	}
}

// A storage that is away at a fault neither keeps a version in service for good nor
// leaves the strike out of the audit log.
func TestWhatFollowsFromAFaultIsWrittenWhenTheStorageIsBack(t *testing.T) {
	b, struck, states := twoVersions(t)
	store := &outageStore{Storage: b.engine.lent.newest().storage}
	b.engine.compute.modules.stop() // it reads the storage
	b.engine.lent.newest().storage = store
	store.away.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := b.engine.compute.turns
	var ended atomic.Int32
	for _, write := range []func(){
		func() { a.takeOut(ctx, struck) },
		func() { a.keep(ctx, struck, "trap", nil) },
	} {
		asked := store.asked.Load()
		go func() { write(); ended.Add(1) }()
		if !soon(func() bool { return store.asked.Load() > asked }) {
			t.Fatal("the storage was never asked")
		}
	}
	store.away.Store(false)
	b.until("active quarantined", states)
	b.until("2 ended", func() string { return fmt.Sprint(ended.Load(), " ended") })
	if !slices.ContainsFunc(b.audited(), func(e registry.Entry) bool {
		return e.Action == registry.ActionStrike && e.Version == "1.1.0" && e.Result == "trap"
	}) {
		t.Error("the strike does not stand in the audit log")
	}
}
