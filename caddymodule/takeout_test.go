package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// A storage that is away at the third fault does not keep the version in service.
func TestAFaultyVersionIsTakenOutWhenTheStorageIsBack(t *testing.T) {
	b, struck, states := twoVersions(t)
	store := &outageStore{Storage: b.engine.lent.newest().storage}
	b.engine.compute.modules.stop() // it reads the storage
	b.engine.lent.newest().storage = store
	store.away.Store(true)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { defer close(ended); b.engine.compute.turns.takeOut(ctx, struck) }()
	for i := 0; store.asked.Load() == 0; i++ {
		if i > 6000 {
			t.Fatal("the storage was never asked")
		}
		time.Sleep(10 * time.Millisecond)
	}
	store.away.Store(false)
	b.until("active quarantined", states)
	b.until("ended", func() string {
		select {
		case <-ended:
			return "ended"
		default:
			return "not yet"
		}
	})
}
