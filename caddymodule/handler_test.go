package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// begin is the open time of the first bar of the test series, ms.
const begin = 1_700_000_040_000

// bar is minute n of BTCUSD, closed.
func bar(n int64) serve.Record {
	k := core.Kline{
		Symbol: "BTCUSD", Interval: "1m", OpenTime: begin + n*60_000, CloseTime: begin + (n+1)*60_000 - 1,
		PriceScale: 2, SizeScale: 2, O: 100, H: 120, L: 90, C: 110, N: 3, Final: true, Seq: n + 1,
	}
	return serve.Record{Offset: n, So: n, Value: wire.AppendKline(nil, &k, nil), Timestamp: k.CloseTime}
}

// startedEngine is an engine with a fake core, running, with n bars loaded.
func startedEngine(t *testing.T, c clock.Clock, n int64) (*engine, *fakeCore) {
	t.Helper()
	pool := useFakePool(t, c)
	a := mustProvision(t, embeddedConfig)
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cleanup(t, a) })
	f := pool.started()[0]
	for i := range n {
		f.hub.Apply(0, []serve.Record{bar(i)})
	}
	if n > 0 {
		f.hub.Loaded()
	}
	return a.engine, f
}

func testKlines(e *engine) *Klines {
	return &Klines{engine: e, limiter: newLimiter(e.clock, 1000, 1000), logger: zap.NewNop()}
}

// prepare makes of r what Caddy hands to a handler.
func prepare(r *http.Request, w http.ResponseWriter) *http.Request {
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
}

// ask sends one request; next notes whether the request was passed on.
func ask(t *testing.T, h caddyhttp.MiddlewareHandler, method, target string, header ...string) (w *httptest.ResponseRecorder, passed bool) {
	t.Helper()
	w = httptest.NewRecorder()
	r := prepare(httptest.NewRequestWithContext(t.Context(), method, target, nil), w)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { passed = true; return nil })
	if err := h.ServeHTTP(w, r, next); err != nil {
		t.Fatalf("%s %s returned %v", method, target, err)
	}
	return w, passed
}

func TestProblems(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 3)
	k := testKlines(e)
	long := strings.Repeat("x", klinesQuery)
	for _, tc := range []struct {
		name, method, target string
		status               int
		code, param          string
	}{
		{"unknown parameter", "GET", "/v1/klines?sym=BTCUSD&itv=1m&foo=1", 400, "bad-parameter", "foo"},
		{"parameter twice", "GET", "/v1/klines?sym=BTCUSD&sym=X&itv=1m", 400, "bad-parameter", "sym"},
		{"bad symbol", "GET", "/v1/klines?sym=%3Cb%3E&itv=1m", 400, "bad-parameter", "sym"},
		{"missing interval", "GET", "/v1/klines?sym=BTCUSD", 400, "bad-parameter", "itv"},
		{"interval of another dialect", "GET", "/v1/klines?sym=BTCUSD&itv=1Min", 400, "unknown-interval", "itv"},
		{"seconds", "GET", "/v1/klines?sym=BTCUSD&itv=1m&from=1700000000", 400, "bad-parameter", "from"},
		{"limit", "GET", "/v1/klines?sym=BTCUSD&itv=1m&limit=5001", 400, "bad-parameter", "limit"},
		{"limit zero", "GET", "/v1/klines?sym=BTCUSD&itv=1m&limit=0", 400, "bad-parameter", "limit"},
		{"semicolon", "GET", "/v1/klines?sym=BTCUSD;itv=1m", 400, "bad-parameter", ""},
		{"long query", "GET", "/v1/klines?sym=" + long, 400, "query-too-long", ""},
		{"selection", "GET", "/v1/latest?s=BTCUSD", 400, "bad-selection", "s"},
		{"indicator in selection", "GET", "/v1/bundle?s=BTCUSD@1m:foo(1)", 404, "unknown-indicator", "s"},
		{"module given twice", "GET", "/v1/indicators?module=a&module=b", 400, "bad-parameter", "module"},
		{"symbols filter given twice", "GET", "/v1/symbols?q=a&q=b", 400, "bad-parameter", "q"},
		{"indicator name", "GET", "/v1/indicators/foo", 404, "unknown-indicator", "name"},
		{"indicator name outside the alphabet", "GET", "/v1/indicators/..%2Fx", 404, "unknown-route", ""},
		{"explain without a time", "GET", "/v1/explain?sym=BTCUSD&itv=1m", 400, "bad-parameter", "t"},
		{"explain between open times", "GET", "/v1/explain?sym=BTCUSD&itv=1m&t=1700000000001", 400, "bad-parameter", "t"},
		{"explain of no bar", "GET", "/v1/explain?sym=BTCUSD&itv=1m&t=1600000020000", 404, "unknown-bar", "t"},
		{"unknown route", "GET", "/v1/nothing", 404, "unknown-route", ""},
		{"upper case route", "GET", "/v1/KLINES", 404, "unknown-route", ""},
		{"trailing slash", "GET", "/v1/klines/", 404, "unknown-route", ""},
		{"upper case version", "GET", "/V1/klines?sym=BTCUSD&itv=1m", 404, "unknown-route", ""},
		{"doubled slash", "GET", "http://x//v1/klines?sym=BTCUSD&itv=1m", 404, "unknown-route", ""},
		{"dots", "GET", "/x/../v1/klines?sym=BTCUSD&itv=1m", 404, "unknown-route", ""},
		{"method", "POST", "/v1/klines", 405, "method-not-allowed", ""},
		{"delete", "DELETE", "/v1/status", 405, "method-not-allowed", ""},
		{"status takes nothing", "GET", "/v1/status?x=1", 400, "bad-parameter", "x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, passed := ask(t, k, tc.method, tc.target)
			if passed || w.Code != tc.status {
				t.Fatalf("status %d (passed on: %v), want %d: %s", w.Code, passed, tc.status, w.Body)
			}
			var p map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			param, _ := p["param"].(string)
			if p["type"] != problemPrefix+tc.code || param != tc.param || p["status"] != float64(tc.status) {
				t.Errorf("problem %v, want code %s of parameter %q", p, tc.code, tc.param)
			}
			if p["title"] == "" || p["instance"] == "" {
				t.Errorf("title or instance is missing: %v", p)
			}
			if v, _ := p["value"].(string); len(v) > maxQuoted {
				t.Errorf("the echoed value has %d bytes", len(v))
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
		})
	}
}

func TestKlinesAnswer(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 3)
	k := testKlines(e)
	w, _ := ask(t, k, "GET", "/v1/klines?sym=BTCUSD&itv=1m&from=1700000040000&limit=2")
	var body struct {
		Bars []map[string]any `json:"bars"`
		Next int64            `json:"next"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 {
		t.Fatalf("%d %v: %s", w.Code, err, w.Body)
	}
	if len(body.Bars) != 2 || body.Bars[0]["t"] != float64(begin) || body.Next != begin+120_000 {
		t.Errorf("bars %v, next %d", body.Bars, body.Next)
	}
	h := w.Header()
	want := `</v1/klines?from=1700000160000&itv=1m&limit=2&sym=BTCUSD>; rel="next"`
	if h.Get("Link") != want {
		t.Errorf("link %q, want %q", h.Get("Link"), want)
	}
	for _, name := range []string{"ETag", "Kline-Position", "Cache-Control", "Content-Length", "X-Data-Source"} {
		if h.Get(name) == "" {
			t.Errorf("no %s in %v", name, h)
		}
	}
	again, _ := ask(t, k, "GET", "/v1/klines?sym=BTCUSD&itv=1m&from=1700000040000&limit=2", "If-None-Match", h.Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("the same ETag was answered with %d and %d bytes", again.Code, again.Body.Len())
	}
	head, _ := ask(t, k, "HEAD", "/v1/klines?sym=BTCUSD&itv=1m&from=1700000040000&limit=2")
	if head.Body.Len() != 0 || head.Header().Get("Content-Length") != h.Get("Content-Length") {
		t.Errorf("HEAD: %d bytes, length %q", head.Body.Len(), head.Header().Get("Content-Length"))
	}
}

// What has an ETag has to know it again: a page that polls the symbols got all of them
// each time.
func TestEveryETagIsAnsweredWith304(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 3)
	k := testKlines(e)
	for _, target := range []string{
		"/v1/klines?sym=BTCUSD&itv=1m", "/v1/latest?s=BTCUSD@1m", "/v1/bundle?s=BTCUSD@1m", "/v1/symbols", "/v1/symbols?q=btc&limit=1", "/v1/indicators",
	} {
		w, _ := ask(t, k, "GET", target)
		etag := w.Header().Get("ETag")
		if w.Code != http.StatusOK || etag == "" {
			t.Errorf("%s: %d with the ETag %q", target, w.Code, etag)
			continue
		}
		again, _ := ask(t, k, "GET", target, "If-None-Match", etag)
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: its own ETag was answered with %d and %d bytes", target, again.Code, again.Body.Len())
		}
	}
}

func TestReadsAnswerStartingUntilLoaded(t *testing.T) {
	e, f := startedEngine(t, clock.Real(), 0)
	k := testKlines(e)
	for _, target := range []string{"/v1/klines?sym=B&itv=1m", "/v1/latest?s=B@1m", "/v1/bundle?s=B@1m", "/v1/values?sym=B&itv=1m&ind=x", "/v1/symbols"} {
		w, _ := ask(t, k, "GET", target)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), problemPrefix+"starting") {
			t.Errorf("%s: %d %v %s", target, w.Code, w.Header(), w.Body)
		}
	}
	if w, _ := ask(t, k, "GET", "/v1/status"); w.Code != 200 {
		t.Errorf("status answered %d before the view was loaded", w.Code)
	}
	if w, _ := ask(t, k, "GET", "/v1/health"); w.Code != 503 || !strings.HasPrefix(w.Body.String(), `{"status":"not ready"`) {
		t.Errorf("health: %d %s", w.Code, w.Body)
	}
	f.hub.Loaded()
	f.mu.Lock()
	f.ready = true
	f.mu.Unlock()
	if w, _ := ask(t, k, "GET", "/v1/klines?sym=B&itv=1m"); w.Code != 200 {
		t.Errorf("klines answered %d after the view was loaded", w.Code)
	}
	if w, _ := ask(t, k, "GET", "/v1/health"); w.Code != 200 {
		t.Errorf("health answered %d when ready", w.Code)
	}
}

func TestOtherPathsGoToTheNextHandler(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	for _, path := range []string{"/", "/index.html", "/v1", "/v1/stream", "/v2/klines"} {
		if _, passed := ask(t, testKlines(e), "GET", path); !passed {
			t.Errorf("%s was not passed on", path)
		}
	}
}

func TestRateLimitNamesUserBeforeAddress(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	k := testKlines(e)
	k.limiter = newLimiter(e.clock, 0.001, 2)
	as := func(user, ip string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/symbols", nil)
		r.RemoteAddr = ip + ":1"
		repl := caddy.NewReplacer()
		if user != "" {
			repl.Set("http.auth.user.id", user)
		}
		r = caddyhttp.PrepareRequest(r, repl, w, new(caddyhttp.Server))
		if err := k.ServeHTTP(w, r, nil); err != nil {
			t.Fatal(err)
		}
		return w
	}
	for _, step := range []struct {
		user, ip string
		want     int
	}{
		{"ann", "10.0.0.1", 200},
		{"ann", "10.0.0.2", 200},
		{"ann", "10.0.0.3", 429},
		{"", "10.0.0.3", 200},
		{"", "10.0.0.3", 200},
		{"", "10.0.0.3", 429},
		{"", "[2001:db8:0:1::1]", 200},
		{"", "[2001:db8:0:1::2]", 200},
		{"", "[2001:db8:0:1:ffff::3]", 429}, // the same /64
		{"", "[2001:db8:0:2::1]", 200},
		{"", "[::ffff:10.0.0.3]", 429},
		{"", "[fe80::1%eth0]", 200},
		{"", "[fe80::2%eth1]", 200},
		{"", "[fe80::3]", 429},
		{"10.0.0.4", "10.0.0.9", 200},
		{"", "10.0.0.4", 200},
	} {
		w := as(step.user, step.ip)
		if w.Code != step.want {
			t.Fatalf("user %q at %s: %d, want %d", step.user, step.ip, w.Code, step.want)
		}
		if w.Code == 429 && (w.Header().Get("Retry-After") == "" || w.Header().Get("RateLimit-Policy") != `"default";q=2;w=2000`) {
			t.Errorf("headers of the refusal: %v", w.Header())
		}
	}
}

func TestCORSAnswersListedOriginsOnly(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	k := testKlines(e)
	k.AllowOrigins = []string{"https://a.example"}
	for _, tc := range []struct {
		method, origin, request string
		status                  int
		allowed                 string
	}{
		{"GET", "https://a.example", "", 200, "https://a.example"},
		{"GET", "https://b.example", "", 200, ""},
		{"GET", "https://a.example.evil", "", 200, ""},
		{"GET", "null", "", 200, ""},
		{"GET", "", "", 200, ""},
		{"OPTIONS", "https://a.example", "GET", 204, "https://a.example"},
		{"OPTIONS", "https://b.example", "GET", 405, ""},
		{"OPTIONS", "https://a.example", "", 405, "https://a.example"},
	} {
		w, _ := ask(t, k, tc.method, "/v1/symbols", "Origin", tc.origin, "Access-Control-Request-Method", tc.request)
		if w.Code != tc.status || w.Header().Get("Access-Control-Allow-Origin") != tc.allowed {
			t.Errorf("%s from %q: %d, allowed %q; want %d, %q", tc.method, tc.origin, w.Code,
				w.Header().Get("Access-Control-Allow-Origin"), tc.status, tc.allowed)
		}
		if !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Origin") {
			t.Errorf("%s from %q: no Vary: Origin, a cache would mix the answers up", tc.method, tc.origin)
		}
		if w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Error("credentials are allowed across origins")
		}
	}
}

// The routes do not compress, so they do not say that the answer depends on what
// the client can unpack: a cache would keep one copy for each spelling of that
// header. Caddy's encode adds it where it compresses.
func TestAnswersVaryByNothingThatTheyDoNotLookAt(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	for _, target := range []string{"/v1/symbols", "/v1/klines?sym=BTCUSD&itv=1m", "/v1/nothing"} {
		w, _ := ask(t, testKlines(e), "GET", target, "Accept-Encoding", "gzip")
		if vary := w.Header().Values("Vary"); len(vary) != 0 || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: Vary %q, Content-Encoding %q", target, vary, w.Header().Get("Content-Encoding"))
		}
	}
}

// A placeholder in anything that a user sends must come back as text, or not at
// all.
func TestPlaceholdersOfUsersAreNotExpanded(t *testing.T) {
	t.Setenv("KLINE_CANARY", "canary-8c1f")
	e, _ := startedEngine(t, clock.Real(), 1)
	evil := "%7Benv.KLINE_CANARY%7D"
	for _, target := range []string{
		"/v1/klines?sym=" + evil + "&itv=1m", "/v1/klines?sym=BTCUSD&itv=" + evil, "/v1/klines?" + evil + "=1",
		"/v1/latest?s=" + evil + "@1m", "/v1/symbols?q=" + evil, "/v1/indicators/" + evil, "/v1/" + evil,
		"/v1/stream?s=" + evil + "@1m",
	} {
		for _, h := range []caddyhttp.MiddlewareHandler{testKlines(e), testStream(e)} {
			w, _ := ask(t, h, "GET", target, "Last-Event-ID", "{env.KLINE_CANARY}", "If-None-Match", "{env.KLINE_CANARY}", "Origin", "{env.KLINE_CANARY}")
			dump := w.Body.String()
			for name, values := range w.Header() {
				dump += name + strings.Join(values, " ")
			}
			if strings.Contains(dump, "canary-8c1f") {
				t.Errorf("%s gave the environment away: %s", target, dump)
			}
		}
	}
}
