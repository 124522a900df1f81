package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// careless is a module that takes any parameters, which the checks refuse.
func careless() []byte {
	m := badwasm.Indicator()
	m.Func("kl_state_size").Code = badwasm.I32(16)
	return m.Bytes()
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
	b := newUploadBed(t, clock.Real(), nil) // what is refused leaves nothing that the next one could see
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
		{"longer", call{method: "GET", path: "/v1/modulesx"}, 404, "unknown-route"},
		{"upper case", call{method: "GET", path: "/v1/Modules"}, 404, "unknown-route"},
		{"upper case version", call{user: "ann", method: "PUT", path: "/V1/modules/my-sum", body: good}, 404, "unknown-route"},
		{"doubled slash", call{user: "ann", method: "PUT", path: "http://x//v1/modules/my-sum", body: good}, 404, "unknown-route"},
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
		{"a command too slow", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/deactivate", change: func(r *http.Request) { r.Body = io.NopCloser(slowBody{}); r.ContentLength = 100 }}, 408, "too-slow"},
		{"a command broken off", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/rollback", change: func(r *http.Request) { r.Body = io.NopCloser(brokenBody{}); r.ContentLength = 100 }}, 400, "incomplete-body"},
		{"a long body of a command", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum", body: make([]byte, maxCommand+1)}, 400, "bad-body"},
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
		{"two versions to delete", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum?version=1.0.0&version=1.0.1"}, 400, "bad-parameter"},
		{"empty version to delete", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum?version="}, 400, "bad-parameter"},
		{"unknown to delete", call{user: "ann", method: "DELETE", path: "/v1/modules/nothing"}, 404, "unknown-module"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.t = t
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
	for _, path := range []string{"/", "/v1/klines", "/v1/module", "/v1/"} {
		b.expect(-1, "", call{method: "GET", path: path})
	}
}

func TestRefusedModuleComesWithFindings(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	w := b.expect(422, "module-refused", put("ann", "attack", careless()))
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
