package caddymodule

import (
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const plainPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// without returns the folder as a build without the chart library has it.
func without(t *testing.T) fs.FS {
	t.Helper()
	out := make(fstest.MapFS)
	err := fs.WalkDir(dashboardFiles, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, chartFile) {
			return err
		}
		data, err := fs.ReadFile(dashboardFiles, name)
		out[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func loadDashboard(t *testing.T, b *Dashboard, folder fs.FS) *Dashboard {
	t.Helper()
	if _, err := b.load(folder); err != nil {
		t.Fatal(err)
	}
	return b
}

func askDashboard(t *testing.T, b *Dashboard, r *http.Request) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		t.Errorf("%s %s went to the next handler", r.Method, r.URL.Path)
		return nil
	})
	if err := b.ServeHTTP(w, r, next); err != nil {
		t.Fatal(err)
	}
	return w.Result()
}

func getDashboard(t *testing.T, b *Dashboard, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil), nil); err != nil {
		t.Fatal(err)
	}
	return w.Result(), w.Body.String()
}

func TestEmbeddedChartLibraryIsTheReviewedOne(t *testing.T) {
	lib, err := dashboardFiles.ReadFile("dashboard/" + chartFile)
	if err != nil {
		t.Skip("not run: the chart library is not embedded: run scripts/fetch-chart.sh")
	}
	if got := integrityOf(lib); got != chartIntegrity {
		t.Fatalf("the embedded file is %s, the page asks for %s", got, chartIntegrity)
	}
	if !strings.Contains(string(lib[:200]), "v5.2.1") || !strings.Contains(chartPinned, "@5.2.1/") {
		t.Error("the version of the file is not that of the pinned address")
	}
	page, body := getDashboard(t, loadDashboard(t, new(Dashboard), dashboardFiles), "/")
	if got := page.Header.Get("Content-Security-Policy"); got != plainPolicy {
		t.Errorf("policy %q", got)
	}
	if !strings.Contains(body, `data-library="embedded"`) || strings.Contains(body, "crossorigin") {
		t.Error("the page does not load the embedded library")
	}
}

func TestPageWithoutTheLibraryNamesOneForeignFile(t *testing.T) {
	for _, tt := range []struct {
		name, configured, want, origin string
		remote                         bool
	}{
		{"pinned", "", chartPinned, chartCDN, true},
		{"configured", "https://charts.example.com:8443/lib/lightweight-charts.js", "https://charts.example.com:8443/lib/lightweight-charts.js", chartConfigured, true},
		{"same site", "/lib/lightweight-charts.js", "/lib/lightweight-charts.js", chartConfigured, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response, body := getDashboard(t, loadDashboard(t, &Dashboard{ChartLibrary: tt.configured}, without(t)), "/")
			want := plainPolicy
			if tt.remote {
				want = strings.Replace(plainPolicy, "script-src 'self'", "script-src 'self' "+tt.want, 1)
			}
			if got := response.Header.Get("Content-Security-Policy"); got != want {
				t.Errorf("policy\n%s, want\n%s", got, want)
			}
			tag := regexp.MustCompile(`<script id="chart-library"[^>]*>`).FindString(body)
			for _, part := range []string{`src="` + tt.want + `"`, `integrity="` + strings.ReplaceAll(chartIntegrity, "+", "&#43;") + `"`} {
				if !strings.Contains(tag, part) {
					t.Errorf("%s is not in %s", part, tag)
				}
			}
			if strings.Contains(tag, `crossorigin="anonymous"`) != tt.remote {
				t.Errorf("crossorigin: %s", tag)
			}
			if !strings.Contains(body, `data-library="`+tt.origin+`"`) {
				t.Errorf("the page does not say %q", tt.origin)
			}
		})
	}
}

func TestAlteredLibraryIsNeitherServedNorLoaded(t *testing.T) {
	folder := without(t).(fstest.MapFS)
	folder["dashboard/"+chartFile] = &fstest.MapFile{Data: []byte("alert(1)")}
	b := loadDashboard(t, new(Dashboard), folder)
	for name := range b.files {
		if strings.HasSuffix(name, chartFile) {
			t.Errorf("%s is served", name)
		}
	}
	if _, body := getDashboard(t, b, "/"); !strings.Contains(body, chartPinned) {
		t.Error("the page does not fall back to the pinned address")
	}
}

func TestEveryFileOfThePageIsServed(t *testing.T) {
	b := loadDashboard(t, new(Dashboard), dashboardFiles)
	_, page := getDashboard(t, b, "/")
	wanted := regexp.MustCompile(`(?:src|href)="(assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(wanted) < 3 {
		t.Fatalf("the page names %d files", len(wanted))
	}
	base, _, _ := strings.Cut(strings.TrimPrefix(wanted[0][1], dashboardAssets), "/")
	paths := make(map[string]bool)
	for _, m := range wanted {
		paths["/"+m[1]] = true
	}
	imports := regexp.MustCompile(`(?m)^import .* from '\./([a-z]+\.js)';$`)
	for _, file := range b.files {
		for _, m := range imports.FindAllStringSubmatch(string(file.body), -1) {
			paths["/"+dashboardAssets+base+"/"+m[1]] = true
		}
	}
	for path := range paths {
		response, body := getDashboard(t, b, path)
		if response.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s: status %d", path, response.StatusCode)
		}
		if got := response.Header.Get("Cache-Control"); got != immutable {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}

func TestAnswersOfTheDashboard(t *testing.T) {
	b := loadDashboard(t, new(Dashboard), dashboardFiles)
	first, _ := getDashboard(t, b, "/")
	etag := first.Header.Get("ETag")
	for _, tt := range []struct {
		name, method, path, match string
		status                    int
	}{
		{"page", http.MethodGet, "/", "", 200},
		{"page, header alone", http.MethodHead, "/", "", 200},
		{"page not modified", http.MethodGet, "/", etag, 304},
		{"page of another version", http.MethodGet, "/", `"other"`, 200},
		{"unknown path", http.MethodGet, "/<script>alert(1)</script>", "", 404},
		{"old version", http.MethodGet, "/assets/0000000000000000/main.js", "", 404},
		{"source folder", http.MethodGet, "/package.json", "", 404},
		{"path that climbs", http.MethodGet, "/assets/../dashboard/index.html", "", 404},
		{"folder", http.MethodGet, "/assets/", "", 404},
		{"post", http.MethodPost, "/", "", 405},
		{"options", http.MethodOptions, "/", "", 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", nil)
			r.URL.Path = tt.path
			if tt.match != "" {
				r.Header.Set("If-None-Match", tt.match)
			}
			response := askDashboard(t, b, r)
			if response.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", response.StatusCode, tt.status)
			}
			raw, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			body := string(raw)
			if tt.method == http.MethodHead && body != "" {
				t.Error("HEAD has a body")
			}
			if tt.status == 404 && (strings.Contains(body, "script") || strings.Contains(body, "assets")) {
				t.Errorf("the path is echoed: %s", body)
			}
			if tt.status == 405 && response.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", response.Header.Get("Allow"))
			}
			checkSecurityHeaders(t, response.Header)
		})
	}
	if first.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("Cache-Control of the page: %q", first.Header.Get("Cache-Control"))
	}
}

func checkSecurityHeaders(t *testing.T, got http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	if !strings.HasPrefix(got.Get("Content-Security-Policy"), "default-src 'none'; ") {
		t.Errorf("Content-Security-Policy: %q", got.Get("Content-Security-Policy"))
	}
}

func TestAddressesOfTheAssetsChangeWithTheirBytes(t *testing.T) {
	one := map[string][]byte{"a.js": []byte("1"), "b.js": []byte("2")}
	same := maps.Clone(one)
	if hashOf(one) != hashOf(same) {
		t.Error("equal files have different addresses")
	}
	for _, other := range []map[string][]byte{
		{"a.js": []byte("1"), "b.js": []byte("3")}, {"a.js": []byte("1")}, {"a.js": []byte("2"), "b.js": []byte("1")}, {"c.js": []byte("1"), "b.js": []byte("2")},
	} {
		if hashOf(one) == hashOf(other) {
			t.Errorf("%v has the address of %v", other, one)
		}
	}
}

func TestChartLibraryAddressCannotWidenThePolicy(t *testing.T) {
	for _, address := range []string{
		"https://charts.example.com/lightweight-charts.js", "http://10.0.0.1:8080/a/b@1.0/x.js", "/lib/x.js",
	} {
		if err := checkChartURL(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		"https://x.example/a.js; script-src *", "https://x.example/a.js 'unsafe-inline'", "https://x.example/a.js,b", "https://x.example/a.js?v=1",
		"https://x.example/a.js#x", "https://user:pw@x.example/a.js", "//x.example/a.js", "https://x.example/", "https://x.example", "/", "lib/x.js",
		"javascript:alert(1)", "data:text/javascript,1", "https://*/a.js", "https://x.example/\"><script>", "https://x.example/a\nb.js",
		"ftp://x.example/a.js", "https://x.example/" + strings.Repeat("a", maxChartURL),
	} {
		if checkChartURL(address) == nil {
			t.Errorf("%.80q is accepted", address)
		}
	}
}

// The files are the ones that reach browsers; a policy without inline code only helps if there is none.
func TestPageHasNoInlineCode(t *testing.T) {
	html, err := dashboardFiles.ReadFile("dashboard/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`<script>`, `style="`, `<style`, ` onclick=`, ` onload=`, ` onerror=`, `javascript:`} {
		if strings.Contains(string(html), bad) {
			t.Errorf("%s is in the page", bad)
		}
	}
	scripts, err := fs.Glob(dashboardFiles, "dashboard/*.js")
	if err != nil || len(scripts) < 10 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, name := range scripts {
		code, err := dashboardFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML =", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setAttribute('style'"} {
			if strings.Contains(string(code), bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
}
