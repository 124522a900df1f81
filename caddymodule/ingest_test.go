package caddymodule

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

type ingestBed struct {
	*Ingest
	t    *testing.T
	core *fakeCore
}

func newIngestBed(t *testing.T) *ingestBed {
	t.Helper()
	e, cores := startedEngine(t, clock.Real(), 1)
	b := &ingestBed{t: t, Ingest: &Ingest{engine: e, logger: zap.NewNop(), Rate: &Rate{PerSecond: 1e5, Burst: 100_000}}, core: cores}
	b.prepare()
	return b
}

// post sends a body as user; "" is nobody.
func (b *ingestBed) post(user, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, ingestPath, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	repl := caddy.NewReplacer()
	if user != "" {
		repl.Set("http.auth.user.id", user)
	}
	r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl))
	w := httptest.NewRecorder()
	if err := b.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNotFound)
		return nil
	})); err != nil {
		b.t.Fatal(err)
	}
	return w
}

// What a matcher of Caddy takes for the route may be no route of ours: passed on,
// nobody would answer, and Caddy would say 200 for trades that were not taken.
func TestIngestRefusesPathsThatOnlyMatchersKnow(t *testing.T) {
	b := newIngestBed(t)
	for target, code := range map[string]int{
		"/V1/trades": 404, "http://x//v1/trades": 404, "/v1//trades": 404, "/v1/trades/": 404, "/x/../v1/trades": 404,
		"/v1/tradesx": 200, "/v1/klines": 200, "/": 200, // those of others
	} {
		w, passed := ask(t, b, http.MethodPost, target)
		if passed != (code == 200) || w.Code != code {
			t.Errorf("%s: passed on %v, %d %s", target, passed, w.Code, w.Body)
		}
	}
}

func (b *ingestBed) result(w *httptest.ResponseRecorder) ingestResult {
	b.t.Helper()
	var got ingestResult
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		b.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return got
}

func tradeLine(id int) string {
	return fmt.Sprintf(`{"symbol":"A","price":"1.5","size":"2","ts":1700000000000,"id":%d,"side":"buy"}`, id)
}

func TestIngestAnswersWhatHappenedToEachLine(t *testing.T) {
	b := newIngestBed(t)
	body := strings.Join([]string{
		tradeLine(1), tradeLine(2), tradeLine(1), "", `{"symbol":"A"}`, `nonsense`, strings.Replace(tradeLine(3), `"1.5"`, `"-1"`, 1),
		strings.Replace(tradeLine(4), `"size":"2"`, `"size":0`, 1), strings.Replace(tradeLine(5), `"id":5,`, ``, 1), strings.Replace(tradeLine(1), "1.5", "1.6", 1),
		strings.Replace(tradeLine(6), `"1.5"`, `"1e-19"`, 1), strings.Replace(tradeLine(7), `"2"`, `1.5e-18`, 1),
	}, "\n")
	w := b.post("ann", body)
	want := `{"accepted":3,"duplicate":1,"refused":7,"lines":[{"line":5,"reason":"price","field":"price"},{"line":6,"reason":"decode"},{"line":7,"reason":"price","field":"price"},{"line":8,"reason":"size","field":"size"},{"line":9,"reason":"decode","field":"id"},{"line":11,"reason":"precision","field":"price"},{"line":12,"reason":"precision","field":"size"}]}`
	if w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s\nwant %s", w.Code, w.Body, want)
	}
	if len(b.core.ingested) != 3 || b.core.ingested[0] != "ingest/ann "+tradeLine(1) {
		t.Errorf("%q", b.core.ingested)
	}
	if got := b.result(b.post("ann", tradeLine(2))); got.Duplicate != 1 || got.Accepted != 0 {
		t.Errorf("sent again: %+v", got)
	}
	if got := b.result(b.post("bob", tradeLine(2))); got.Accepted != 1 {
		t.Errorf("of another source: %+v", got)
	}
}

func TestIngestTakesArraysAndGzip(t *testing.T) {
	b := newIngestBed(t)
	got := b.result(b.post("ann", " [\n"+tradeLine(1)+" , 7,\n"+tradeLine(2)+"\n]\n"))
	if got.Accepted != 2 || len(got.Lines) != 1 || got.Lines[0].Line != 2 {
		t.Errorf("%+v", got)
	}
	if got := b.result(b.post("ann", "\ufeff["+tradeLine(4)+","+tradeLine(5)+"]")); got.Accepted != 2 || got.Refused != 0 {
		t.Errorf("behind a byte order mark: %+v", got)
	}
	if got := b.result(b.post("ann", "[]")); got.Accepted != 0 || got.Refused != 0 {
		t.Errorf("%+v", got)
	}
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	_, _ = g.Write([]byte(tradeLine(3)))
	_ = g.Close()
	if got := b.result(b.post("ann", z.String(), "Content-Encoding", "gzip")); got.Accepted != 1 {
		t.Errorf("%+v", got)
	}
}

func TestIngestRemembersOnlyWhatWasAcknowledged(t *testing.T) {
	b := newIngestBed(t)
	b.core.ingestErr = fmt.Errorf("writing: %w", pipeline.ErrNotAcknowledged)
	w := b.post("ann", tradeLine(1))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "not-acknowledged") {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	b.core.ingestErr = nil
	if got := b.result(b.post("ann", tradeLine(1))); got.Accepted != 1 {
		t.Errorf("%+v: a trade that nobody has was taken for a duplicate", got)
	}
}

func TestIngestRefusesWhatIsTooMuchOrUnreadable_E08(t *testing.T) {
	b := newIngestBed(t)
	var bomb bytes.Buffer
	g := gzip.NewWriter(&bomb)
	_, _ = g.Write(make([]byte, 64<<20))
	_ = g.Close()
	for name, tc := range map[string]struct {
		body   string
		header []string
		status int
	}{
		"too large":        {strings.Repeat("x", maxIngestBody+1), nil, 413},
		"bomb":             {bomb.String(), []string{"Content-Encoding", "gzip"}, 413},
		"too many":         {strings.Repeat(tradeLine(1)+"\n", maxIngestTrades+1), nil, 413},
		"no gzip":          {tradeLine(1), []string{"Content-Encoding", "gzip"}, 400},
		"other encoding":   {tradeLine(1), []string{"Content-Encoding", "br"}, 415},
		"too many in one":  {"[" + strings.Repeat(tradeLine(1)+",", maxIngestTrades) + tradeLine(1) + "]", nil, 413},
		"truncated array":  {"[" + tradeLine(1), nil, 400},
		"no comma":         {"[" + tradeLine(1) + tradeLine(2) + "]", nil, 400},
		"comma at the end": {"[" + tradeLine(1) + ",]", nil, 400},
		"another bracket":  {"[" + tradeLine(1) + "}", nil, 400},
		"behind an array":  {"[" + tradeLine(1) + "]" + tradeLine(2), nil, 400},
		"another origin":   {tradeLine(1), []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if w := b.post("ann", tc.body, tc.header...); w.Code != tc.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if len(b.core.ingested) != 0 {
		t.Errorf("%q", b.core.ingested)
	}
}

func TestIngestTellsNothingWithoutAnIdentity(t *testing.T) {
	b := newIngestBed(t)
	if w := b.post("", tradeLine(1)); w.Code != http.StatusUnauthorized || len(b.core.ingested) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestIngestHandsATraceContextOn(t *testing.T) {
	b := newIngestBed(t)
	const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	b.result(b.post("ann", tradeLine(1), "Traceparent", given))
	if b.core.trace != given {
		t.Errorf("%q", b.core.trace)
	}
	b.result(b.post("ann", tradeLine(2), "Traceparent", "{env.HOME}"))
	if !traceForm.MatchString(b.core.trace) || b.core.trace == given {
		t.Errorf("%q", b.core.trace)
	}
}

func TestIngestNeedsAuthenticationInFront(t *testing.T) {
	for sites, accepted := range map[string]bool{
		":1 {\nhandle /v1/trades {\nAUTH {}\nkline_ingest\n}\n}":            true,
		":1 {\nkline_ingest {\nallow_unauthenticated\n}\n}":                 true,
		":1 {\nkline_ingest {\nidentity {http.request.header.X-User}\n}\n}": true,
		":1 {\nkline_ingest\n}": false,
		":1 {\nhandle /a {\nAUTH {}\n}\nhandle /v1/trades {\nkline_ingest\n}\n}": false,
	} {
		err := validate(t, sites)
		if (err == nil) != accepted || err != nil && !strings.Contains(err.Error(), "allow_unauthenticated") {
			t.Errorf("%s: %v", sites, err)
		}
	}
}

// Two users whose long names begin alike are two sources, in bytes that a text of
// JSON and of a database can hold.
func TestUsersWithLongNamesAreSourcesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	long := strings.Repeat("CN=a certificate of the trading desk ", 4)
	for _, id := range []string{"ann", long + "1", long + "2", strings.Repeat("\u00e9", 60), "x" + strings.Repeat("\u00e9", 60), "bad \xff", strings.Repeat("\xff", 90)} {
		s := ingestSource(id)
		if len(s) > maxIngestSource || !utf8.ValidString(s) || !strings.HasPrefix(s, "ingest/") || seen[s] || s != ingestSource(id) {
			t.Errorf("%q is the source %q", id, s)
		}
		seen[s] = true
	}
	if got := ingestSource("ann"); got != "ingest/ann" {
		t.Errorf("got %q", got)
	}
}

// Where people choose their names, one of them could choose what a long name is
// shortened to.
func TestNobodyCanBeNamedLikeAShortenedSource(t *testing.T) {
	for _, id := range []string{strings.Repeat("CN=a certificate of the trading desk ", 4), strings.Repeat("\u00e9", 60), strings.Repeat("x", maxIngestSource)} {
		s := ingestSource(id)
		if name := strings.TrimPrefix(s, "ingest/"); ingestSource(name) == s {
			t.Errorf("%q has the source of %q", name, id)
		}
	}
}

// Empty lines are no trades, and the lines behind them keep their numbers.
func TestEmptyLinesAreNotCountedAsTrades(t *testing.T) {
	b := newIngestBed(t)
	lines := make([]string, maxIngestTrades)
	for i := range lines {
		lines[i] = tradeLine(i + 1)
	}
	lines[maxIngestTrades-1] = "nonsense"
	body := "\n\r\n" + strings.Join(lines, "\n") + "\n\n"
	got := b.result(b.post("ann", body))
	if got.Accepted != maxIngestTrades-1 || len(got.Lines) != 1 || got.Lines[0].Line != maxIngestTrades+2 {
		t.Errorf("accepted %d, refused %+v", got.Accepted, got.Lines)
	}
	if w := b.post("ann", body+tradeLine(maxIngestTrades)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("1001 trades: %d %s", w.Code, w.Body)
	}
}

// What is no trade, or one too many, costs no memory: a body of 1 KB in gzip holds
// a million lines.
// What the route refused could never reach an engine that takes it.
func TestIngestTakesThePricesThatTheRulesOfTheSymbolTake(t *testing.T) {
	b := newIngestBed(t)
	b.engine.config.Symbols = []core.SymbolRule{{Pattern: "CL*", PriceScale: -1, SizeScale: -1, AnyPrice: true}}
	body := strings.Join([]string{
		`{"symbol":"CLK0","price":"-37.63","size":"2","ts":1700000000000,"id":1}`, `{"symbol":"CLK0","price":0,"size":"2","ts":1700000000000,"id":2}`,
		`{"symbol":"CLK0","price":"-37.63","size":"-2","ts":1700000000000,"id":3}`, `{"symbol":"A","price":"-37.63","size":"2","ts":1700000000000,"id":4}`,
	}, "\n")
	want := `{"accepted":2,"duplicate":0,"refused":2,"lines":[{"line":3,"reason":"size","field":"size"},{"line":4,"reason":"price","field":"price"}]}`
	if w := b.post("ann", body); w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s\nwant %s", w.Code, w.Body, want)
	}
}

func TestAMillionEmptyLinesAndALongArrayCostNoMemory(t *testing.T) {
	const most = 8 * maxIngestBody
	for name, tc := range map[string]struct {
		body    []byte
		refused bool
	}{
		"empty lines": {bytes.Repeat([]byte("\n"), maxIngestBody), false},
		"lines":       {bytes.Repeat([]byte("1\n"), maxIngestBody/2), true},
		"an array":    {[]byte("[1" + strings.Repeat(",1", maxIngestBody/2-2) + "]"), true},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		lines, p := cutTrades(tc.body)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > most || len(lines) > 0 || (p != nil) != tc.refused {
			t.Errorf("%s: %d lines, %d bytes allocated, %+v", name, len(lines), got, p)
		}
		if p != nil && p.code != "too-many-trades" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
