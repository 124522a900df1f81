package caddymodule

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// The chart library: one file of one version, and nothing else is ever run.
const (
	chartFile      = "vendor/lightweight-charts.js"
	chartIntegrity = "sha384-KkYqTZlM13Zya6fVUF3IGCBOQ1ehFeJVVgxaVvD/0MebineF9EI8Jkd3NnWNChqN"
	chartPinned    = "https://cdn.jsdelivr.net/npm/lightweight-charts@5.2.1/dist/lightweight-charts.standalone.production.js"
)

// Where the chart library comes from, as logged and as shown on the page.
const (
	chartEmbedded   = "embedded"
	chartConfigured = "configured address"
	chartCDN        = "pinned address"
)

const (
	dashboardAssets = "assets/"
	immutable       = "public, max-age=31536000, immutable"
	maxChartURL     = 2048
)

// dashboardFiles holds the page. The folder vendor has a committed file beside
// the library: a pattern without a match would not compile, and a build that
// ran no script has no library.
//
//go:embed dashboard/*.html dashboard/*.css dashboard/*.js dashboard/vendor
var dashboardFiles embed.FS

// Dashboard serves the page with the live chart, at the root of where it is
// mounted. It holds no state: all data comes from /v1 of the same site.
type Dashboard struct {
	// ChartLibrary is where the page loads the chart library from if it is not embedded: a full address or a path of
	// the same site. The file must be the pinned one, browsers check its hash. Default: a pinned public address.
	ChartLibrary string `json:"chart_library,omitempty"`
	// AllowOrigins are the origins whose pages may read the page. Default: none.
	AllowOrigins []string `json:"allow_origins,omitempty"`

	csp   string
	files map[string]*dashboardFile // by path below the mount, immutable
}

// dashboardFile is one answer, ready to be sent.
type dashboardFile struct {
	body         []byte
	contentType  string
	cacheControl string
	etag         string
}

// dashboardPage is what the page's template takes.
type dashboardPage struct {
	Base, Chart, Integrity, Origin, Version string
	Remote                                  bool
}

// CaddyModule returns the Caddy module information.
func (Dashboard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.kline_dashboard", New: func() caddy.Module { return new(Dashboard) }}
}

// parseDashboard reads the directive
//
//	kline_dashboard [<matcher>] {
//		chart_library <url>
//		allow_origin <origin>...
//	}
func parseDashboard(h httpcaddyfile.Helper) (*Dashboard, error) {
	b := new(Dashboard)
	if err := onlyName(h.Dispenser); err != nil {
		return nil, err
	}
	err := parseBlock(h.Dispenser, "kline_dashboard", []word{
		checked(text("chart_library", &b.ChartLibrary), func() error { return checkChartURL(b.ChartLibrary) }),
		{name: "allow_origin", read: readOrigins(&b.AllowOrigins)},
	})
	return b, err
}

// Provision renders the page and reads its files into memory.
func (b *Dashboard) Provision(ctx caddy.Context) error {
	if err := checkChartURL(b.ChartLibrary); err != nil {
		return err
	}
	origin, err := b.load(dashboardFiles)
	if err != nil {
		return fmt.Errorf("loading the dashboard: %w", err)
	}
	ctx.Logger().Info("chart library of the dashboard", zap.String("from", origin))
	return nil
}

// Validate checks the origins.
func (b *Dashboard) Validate() error { return origins(b.AllowOrigins).check() }

// ServeHTTP implements caddyhttp.MiddlewareHandler. What lies below /v1 is the
// next handler's: in a site without matchers this one comes first.
func (b *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	below := strings.HasPrefix(r.URL.Path, "/v1/")
	if below && strings.HasPrefix(matchedPath(r.URL.Path), "/v1/") {
		return next.ServeHTTP(w, r)
	}
	b.secure(w.Header())
	if below { // by its dots it is not: no matcher has given it to those below /v1
		notOnDashboard().write(w, r)
		return nil
	}
	if origins(b.AllowOrigins).apply(w, r) {
		return nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		methodNotAllowed("", http.MethodGet, http.MethodHead).write(w, r)
		return nil
	}
	file, ok := b.files[r.URL.Path]
	if !ok {
		notOnDashboard().write(w, r)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", file.cacheControl)
	h.Set("ETag", file.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.body))
	return nil
}

// secure sets the headers that every answer of the dashboard has, errors too:
// an error page on the same origin is as good a target as the page.
func (b *Dashboard) secure(h http.Header) {
	h.Set("Content-Security-Policy", b.csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// load fills files and csp from the folder, and returns where the chart
// library comes from.
func (b *Dashboard) load(folder fs.FS) (origin string, err error) {
	assets, err := readAssets(folder)
	if err != nil {
		return "", err
	}
	page := dashboardPage{Base: dashboardAssets + hashOf(assets) + "/", Integrity: chartIntegrity, Version: version()}
	page.Origin, page.Chart, page.Remote = b.chart(assets[chartFile], page.Base)
	b.csp = contentPolicy(page)

	b.files = make(map[string]*dashboardFile, len(assets)+1)
	for name, body := range assets {
		b.files["/"+page.Base+name] = newDashboardFile(name, immutable, body)
	}
	html, err := renderPage(folder, page)
	if err != nil {
		return "", err
	}
	b.files["/"] = newDashboardFile("index.html", "no-cache", html)
	return page.Origin, nil
}

// chart decides between the three addresses of the library. An embedded file
// that is not the reviewed one counts as absent: browsers would refuse it.
func (b *Dashboard) chart(embedded []byte, base string) (origin, address string, remote bool) {
	switch {
	case integrityOf(embedded) == chartIntegrity:
		return chartEmbedded, base + chartFile, false
	case strings.HasPrefix(b.ChartLibrary, "/"):
		return chartConfigured, b.ChartLibrary, false
	case b.ChartLibrary != "":
		return chartConfigured, b.ChartLibrary, true
	}
	return chartCDN, chartPinned, true
}

// readAssets reads what the page loads: scripts, styles and, where the build
// fetched it, the chart library.
func readAssets(folder fs.FS) (map[string][]byte, error) {
	names, err := fs.Glob(folder, "dashboard/*.*s")
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(names)+1)
	for _, name := range names {
		if out[path.Base(name)], err = fs.ReadFile(folder, name); err != nil {
			return nil, err
		}
	}
	if lib, err := fs.ReadFile(folder, path.Join("dashboard", chartFile)); err == nil && integrityOf(lib) == chartIntegrity {
		out[chartFile] = lib
	}
	return out, nil
}

// renderPage fills the few blanks of the page. html/template escapes them.
func renderPage(folder fs.FS, page dashboardPage) ([]byte, error) {
	t, err := template.ParseFS(folder, "dashboard/index.html")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, page); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func newDashboardFile(name, cacheControl string, body []byte) *dashboardFile {
	types := map[string]string{
		".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	}
	sum := sha256.Sum256(body)
	return &dashboardFile{
		body: body, contentType: types[path.Ext(name)], cacheControl: cacheControl,
		etag: `"` + hex.EncodeToString(sum[:12]) + `"`,
	}
}

// contentPolicy names one foreign file at most, by its full address: a host as
// a whole would let everything on a public CDN run here.
func contentPolicy(page dashboardPage) string {
	script := "'self'"
	if page.Remote {
		script += " " + page.Chart
	}
	return "default-src 'none'; script-src " + script + "; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
}

// hashOf names a set of files: any change of one gives all of them new
// addresses, so that a page never mixes two versions.
func hashOf(assets map[string][]byte) string {
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(assets)) {
		sum := sha256.Sum256(assets[name])
		fmt.Fprintf(all, "%s %x\n", name, sum)
	}
	return hex.EncodeToString(all.Sum(nil)[:8])
}

func integrityOf(body []byte) string {
	sum := sha512.Sum384(body)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
}

// chartPath are the characters of an address that mean nothing in a header or
// in a content policy.
var chartPath = regexp.MustCompile(`\A(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|)/[A-Za-z0-9._~@/+-]*\z`)

// checkChartURL refuses what could add a directive to the policy, and what a
// policy cannot name: a query, a fragment, credentials.
func checkChartURL(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || len(address) > maxChartURL || !chartPath.MatchString(address) || strings.HasPrefix(address, "//") || strings.HasSuffix(u.Path, "/") {
		return fmt.Errorf("checking chart_library: %q is not the address of a file such as https://static.example.com/lightweight-charts.js "+
			"or /static/lightweight-charts.js, without a query", cut(address))
	}
	return nil
}

// notOnDashboard echoes nothing of the request.
func notOnDashboard() *problem {
	return &problem{code: "unknown-route", status: http.StatusNotFound, title: "Unknown route"}
}
