package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// site serves the handler to ann with the password "pw".
func (b *uploadBed) site() *url.URL {
	b.t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, pw, _ := r.BasicAuth()
		if pw == "of klines" { // what answers instead where no upload is taken
			unknownRoute(r.URL.Path).write(w, r)
			return
		}
		if u != "ann" || pw != "pw" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		repl := caddy.NewReplacer()
		repl.Set("http.auth.user.id", "ann")
		if err := b.ServeHTTP(w, caddyhttp.PrepareRequest(r, repl, w, new(caddyhttp.Server)), nil); err != nil {
			b.t.Error(err)
		}
	}))
	b.t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

func TestPushSaysWhatBecameOfTheModule(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	c := &moduleClient{base: b.site(), user: "ann", secret: newSecret("pw"), client: http.DefaultClient}
	good := sumModule("my-sum", "1.0.0", "")
	for _, tc := range []struct {
		name     string
		wasm     []byte
		password string
		activate bool
		code     int
		out, err string
	}{
		{"new", good, "pw", false, 0, "my-sum 1.0.0 uploaded: sha256 ", ""},
		{"again", good, "pw", false, 0, "my-sum 1.0.0 was there already: sha256 ", ""},
		{"other bytes", sumModule("my-sum", "1.0.0", "x"), "pw", false, 1, "", "status 409: Conflict: version 1.0.0 of my-sum exists with other bytes"},
		{"wrong password", good, "no", false, 1, "", "KLINE_TOKEN"},
		{"no module", []byte("GIF89a"), "pw", false, 1, "error: not_wasm (guard", "did not pass the checks"},
		{"bad module", careless(), "pw", false, 1, "error: parameters_accepted (V3", "did not pass the checks"},
		{"nothing that activates", good, "pw", true, 1, "", "status 503: Activation unavailable"},
		{"a site without uploads", good, "of klines", false, 1, "", "status 404: Unknown route: is kline_indicators mounted below this address?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			c.secret = newSecret(tc.password)
			code, err := c.push(t.Context(), tc.wasm, tc.activate, &out)
			if code != tc.code || !strings.Contains(out.String(), tc.out) || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("code %d, error %v, printed %s", code, err, out.String())
			}
		})
	}
	b.activates()
	var out strings.Builder
	c.secret = newSecret("pw")
	if code, err := c.push(t.Context(), good, true, &out); code != 0 || !strings.Contains(out.String(), ", active") {
		t.Errorf("activating: code %d, error %v, printed %s", code, err, out.String())
	}
}

// What another server answers is no success, whatever its status.
func TestAnswersOfOtherServersAreNoSuccess(t *testing.T) {
	b := newIndicatorBed(t)
	b.write("sum.wasm", string(sumModule("my-sum", "1.0.0", "")))
	var status int
	var body string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer srv.Close()
	const mounted = "is kline_indicators mounted below this address?"
	for _, tc := range []struct {
		status     int
		body, want string
	}{
		{200, "<!doctype html>", mounted}, {200, "{}", mounted}, {201, `{"module":"my-sum","version":"1.0.0","sha256":"00"}`, mounted},
		{308, "", "it redirects"}, {302, "", "it redirects"}, {500, "", "status 500"},
	} {
		status, body = tc.status, tc.body
		if out, err := b.run("push", "@sum.wasm", "--url", srv.URL); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("push, %d %s: %v, want %q\n%s", tc.status, tc.body, err, tc.want, out)
		}
		if out, err := b.run("list", "--url", srv.URL); tc.status != 201 && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("list, %d %s: %v, want %q\n%s", tc.status, tc.body, err, tc.want, out)
		}
	}
}

func TestModulesAreListedForPeople(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	list, err := b.engine.modulesBody(t.Context(), (&person{tenants: []string{defaultTenant}}).sees)
	if err != nil {
		t.Fatal(err)
	}
	list.Modules[1].Versions[0].Author = "ann\x1b[2J"
	var out strings.Builder
	if err := printModules(&out, list); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"builtin", "my-sum   1.0.0    staged", "ann?[2J", "running_sum"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("printed\n%s\nwithout %q", out.String(), want)
		}
	}
}

func TestAddressesAndSecretsOfCommands(t *testing.T) {
	for text, want := range map[string]string{
		"": "--url", "charts.example.com": "not an address", "ftp://a": "not an address", "https://ann:pw@a": "must not hold a password", "https://a?x=1": "not an address",
		"https://a/charts": "",
	} {
		_, err := baseAddress(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "pw@") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := tokenOf(file); err != nil || s.reveal() != "s3cret" {
		t.Errorf("%q, %v", s.reveal(), err)
	}
	if _, err := tokenOf(file + "x"); err == nil {
		t.Error("a missing file is no error")
	}
	t.Setenv(tokenVariable, "other")
	if s, err := tokenOf(""); err != nil || s.reveal() != "other" {
		t.Errorf("%q, %v", s.reveal(), err)
	}
	for address, clear := range map[string]bool{"http://a.example": true, "http://localhost:1": false, "http://127.0.0.1": false, "https://a.example": false} {
		u, err := baseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&moduleClient{base: u, secret: newSecret("x")}).clear(); got != clear {
			t.Errorf("%s: in the clear %v, want %v", address, got, clear)
		}
	}
}

func TestInstallPutsAModuleWhereANodeFindsIt(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	var out strings.Builder
	good := sumModule("my-sum", "1.0.0", "")
	for _, want := range []string{"my-sum 1.0.0 installed", "my-sum 1.0.0 was there already"} {
		out.Reset()
		if code, err := install(t.Context(), &fileStore{dir: b.dir}, new(trust), good, defaultTenant, "", &out); code != 0 || err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("code %d, error %v, printed %s", code, err, out.String())
		}
	}
	b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules/my-sum"})
	if code, err := install(t.Context(), &fileStore{dir: b.dir}, new(trust), sumModule("my-sum", "1.0.0", "x"), defaultTenant, "", &out); code != 1 || !strings.Contains(err.Error(), "versions are never changed") {
		t.Errorf("other bytes: code %d, error %v", code, err)
	}
	if code, _ := install(t.Context(), &fileStore{dir: b.dir}, new(trust), []byte("x"), defaultTenant, "", &out); code != 1 || !strings.Contains(out.String(), "not_wasm") {
		t.Errorf("no module: code %d, printed %s", code, out.String())
	}
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte("{\n\tstorage file_system "+b.dir+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	storage, err := configuredStorage(file, "caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	defer storage.close()
	keys, err := storage.List(t.Context(), "kline/indicators", false)
	if err != nil || len(keys) != 3 {
		t.Errorf("the storage of the configuration has %v, %v", keys, err)
	}
}

// A module that no node would load is refused where it is installed.
func TestInstallAsksForTheSignatureThatNodesAskFor(t *testing.T) {
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "Caddyfile")
	config := func(words string) (*commandStorage, *trust) {
		text := "{\n\tstorage file_system " + dir + "\n\tkline {\n\t\tsource embedded\n\t\tindicators {\n\t\t\ttrusted_keys default " + public.String() + "\n\t\t\t" + words + "\n\t\t}\n\t}\n}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := configuredStorage(file, "caddyfile")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		signatures, err := s.trust()
		if err != nil {
			t.Fatal(err)
		}
		return s, signatures
	}
	sign := func(wasm []byte) string { return string(minisign.Sign(private, wasm)) }
	for i, tc := range []struct {
		words, tenant string
		signature     func(wasm []byte) string
		code          int
		says          string
	}{
		{"", "default", func([]byte) string { return "" }, 1, "the module has no signature"},
		{"", "default", func([]byte) string { return "untrusted comment: x\nRW" }, 1, "not a file that minisign writes"},
		{"signatures require", "nobodys", sign, 1, "not one of the keys that are trusted for this tenant"},
		{"signatures off", "default", func([]byte) string { return "" }, 0, ""},
		{"", "default", sign, 0, ""},
	} {
		var out strings.Builder
		wasm := sumModule(fmt.Sprint("sum-", i), "1.0.0", "")
		s, signatures := config(tc.words)
		code, err := install(t.Context(), s, signatures, wasm, tc.tenant, tc.signature(wasm), &out)
		if code != tc.code || (err != nil) != (tc.says != "") || !strings.Contains(out.String()+fmt.Sprint(err), tc.says) {
			t.Errorf("%q of %s: code %d, error %v, printed %s", tc.words, tc.tenant, code, err, out.String())
		}
	}
}

// Keys that are none are told to who stores a module, and are nothing to who stops one.
func TestInstallNamesAConfigurationWhoseKeysAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "caddy.json")
	if err := os.WriteFile(file, []byte(`{"apps":{"kline":{"indicators":{"trusted_keys":[{"tenant":"default","keys":["x"]}]}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := configuredStorage(file, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.trust(); err == nil || !strings.Contains(err.Error(), "trusted_keys") {
		t.Errorf("got %v", err)
	}
}
