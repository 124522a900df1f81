package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// In a site without matchers Caddy runs the page first, then the stream, then the
// routes: each must leave to the next what is not its own.
func TestHandlersOfOneSiteLeaveEachOtherTheirPaths(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	page := new(Dashboard)
	for _, c := range []struct {
		path string
		h    caddyhttp.MiddlewareHandler
		next bool
	}{
		{"/v1/klines", page, true},
		{"/v1/stream", page, true},
		{"/v1", page, false},
		{"/nothing", page, false},
		{"/v1/klines", testStream(e), true},
		{"/v1/trades", testStream(e), true},
		{"/v1/stream", testStream(e), false},
		{"/live", testStream(e), false}, // mounted elsewhere by a matcher
		{"/v1/stream", testKlines(e), true},
		{"/", testKlines(e), true},
		{"/v1/klines", testKlines(e), false},
	} {
		if _, passed := ask(t, c.h, "GET", c.path); passed != c.next {
			t.Errorf("%T, %s: passed on %v, want %v", c.h, c.path, passed, c.next)
		}
	}
}

// What no matcher has given to a handler below /v1 nobody would answer, and Caddy
// would say 200 with nothing in it.
func TestPathsThatOnlyMatchersKnowAreUnknown(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	for path, h := range map[string]caddyhttp.MiddlewareHandler{
		"/v1/Stream": testStream(e), "/v1//stream": testStream(e), "/v1/x/../stream": testStream(e),
		"/v1/status/..": new(Dashboard), "/v1/modules/../../modules": new(Dashboard), "/v1/../": new(Dashboard),
	} {
		if w, passed := ask(t, h, "GET", path); passed || w.Code != http.StatusNotFound {
			t.Errorf("%s: passed on %v, %d %s", path, passed, w.Code, w.Body)
		}
	}
}

// A client follows the link as it stands: what handle_path has stripped belongs
// to it.
func TestTheLinkToTheNextPageHasWhatWasStripped(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 5)
	for original, want := range map[string]string{
		"/v1/klines":             "/v1/klines",
		"/api/v1/klines":         "/api/v1/klines",
		"/%C3%A9%3E/x/v1/klines": "/%C3%A9%3E/x/v1/klines",
		"/charts":                "/v1/klines", // rewritten: that path has other parameters
	} {
		w := httptest.NewRecorder()
		r := prepare(httptest.NewRequestWithContext(t.Context(), "GET", original+"?sym=BTCUSD&itv=1m&limit=2&from=0", nil), w)
		r.URL.Path, r.URL.RawPath = "/v1/klines", ""
		next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
		if err := testKlines(e).ServeHTTP(w, r, next); err != nil {
			t.Fatal(err)
		}
		want = "<" + want + `?from=1700000160000&itv=1m&limit=2&sym=BTCUSD>; rel="next"`
		if got := w.Header().Get("Link"); got != want {
			t.Errorf("%s: link %q, want %q", original, got, want)
		}
	}
}

// The same for the links inside of bodies, whatever a user has written into the
// body's texts.
func TestTheLinksOfABodyHaveWhatWasStripped(t *testing.T) {
	body := []byte(`[{"title":"\"links\":{\"manifest\":\"/v1/","links":{"manifest":"/v1/indicators/sma"}},{"links":{"bytes":"/v1/modules/m/1.0.0.wasm"}}]`)
	for original, prefix := range map[string]string{
		"/v1/indicators":             "",
		"/api/v1/indicators":         "/api",
		"/%22%C3%A9$1/v1/indicators": "/%22%C3%A9$1",
		"/other":                     "",
	} {
		r := prepare(httptest.NewRequestWithContext(t.Context(), "GET", original, nil), httptest.NewRecorder())
		r.URL.Path, r.URL.RawPath = "/v1/indicators", ""
		want := `[{"title":"\"links\":{\"manifest\":\"/v1/","links":{"manifest":"` + prefix + `/v1/indicators/sma"}},{"links":{"bytes":"` + prefix + `/v1/modules/m/1.0.0.wasm"}}]`
		if got := string(linksBelow(publicPrefix(r), body)); got != want {
			t.Errorf("%s: %s, want %s", original, got, want)
		}
	}
}
