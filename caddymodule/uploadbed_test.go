package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// sumModule is an indicator that passes all checks: a running sum, without
// parameters. salt makes other bytes of the same name and version.
func sumModule(name, version, salt string) []byte {
	m := badwasm.Indicator()
	doc := `{"abi":1,"name":"` + name + `","version":"` + version + `","indicators":[{"id":0,"name":"running_sum","input":"src","warmup":2147483647,"params":[],"outputs":[{"name":"value"}]}]}`
	m.Data[0].Bytes = []byte(doc)
	m.Func("kl_describe").Code = badwasm.I64(1024<<32 | int64(len(doc)))
	return badwasm.Join(m.Bytes(), badwasm.Section(0, badwasm.Name("salt"), []byte(salt)))
}

// uploadBed is the handler on an engine with a fake core and a storage of
// files of its own.
type uploadBed struct {
	*Uploads
	t     *testing.T
	dir   string
	audit *observer.ObservedLogs
	fake  *fakeActivator
}

func newUploadBed(t *testing.T, c clock.Clock, change func(u *Uploads)) *uploadBed {
	t.Helper()
	e, _ := startedEngine(t, c, 1)
	dir := storageDir(t)
	storage := &fileStore{dir: dir}
	e.compute.modules.stop() // it reads the storage
	e.lent.newest().storage = storage
	e.compute.beginTurns()
	e.compute.modules.activator.Store(nil)
	t.Cleanup(e.compute.modules.stop) // it writes into the folder
	core, logs := observer.New(zap.InfoLevel)
	b := &uploadBed{t: t, dir: dir, audit: logs, Uploads: &Uploads{
		MaxUploadsPerHour: maxUploadCount, MaxUploadsPerDay: maxUploadCount, engine: e, logger: zap.NewNop(), audit: zap.New(core),
	}}
	if change != nil {
		change(b.Uploads)
	}
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	b.prepare()
	b.limiter = newLimiter(c, 1e6, 1_000_000)
	for _, o := range b.AllowOrigins {
		if err := b.cross.AddTrustedOrigin(o); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// activates gives the engine something that activates.
func (b *uploadBed) activates() {
	b.fake = &fakeActivator{states: map[string]Activation{}}
	var a Activator = b.fake
	b.engine.compute.modules.activator.Store(&a)
}

type fakeActivator struct {
	calls  []string
	states map[string]Activation
	err    error
}

func (f *fakeActivator) Activate(_ context.Context, module, version, sum string, now bool, who string) (Activation, error) {
	f.calls = append(f.calls, fmt.Sprintf("activate %s %s %.8s %v %s", module, version, sum, now, who))
	f.states[module] = Activation{Module: module, Active: version, State: "active"}
	return f.states[module], f.err
}

func (f *fakeActivator) Rollback(_ context.Context, module, version, who string) (Activation, error) {
	f.calls = append(f.calls, strings.Join(strings.Fields(fmt.Sprintf("rollback %s %s %s", module, version, who)), " "))
	return f.states[module], f.err
}

func (f *fakeActivator) Deactivate(_ context.Context, module, who string) error {
	f.calls = append(f.calls, fmt.Sprintf("deactivate %s %s", module, who))
	f.states[module] = Activation{State: "retired"}
	return f.err
}

func (f *fakeActivator) State(module string) (Activation, bool) {
	a, ok := f.states[module]
	return a, ok
}

// call is one request; zero fields are what an upload by ann needs.
type call struct {
	user, method, path string
	body               []byte
	header             []string
	change             func(r *http.Request)
}

func (b *uploadBed) do(c call) *httptest.ResponseRecorder {
	b.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(b.t.Context(), c.method, c.path, bytes.NewReader(c.body))
	if c.body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	switch c.method {
	case http.MethodPut:
		r.Header.Set("Content-Type", "application/wasm")
	case http.MethodPost:
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(c.header); i += 2 {
		r.Header.Set(c.header[i], c.header[i+1])
	}
	repl := caddy.NewReplacer()
	if c.user != "" {
		repl.Set("http.auth.user.id", c.user)
	}
	if c.change != nil {
		c.change(r)
	}
	r = caddyhttp.PrepareRequest(r, repl, w, new(caddyhttp.Server))
	passed := false
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { passed = true; return nil })
	if err := b.ServeHTTP(w, r, next); err != nil {
		b.t.Fatalf("%s %s returned %v", c.method, c.path, err)
	}
	if passed {
		w.Code = -1
	}
	return w
}

func (b *uploadBed) expect(status int, code string, c call) *httptest.ResponseRecorder {
	b.t.Helper()
	w := b.do(c)
	if w.Code != status || code != "" && !strings.Contains(w.Body.String(), `"`+problemPrefix+code+`"`) {
		b.t.Errorf("%s %s by %q: %d %s, want %d %s", c.method, c.path, c.user, w.Code, w.Body, status, code)
	}
	return w
}

func put(user, module string, wasm []byte) call {
	return call{user: user, method: "PUT", path: "/v1/modules/" + module, body: wasm}
}

// files are all that the registry has stored, but the audit log.
func (b *uploadBed) files() map[string]string {
	b.t.Helper()
	return maps.Collect(func(yield func(string, string) bool) {
		for path, text := range b.everything() {
			if !strings.Contains(path, "/kline/audit/") && !yield(path, text) {
				return
			}
		}
	})
}

// everything is the whole storage.
func (b *uploadBed) everything() map[string]string {
	b.t.Helper()
	out := map[string]string{}
	err := filepath.Walk(b.dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = string(data)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}
