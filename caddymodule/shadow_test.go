package caddymodule

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// threeUploads is a bed whose module has an active version and two others.
func threeUploads(t *testing.T) *turnBed {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	for _, version := range []string{"1.1.0", "1.2.0"} {
		b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", version, "")))
	}
	return b
}

func (b *turnBed) states() string {
	var out []string
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		out = append(out, string(b.record(v).State))
	}
	return strings.Join(out, " ")
}

// rehearsals is how many shadow runs this node looks after.
func (b *turnBed) rehearsals() string {
	a := b.engine.compute.turns
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.rehearse) == 0 {
		return "no run"
	}
	return strings.Repeat("one ", len(a.rehearse))
}

// shadow is the version that the hub computes beside the active one.
func (b *turnBed) shadow() string {
	a := b.engine.compute.turns
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shown["my-sum"].shadow
}

// Of two versions that are asked for while a third one computes, the later one runs
// beside it; the other neither takes its place nor stays behind in a run that
// nobody looks after.
func TestOneVersionAtATimeIsInItsShadowRun(t *testing.T) {
	b := threeUploads(t)
	b.post("activate", `{"version":"1.1.0"}`)
	if got := b.post("activate", `{"version":"1.2.0"}`); !strings.Contains(got, `"shadow":"1.2.0"`) {
		t.Errorf("answer %s", got)
	}
	if got := b.states(); got != "active staged shadow" {
		t.Errorf("states %s", got)
	}
	b.until("retired staged active", b.states)
	b.until("no run", b.rehearsals)
}

// What ends the version beside which a shadow run computes ends the run.
func TestAShadowRunEndsWithTheVersionBesideIt(t *testing.T) {
	for path, body := range map[string]string{"deactivate": "", "rollback": "", "activate": `{"version":"1.0.0","now":true}`} {
		b := threeUploads(t)
		b.post("activate", `{"version":"1.1.0","now":true}`)
		b.post("activate", `{"version":"1.2.0"}`)
		b.post(path, body)
		if got := string(b.record("1.2.0").State); got != string(registry.Staged) {
			t.Errorf("%s: the version in its run is %s", path, got)
		}
		b.until("no run", b.rehearsals)
		if got := b.shadow(); got != "" {
			t.Errorf("%s: %s still computes", path, got)
		}
		b.expect(204, "", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum?version=1.2.0"})
	}
}

// That the bytes of a version cannot be read at the moment is not its fault.
func TestAShadowRunIsNotRefusedForAnOutageOfTheStorage(t *testing.T) {
	b := threeUploads(t)
	store := &outageStore{Storage: b.engine.lent.newest().storage, part: b.record("1.1.0").SHA256}
	b.post("activate", `{"version":"1.1.0"}`)
	b.engine.lent.newest().storage = store
	turns := b.engine.compute.turns
	turns.mu.Lock()
	clear(turns.loaded)
	store.away.Store(true)
	turns.mu.Unlock()
	b.until("asked", func() string {
		if store.asked.Load() > 2 {
			return "asked"
		}
		return "not yet"
	})
	if got := b.states(); got != "active shadow staged" {
		t.Errorf("the versions are %s", got)
	}
	store.away.Store(false)
	b.until("retired active staged", b.states)
}

// The end of a run that cannot be written now is written later.
func TestAShadowRunOutlivesAnOutageOfTheStorage(t *testing.T) {
	b := threeUploads(t)
	store := &outageStore{Storage: b.engine.lent.newest().storage}
	b.post("activate", `{"version":"1.1.0"}`)
	b.engine.compute.modules.stop() // it reads the storage
	b.engine.lent.newest().storage = store
	store.away.Store(true)
	b.until("asked", func() string {
		if store.asked.Load() > 0 {
			return "asked"
		}
		return "not yet"
	})
	store.away.Store(false)
	b.until("retired active staged", b.states)
}

// heard is a log that calls a function at the first message that begins with a text.
type heard struct {
	pipeline.Logger
	text string
	call *func()
}

func (h heard) Warn(msg string, kv ...any) {
	h.Logger.Warn(msg, kv...)
	h.hear(msg)
}

func (h heard) Info(msg string, kv ...any) {
	h.Logger.Info(msg, kv...)
	h.hear(msg)
}

func (h heard) hear(msg string) {
	if call := *h.call; call != nil && strings.HasPrefix(msg, h.text) {
		*h.call = nil
		call()
	}
}

// A publisher who reads that a version has failed asks for it again at once: the run
// before is not over yet, and who looks after that has to look after this one, too.
func TestAShadowRunThatIsAskedForAgainIsLookedAfter(t *testing.T) {
	b := threeUploads(t)
	turns := b.engine.compute.turns
	b.engine.compute.modules.stop() // it writes the log, too
	var runs []func(context.Context)
	turns.spawn = func(_ string, task func(ctx context.Context)) { runs = append(runs, task) }
	b.post("activate", `{"version":"1.1.0"}`)
	file := filepath.Join(b.dir, "kline/indicators", b.record("1.1.0").SHA256+".wasm")
	if err := os.Rename(file, file+"~"); err != nil {
		t.Fatal(err)
	}
	turns.mu.Lock()
	clear(turns.loaded)
	turns.mu.Unlock()
	log := turns.log
	again := func() {
		if err := os.Rename(file+"~", file); err != nil {
			t.Error(err)
		}
		b.post("activate", `{"version":"1.1.0"}`)
	}
	turns.log = func() pipeline.Logger { return heard{log(), "a version failed in its shadow run", &again} }
	ended := make(chan struct{})
	go func() { defer close(ended); runs[0](t.Context()) }()
	b.until("ended", func() string {
		select {
		case <-ended:
			return "ended"
		default:
			return "not yet"
		}
	})
	if got := b.states(); got != "retired active staged" || again != nil || len(runs) != 1 {
		t.Errorf("the versions are %s, asked again %v, %d runs", got, again == nil, len(runs))
	}
}

// remoteStore is a storage that asks somebody else, for as long as the caller waits.
type remoteStore struct{ registry.Storage }

func (s remoteStore) Load(ctx context.Context, key string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return s.Storage.Load(ctx, key)
}

// A publisher who hangs up has begun the run all the same.
func TestAShadowRunIsLookedAfterWhoeverHangsUp(t *testing.T) {
	b := threeUploads(t)
	turns := b.engine.compute.turns
	b.engine.compute.modules.stop() // it writes the log, too
	b.engine.lent.newest().storage = remoteStore{b.engine.lent.newest().storage}
	ctx, cancel := context.WithCancel(t.Context())
	hangUp, log := func() { cancel() }, turns.log
	turns.log = func() pipeline.Logger { return heard{log(), "a module runs beside", &hangUp} }
	if _, err := turns.Activate(ctx, "my-sum", "1.1.0", "", false, "ann"); err != nil || ctx.Err() == nil {
		t.Errorf("%v, hung up: %v", err, ctx.Err())
	}
	if b.rehearsals() != "one " {
		t.Fatal("nobody looks after the run")
	}
	b.until("retired active staged", b.states)
}
