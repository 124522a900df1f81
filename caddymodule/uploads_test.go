package caddymodule

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// sumModule is an indicator that passes all checks: a running sum, without
// parameters. salt makes other bytes of the same name and version.
func sumModule(name, version, salt string) []byte {
	m := badwasm.Indicator()
	doc := `{"abi":1,"name":"` + name + `","version":"` + version + `","indicators":[{"id":0,"name":"running_sum","input":"src","warmup":2147483647,"params":[],"outputs":[{"name":"value"}]}]}`
	m.Data[0].Bytes = []byte(doc)
	m.Func("kl_describe").Code = badwasm.I64(1024<<32 | int64(len(doc)))
	checked := badwasm.Join(
		badwasm.Get(0), badwasm.Load(0x28, 0), badwasm.If(badwasm.I32(-1), badwasm.Op(badwasm.Return)),
		badwasm.Get(0), badwasm.Load(0x28, 4), badwasm.If(badwasm.I32(-2), badwasm.Op(badwasm.Return)))
	m.Func("kl_state_size").Code = badwasm.Join(checked, badwasm.I32(16))
	m.Func("kl_init").Code = badwasm.Join(checked, m.Func("kl_init").Code)
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

func (f *fakeActivator) Rollback(_ context.Context, module, who string) (Activation, error) {
	f.calls = append(f.calls, fmt.Sprintf("rollback %s %s", module, who))
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

func TestUploadThroughTheHandler(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	wasm := sumModule("my-sum", "1.0.0", "")
	w := b.expect(201, "", put("ann", "my-sum", wasm))
	var up uploadBody
	if err := json.Unmarshal(w.Body.Bytes(), &up); err != nil {
		t.Fatal(err)
	}
	if up.Module != "my-sum" || up.Version != "1.0.0" || up.State != "staged" || !slices.Equal(up.Indicators, []string{"running_sum"}) || w.Header().Get("ETag") != `"`+up.SHA256+`"` {
		t.Errorf("answer %s, ETag %s", w.Body, w.Header().Get("ETag"))
	}
	before := b.files()
	if again := b.expect(200, "", put("ann", "my-sum", wasm)); again.Header().Get("ETag") != w.Header().Get("ETag") {
		t.Errorf("the same bytes again: %s", again.Body)
	}
	b.expect(409, "conflict", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "other bytes")))
	if !maps.Equal(before, b.files()) {
		t.Error("a refused upload has changed the storage")
	}
	b.expect(201, "", put("bob", "my-sum", sumModule("my-sum", "1.0.1", "")))

	var list modulesBody
	if err := json.Unmarshal(b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules"}).Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Modules) != 2 || !list.Modules[0].Builtin || list.Modules[1].Module != "my-sum" || len(list.Modules[1].Versions) != 2 || !list.You.Publisher {
		t.Fatalf("list %+v", list)
	}
	v := list.Modules[1].Versions[0]
	if v.Author != "ann" || v.Size != len(wasm) || v.Figures[0].FuelPerBar == 0 || v.State != "staged" {
		t.Errorf("version %+v", v)
	}
	got := b.expect(200, "", call{user: "ann", method: "GET", path: v.Links["bytes"]})
	h := got.Header()
	if !bytes.Equal(got.Body.Bytes(), wasm) || h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Content-Disposition") != `attachment; filename="`+v.SHA256+`.wasm"` {
		t.Errorf("%d bytes, header %v", got.Body.Len(), h)
	}
	b.expect(304, "", call{user: "ann", method: "GET", path: v.Links["bytes"], header: []string{"If-None-Match", `"` + v.SHA256 + `"`}})
	builtin := b.expect(200, "", call{user: "ann", method: "GET", path: list.Modules[0].Versions[0].Links["bytes"]})
	if !bytes.Equal(builtin.Body.Bytes(), indicators.Module()) {
		t.Error("the built-in module is served with other bytes")
	}
	b.expect(204, "", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum?version=1.0.0"})
	b.expect(404, "unknown-module", call{user: "ann", method: "GET", path: v.Links["bytes"]})
	b.expect(204, "", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum"})
	b.expect(404, "unknown-module", call{user: "ann", method: "GET", path: "/v1/modules/my-sum"})
	if n := len(b.files()); n != 1 { // the revision
		t.Errorf("%d files are left", n)
	}
}

func TestUploadProblems(t *testing.T) {
	good := sumModule("my-sum", "1.0.0", "")
	for _, tc := range []struct {
		name   string
		c      call
		status int
		code   string
	}{
		{"nobody", call{method: "PUT", path: "/v1/modules/my-sum", body: good}, 401, "unauthenticated"},
		{"nobody reads", call{method: "GET", path: "/v1/modules"}, 401, "unauthenticated"},
		{"nobody asks for nonsense", call{method: "GET", path: "/v1/modules/..%2Fx"}, 401, "unauthenticated"},
		{"control characters in the identity", put("an\nn", "my-sum", good), 403, "forbidden"},
		{"long identity", put(strings.Repeat("a", 129), "my-sum", good), 403, "forbidden"},
		{"method", call{user: "ann", method: "POST", path: "/v1/modules/my-sum"}, 405, "method-not-allowed"},
		{"method of the list", call{user: "ann", method: "DELETE", path: "/v1/modules"}, 405, "method-not-allowed"},
		{"route", call{user: "ann", method: "GET", path: "/v1/modules/a/b/c"}, 404, "unknown-route"},
		{"trailing slash", call{user: "ann", method: "GET", path: "/v1/modules/"}, 404, "unknown-route"},
		{"other type", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", body: good, header: []string{"Content-Type", "text/plain"}}, 415, "unsupported-type"},
		{"form", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", body: good, header: []string{"Content-Type", "multipart/form-data; boundary=x"}}, 415, "unsupported-type"},
		{"compressed", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", body: good, header: []string{"Content-Encoding", "gzip"}}, 415, "unsupported-type"},
		{"another site", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", body: good, header: []string{"Sec-Fetch-Site", "cross-site"}}, 403, "forbidden"},
		{"another origin", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", body: good, header: []string{"Origin", "https://evil.example"}}, 403, "forbidden"},
		{"another site deletes", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum", header: []string{"Sec-Fetch-Site", "same-site"}}, 403, "forbidden"},
		{"size", put("ann", "my-sum", make([]byte, maxModuleSize+1)), 413, "module-too-large"},
		{"size without a length", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", body: make([]byte, maxModuleSize+1), change: func(r *http.Request) { r.ContentLength = -1 }}, 413, "module-too-large"},
		{"broken off", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", change: func(r *http.Request) { r.Body = io.NopCloser(brokenBody{}); r.ContentLength = 100 }}, 400, "incomplete-body"},
		{"too slow", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum", change: func(r *http.Request) { r.Body = io.NopCloser(slowBody{}); r.ContentLength = 100 }}, 408, "too-slow"},
		{"dots", put("ann", "..%2f..%2fetc", good), 404, "unknown-route"},
		{"backslash", put("ann", "C:%5cx", good), 400, "bad-parameter"},
		{"NUL", put("ann", "my%00sum", good), 400, "bad-parameter"},
		{"newline", put("ann", "my-sum%0a", good), 400, "bad-parameter"},
		{"upper case", put("ann", "My-Sum", good), 400, "bad-parameter"},
		{"look-alike", put("ann", "my-s%D1%83m", good), 400, "bad-parameter"},
		{"4 KB", put("ann", strings.Repeat("m", 4096), good), 400, "bad-parameter"},
		{"placeholder", put("ann", "%7Benv.HOME%7D", good), 400, "bad-parameter"},
		{"name of another", put("ann", "your-sum", good), 422, "module-refused"},
		{"built-in", put("ann", "builtin", good), 409, "conflict"},
		{"not wasm", put("ann", "my-sum", []byte("<!doctype html>")), 422, "module-refused"},
		{"empty", put("ann", "my-sum", []byte{}), 422, "module-refused"},
		{"parameter", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?force=1", body: good}, 400, "bad-parameter"},
		{"value of a parameter", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=yes", body: good}, 400, "bad-parameter"},
		{"activate without an activator", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: good}, 503, "activation-unavailable"},
		{"unknown module", call{user: "ann", method: "GET", path: "/v1/modules/nothing"}, 404, "unknown-module"},
		{"version", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.0.wasm"}, 400, "bad-parameter"},
		{"version to delete", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum?version=*"}, 400, "bad-parameter"},
		{"empty version to delete", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum?version="}, 400, "bad-parameter"},
		{"unknown to delete", call{user: "ann", method: "DELETE", path: "/v1/modules/nothing"}, 404, "unknown-module"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newUploadBed(t, clock.Real(), nil)
			w := b.expect(tc.status, tc.code, tc.c)
			if n := len(b.files()); n != 0 {
				t.Errorf("%d files were stored", n)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Error("no nosniff")
			}
		})
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type slowBody struct{}

func (slowBody) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestStatusSaysWhetherASiteTakesModules(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	if b.engine.statusBody().Uploads {
		t.Error("before a handler is provisioned, the status says there is one")
	}
	first, second := &Uploads{engine: b.engine}, &Uploads{engine: b.engine}
	first.count()
	second.count() // of the next config, before the first one is cleaned up
	for i, u := range []*Uploads{first, first, second, second} {
		if !b.engine.statusBody().Uploads {
			t.Errorf("after %d ends the status says there are no uploads", i)
		}
		if err := u.Cleanup(); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			break
		}
	}
	if b.engine.statusBody().Uploads {
		t.Error("after the last handler the status says there are uploads")
	}
}

func TestOtherPathsAreNotThoseOfModules(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	for _, path := range []string{"/", "/v1/klines", "/v1/modulesx", "/v1/Modules"} {
		b.expect(-1, "", call{method: "GET", path: path})
	}
}

func TestRefusedModuleComesWithFindings(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	w := b.expect(422, "module-refused", put("ann", "attack", badwasm.Indicator().Bytes()))
	var p struct {
		Findings []registry.Finding `json:"findings"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Findings, func(f registry.Finding) bool { return f.Check == "V3" && f.Indicator == "attack_sum" })
	if i < 0 || p.Findings[i].Message == "" || p.Findings[i].Severity != registry.SeverityError {
		t.Errorf("findings %+v", p.Findings)
	}
}

// Every module of the catalogue that is expected to be refused is refused by
// the route as well, in time, and the storage is byte-equal before and after.
func TestHostileUploadsChangeNothing(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	before := b.files()
	rows := []string{"W01", "W02", "W03", "W18", "W19", "W20", "W21", "W21b", "W22", "W24", "W25", "W30", "W31", "W32", "W33", "W35", "W37"}
	n, perRow, slowest := 0, map[string]int{}, time.Duration(0)
	for a := range badwasm.Catalogue(rows...) {
		if a.Want == badwasm.Harmless || a.Want == badwasm.Survives {
			continue
		}
		if perRow[a.Row]++; perRow[a.Row] > 25 {
			continue
		}
		n++
		began := time.Now()
		w := b.do(put("ann", "attack", a.Bytes))
		if took := time.Since(began); a.Want == badwasm.Refused {
			slowest = max(slowest, took)
		}
		if w.Code != 422 && w.Code != 413 {
			t.Errorf("%s: %d %s", a.Name, w.Code, w.Body)
		}
	}
	if !maps.Equal(before, b.files()) {
		t.Error("hostile uploads have changed the storage")
	}
	t.Logf("%d modules, the slowest refusal by the guard took %s", n, slowest)
	if n < 200 {
		t.Errorf("only %d modules were sent", n)
	}
	b.expect(200, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
}

func TestRolesDecide(t *testing.T) {
	b := newUploadBed(t, clock.Real(), func(u *Uploads) {
		u.Authors, u.Publishers = []string{"ann", "eve", "both"}, []string{"ops", "both"}
		u.Tenants = []Tenant{{Name: "quant", Users: []string{"ann", "ops"}}, {Name: "desk", Users: []string{"eve"}}, {Name: "lab", Users: []string{"ann", "bob"}}}
		u.Authors = append(u.Authors, "bob")
	})
	b.activates()
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.1", "")))
	b.expect(201, "", put("bob", "lab-sum", sumModule("lab-sum", "1.0.0", "")))
	b.expect(201, "", put("ann", "lab-sum", sumModule("lab-sum", "1.0.1", ""))) // ann is of that tenant, too
	b.expect(403, "forbidden", put("bob", "my-sum", sumModule("my-sum", "3.0.0", "")))
	body := []byte(`{"version":"1.0.0"}`)
	activate := func(user string) call {
		return call{user: user, method: "POST", path: "/v1/modules/my-sum/activate", body: body}
	}
	for _, tc := range []struct {
		status int
		code   string
		c      call
	}{
		{403, "forbidden", call{user: "zoe", method: "GET", path: "/v1/modules"}},
		{403, "forbidden", put("zoe", "zoe-sum", sumModule("zoe-sum", "1.0.0", ""))},
		{403, "forbidden", put("ops", "ops-sum", sumModule("ops-sum", "1.0.0", ""))},
		{403, "forbidden", put("eve", "my-sum", sumModule("my-sum", "2.0.0", ""))},
		{403, "forbidden", activate("ann")},
		{403, "forbidden", activate("eve")},
		{403, "forbidden", activate("both")}, // a publisher of another tenant
		{403, "forbidden", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum"}},
		{403, "forbidden", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.2", "")}},
		{404, "unknown-module", call{user: "eve", method: "GET", path: "/v1/modules/my-sum"}},
		{404, "unknown-module", call{user: "eve", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"}},
		{200, "", call{user: "ops", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"}},
		{202, "", activate("ops")},
		{409, "conflict", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum"}},
		{409, "conflict", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum?version=1.0.0"}},
		{204, "", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum?version=1.0.1"}},
		{202, "", call{user: "ops", method: "POST", path: "/v1/modules/my-sum/rollback"}},
		{202, "", call{user: "ops", method: "POST", path: "/v1/modules/my-sum/deactivate"}},
		{204, "", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum"}},
	} {
		b.expect(tc.status, tc.code, tc.c)
	}
	w := b.expect(200, "", call{user: "eve", method: "GET", path: "/v1/modules"})
	if strings.Contains(w.Body.String(), "my-sum") {
		t.Errorf("another tenant sees %s", w.Body)
	}
	want := []string{"rollback my-sum ops", "deactivate my-sum ops"}
	if len(b.fake.calls) != 3 || !strings.HasPrefix(b.fake.calls[0], "activate my-sum 1.0.0 ") || !slices.Equal(b.fake.calls[1:], want) {
		t.Errorf("calls %q", b.fake.calls)
	}
}

func TestActivation(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	post := func(body string) call {
		return call{user: "ann", method: "POST", path: "/v1/modules/my-sum/activate", body: []byte(body)}
	}
	for _, path := range []string{"activate", "rollback", "deactivate"} {
		b.expect(503, "activation-unavailable", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/" + path, body: []byte(`{"version":"1.0.0"}`)})
	}
	b.activates()
	for _, bad := range []string{
		``, `[]`, `{}`, `{"version":"1.0.0"}x`, `{"version":"1.0.0","version":"1.0.1"}`, `{"version":"1.0.0","force":true}`, `{"version":1}`,
		`{"version":"1.0"}`, `{"version":"1.0.0","now":1}`, `{"version":"1.0.0"`, strings.Repeat(" ", maxCommand) + `{"version":"1.0.0"}`,
	} {
		b.expect(400, "", post(bad))
	}
	b.expect(415, "unsupported-type", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/activate", body: []byte(`{"version":"1.0.0"}`), header: []string{"Content-Type", "text/plain"}})
	b.expect(404, "unknown-module", post(`{"version":"9.9.9"}`))
	if len(b.fake.calls) != 0 {
		t.Fatalf("calls %q", b.fake.calls)
	}
	b.expect(202, "", post(`{"version":"1.0.0","now":true}`))
	if !strings.HasSuffix(b.fake.calls[0], " true ann") {
		t.Errorf("calls %q", b.fake.calls)
	}
	w := b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.1.0", "")})
	if !strings.Contains(w.Body.String(), `"state":"active"`) {
		t.Errorf("answer %s", w.Body)
	}
	b.fake.err = errors.New("the broker is away at 10.0.0.7")
	w = b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.2.0", "")})
	if !strings.Contains(w.Body.String(), `"activation":"the module is stored`) || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("answer %s", w.Body)
	}
	if w := b.expect(500, "internal", post(`{"version":"1.0.0"}`)); strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("answer %s", w.Body)
	}
	b.fake.err = &problem{code: "in-shadow", status: 409, title: "In its shadow run"}
	b.expect(409, "in-shadow", post(`{"version":"1.0.0"}`))
}

func TestDamagedBytesAreNeitherServedNorActivated(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	b.activates()
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	files, err := filepath.Glob(filepath.Join(b.dir, "kline/indicators/*.wasm"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], sumModule("my-sum", "1.0.0", "damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.expect(500, "damaged", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"})
	b.expect(500, "damaged", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/activate", body: []byte(`{"version":"1.0.0"}`)})
	if len(b.fake.calls) != 0 {
		t.Errorf("calls %q", b.fake.calls)
	}
	b.expect(200, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"})
}

func TestUploadLimitsAreThoseOfTheConfiguration(t *testing.T) {
	fake := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	b := newUploadBed(t, fake, func(u *Uploads) {
		u.MaxUploadsPerHour, u.MaxUploadsPerDay, u.MaxModules, u.MaxVersions, u.MaxModuleSize = 4, 5, 1, 1, 2048
	})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	b.expect(507, "quota", put("ann", "my-sum", sumModule("my-sum", "1.0.1", "")))
	b.expect(507, "quota", put("ann", "other-sum", sumModule("other-sum", "1.0.0", "")))
	b.expect(413, "module-too-large", put("ann", "my-sum", make([]byte, 2049)))
	w := b.expect(429, "too-many-uploads", put("ann", "my-sum", nil))
	if w.Header().Get("Retry-After") != "3600" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	fake.Advance(time.Hour)
	b.expect(200, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	if w := b.expect(429, "too-many-uploads", put("ann", "my-sum", nil)); w.Header().Get("Retry-After") != "82800" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
}

func TestIdentitySources(t *testing.T) {
	good := sumModule("my-sum", "1.0.0", "")
	for _, tc := range []struct {
		name   string
		u      Uploads
		change func(r *http.Request)
		user   string
		want   int
	}{
		{"default", Uploads{}, nil, "ann", 201},
		{"default, client writes a header", Uploads{}, func(r *http.Request) { r.Header.Set("Remote-User", "ann") }, "", 401},
		{"header", Uploads{Identity: "{http.request.header.Remote-User}"}, func(r *http.Request) { r.Header.Set("Remote-User", "ann") }, "", 201},
		{"header is missing", Uploads{Identity: "{http.request.header.Remote-User}"}, nil, "ann", 401},
		{"certificate", Uploads{Identity: "{http.request.tls.client.subject}"}, func(r *http.Request) { r.TLS = presented(true) }, "", 201},
		{"certificate that nobody verified", Uploads{Identity: "{http.request.tls.client.subject}"}, func(r *http.Request) { r.TLS = presented(false) }, "", 401},
		{"anybody", Uploads{AllowUnauthenticated: true}, nil, "", 201},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newUploadBed(t, clock.Real(), func(u *Uploads) { u.Identity, u.AllowUnauthenticated = tc.u.Identity, tc.u.AllowUnauthenticated })
			c := put(tc.user, "my-sum", good)
			c.change = tc.change
			b.expect(tc.want, "", c)
		})
	}
}

// presented is a connection with a client certificate.
func presented(verified bool) *tls.ConnectionState {
	cert := &x509.Certificate{Raw: []byte{1}}
	cert.Subject.CommonName = "ann"
	s := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	if verified {
		s.VerifiedChains = [][]*x509.Certificate{{cert}}
	}
	return s
}

func TestIdentityIsOnePlaceholder(t *testing.T) {
	for text, ok := range map[string]bool{
		"{http.auth.user.id}": true, "{http.vars.user}": true, "{http.request.header.X-User}": true, "{http.request.tls.client.subject}": true,
		"ann": false, "{http.request.uri.query.user}": false, "{http.request.cookie.user}": false, "{http.request.body}": false, "{env.USER}": false,
		"{file./etc/passwd}": false, "{http.auth.user.id}x": false, "{http.auth.user.id}{env.X}": false, "{http.auth.}": false, "{http.request.header.{x}}": false,
	} {
		if err := (&Uploads{Identity: text}).Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestListedOriginsMayUpload(t *testing.T) {
	b := newUploadBed(t, clock.Real(), func(u *Uploads) { u.AllowOrigins = []string{"https://a.example"} })
	c := put("ann", "my-sum", sumModule("my-sum", "1.0.0", ""))
	c.header = []string{"Origin", "https://a.example", "Sec-Fetch-Site", "cross-site"}
	if w := b.expect(201, "", c); w.Header().Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("header %v", w.Header())
	}
	c.header = []string{"Origin", "https://b.example", "Sec-Fetch-Site", "cross-site"}
	b.expect(403, "forbidden", c)
	w := b.expect(204, "", call{method: "OPTIONS", path: "/v1/modules/my-sum", header: []string{"Origin", "https://a.example", "Access-Control-Request-Method", "PUT"}})
	if !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("header %v", w.Header())
	}
}

func TestWhatUsersSendIsNeverExpanded(t *testing.T) {
	t.Setenv("KLINE_CANARY", "canary-8c1f")
	b := newUploadBed(t, clock.Real(), func(u *Uploads) { u.Identity = "{http.request.header.Remote-User}" })
	doc := sumModule("my-sum", "1.0.0", "{env.KLINE_CANARY}")
	doc = bytes.Replace(doc, []byte(`"params":[]`), []byte(`"params":[]`), 1)
	for _, c := range []call{
		{method: "PUT", path: "/v1/modules/my-sum", body: doc},
		{method: "GET", path: "/v1/modules"}, {method: "GET", path: "/v1/modules/%7Benv.KLINE_CANARY%7D"},
		{method: "DELETE", path: "/v1/modules/my-sum?version=%7Benv.KLINE_CANARY%7D"},
		{method: "GET", path: "/v1/modules?%7Benv.KLINE_CANARY%7D=1"},
	} {
		c.header = []string{"Remote-User", "{env.KLINE_CANARY}", "If-None-Match", "{env.KLINE_CANARY}"}
		w := b.do(c)
		if w.Code == 401 {
			t.Errorf("%s %s: %d", c.method, c.path, w.Code)
		}
		if dump := fmt.Sprint(w.Body, w.Header(), b.everything(), b.audit.All()); strings.Contains(dump, "canary-8c1f") {
			t.Errorf("%s %s gave the environment away", c.method, c.path)
		}
	}
}

func TestEveryChangeIsAudited(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	b.expect(401, "", put("", "my-sum", nil))
	b.expect(422, "", put("eve", "my-sum", []byte("x")))
	b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules"})
	b.expect(204, "", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum"})
	var got []string
	for _, e := range b.audit.All() {
		f := e.ContextMap()
		got = append(got, fmt.Sprint(f["route"], " ", f["user"], " ", f["module"], " ", f["version"], " ", f["status"], " ", f["result"]))
	}
	want := []string{
		"module_upload ann my-sum 1.0.0 201 created", "module_upload  my-sum  401 unauthenticated",
		"module_upload eve my-sum  422 module-refused", "module_delete ann my-sum  204 deleted",
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit\n%q\nwant\n%q", got, want)
	}
}

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
	case <-time.After(10 * time.Second):
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
