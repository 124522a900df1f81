package caddymodule

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// slowStore is a storage that takes its time for one answer about a key.
type slowStore struct {
	registry.Storage
	key     string // how it ends
	asked   atomic.Bool
	read    chan struct{} // closed when the answer is known
	release chan struct{} // closed when it may be given
}

func (s *slowStore) Load(ctx context.Context, key string) ([]byte, error) {
	b, err := s.Storage.Load(ctx, key)
	if strings.HasSuffix(key, s.key) && !s.asked.Swap(true) {
		close(s.read)
		<-s.release
	}
	return b, err
}

// A look that takes its time must not take back what a later one has learned: a
// module that was stopped would compute again.
func TestALookDoesNotTakeBackALaterOne(t *testing.T) {
	b := operated(newTurnBed(t))
	m := b.engine.compute.modules
	m.stop() // it reads the storage
	store := &slowStore{Storage: b.engine.lent.newest().storage, key: "kline/kills", read: make(chan struct{}), release: make(chan struct{})}
	b.engine.lent.newest().storage = store
	var told registry.Kills
	m.watchKills(func(k registry.Kills) { told = k })
	var looks sync.WaitGroup
	look := func(done chan struct{}) {
		defer looks.Done()
		defer close(done)
		if err := m.lookForKills(t.Context()); err != nil {
			t.Error(err)
		}
	}
	looks.Add(2)
	go look(make(chan struct{}))
	<-store.read
	if err := m.registry.Stop(t.Context(), registry.Kill{Scope: registry.ScopeAll}); err != nil {
		t.Fatal(err)
	}
	second := make(chan struct{})
	go look(second)
	select { // it waits for the first one, or it was faster
	case <-second:
	case <-time.After(100 * time.Millisecond):
	}
	close(store.release)
	looks.Wait()
	if len(told) != 1 {
		t.Errorf("told last was %v", told)
	}
}

// A node that loads modules, after its start for instance, sees at once what the
// operator stops: a storage that is slow with one module, or many to compile, would
// let the stopped ones compute until all are loaded.
func TestAKillDoesNotWaitForModulesThatAreLoaded(t *testing.T) {
	b := operated(newTurnBed(t))
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	plain := b.engine.lent.newest().storage
	b.engine.compute.modules.stop() // it reads the storage
	store := &slowStore{Storage: plain, key: b.record("1.1.0").SHA256 + ".wasm", read: make(chan struct{}), release: make(chan struct{})}
	b.engine.lent.newest().storage = store
	b.engine.compute.beginTurns()
	other := registry.New(registry.Config{Storage: plain, Now: b.clock.Now})
	if _, err := other.Activate(t.Context(), registry.Switch{Module: "my-sum", Version: "1.1.0"}); err != nil {
		t.Fatal(err)
	}
	b.until("loading", func() string {
		select {
		case <-store.read:
			return "loading"
		default:
			return "not yet"
		}
	})
	kill := registry.Kill{Scope: registry.ScopeModule, Name: "my-sum"}
	if err := other.Stop(t.Context(), kill); err != nil {
		t.Fatal(err)
	}
	b.until("the operator has stopped it", b.values)
	close(store.release)
	if err := other.Lift(t.Context(), kill.Scope, kill.Name); err != nil {
		t.Fatal(err)
	}
	b.until(`"active":"1.1.0"`, b.module)
	b.until(`"ver":`, b.values)
}

// compiling is a context whose first question comes from a compilation, which then waits.
type compiling struct {
	context.Context
	once           sync.Once
	begun, release chan struct{}
}

func (c *compiling) Value(key any) any {
	c.once.Do(func() {
		close(c.begun)
		<-c.release
	})
	return c.Context.Value(key)
}

// What is stopped is unloaded, which waits for a version that is being compiled: the
// answer to who stops it, and what he stops next, must not.
func TestAKillDoesNotWaitForAVersionThatIsCompiled(t *testing.T) {
	b := operated(newTurnBed(t))
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	before, used := b.values(), b.engine.compute.demand.memory()
	ctx := &compiling{Context: context.Background(), begun: make(chan struct{}), release: make(chan struct{})}
	loaded, killed := make(chan error), make(chan struct{})
	go func() {
		_, err := b.engine.compute.demand.load(ctx, sumModule("other-sum", "1.0.0", ""), "default")
		loaded <- err
	}()
	<-ctx.begun
	go func() {
		defer close(killed)
		b.kill(http.MethodPut, "/module/my-sum", "", 200)
		b.kill(http.MethodPut, "/all", "", 200)
	}()
	select {
	case <-killed:
	case <-time.After(time.Minute):
		t.Error("the kills wait for the compilation")
	}
	close(ctx.release)
	if err := <-loaded; err != nil {
		t.Error(err)
	}
	<-killed
	b.until("given back", func() string {
		if b.engine.compute.demand.memory() < used {
			return "given back"
		}
		return "its guests are alive"
	})
	b.kill(http.MethodDelete, "/all", "", 200)
	b.kill(http.MethodDelete, "/module/my-sum", "", 200)
	b.until(`"ver":`, b.values)
	if got := b.values(); got != before {
		t.Errorf("lifted, the values are %s, before %s", got, before)
	}
}

// heldComputer is the demand of an engine whose guests take long to say what they need.
type heldComputer struct {
	*demand
	asked, release chan struct{}
}

func (c *heldComputer) Turns(ctx context.Context, text string) ([]serve.Turn, error) {
	turns, err := c.demand.Turns(ctx, text)
	select {
	case c.asked <- struct{}{}:
		<-c.release
	case <-c.release:
	}
	return turns, err
}

// A version takes over, or a module is lifted, and its guests are asked about each
// instance that is shown: a kill must not wait for that, and what is told of the module
// behind it must not bring it back.
func TestAKillDoesNotWaitForGuestsThatAreAsked(t *testing.T) {
	lift := func(b *turnBed) {
		b.kill(http.MethodPut, "/module/my-sum", "", 200)
		b.kill(http.MethodDelete, "/module/my-sum", "", 200)
	}
	for name, begin := range map[string]func(b *turnBed){"another version": func(b *turnBed) { b.post("activate", `{"version":"1.1.0","now":true}`) }, "lifted": lift} {
		t.Run(name, func(t *testing.T) {
			b := operated(newTurnBed(t))
			b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
			b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
			b.values()
			held := &heldComputer{b.engine.compute.demand, make(chan struct{}), make(chan struct{})}
			b.engine.hub().SetComputer(held)
			begun, killed := make(chan struct{}), make(chan struct{})
			go func() { defer close(begun); begin(b) }()
			<-held.asked
			go func() { defer close(killed); b.kill(http.MethodPut, "/module/my-sum", "", 200) }()
			select {
			case <-killed:
			case <-time.After(time.Minute):
				t.Error("the kill waits for the guests")
			}
			close(held.release)
			<-begun
			<-killed
			if got := b.values(); !strings.Contains(got, "the operator has stopped it") {
				t.Errorf("stopped, the values are %s", got)
			}
			b.kill(http.MethodDelete, "/module/my-sum", "", 200)
			b.until(`"ver":`, b.values)
		})
	}
}

// lockedStore is a storage whose lock somebody else has.
type lockedStore struct {
	registry.Storage
	waits   atomic.Int32
	longest atomic.Int64 // ns that a wait may have taken
}

func (s *lockedStore) Lock(ctx context.Context, _ string) error {
	s.waits.Add(1)
	end, _ := ctx.Deadline()
	s.longest.Store(max(s.longest.Load(), int64(time.Until(end))))
	<-ctx.Done()
	return ctx.Err()
}

// The end of an engine does not wait for a lock that somebody else has.
func TestAnEngineEndsWhileTheRegistryIsLocked(t *testing.T) {
	b := newUploadBed(t, clock.NewFake(time.UnixMilli(1_800_000_000_000)), nil)
	m := b.engine.compute.modules
	store := &lockedStore{Storage: b.engine.lent.newest().storage}
	m.stop() // it reads the storage
	b.engine.lent.newest().storage = store
	b.engine.compute.beginTurns()
	m.refusals.note(registry.Entry{Action: registry.ActionRefused, Result: "forbidden", Actor: strings.Repeat("a", 10)})
	m.stop()
	if longest := time.Duration(store.longest.Load()); store.waits.Load() == 0 || longest > refusalWait {
		t.Errorf("%d waits, the longest may have taken %v", store.waits.Load(), longest)
	}
}
