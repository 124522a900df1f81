package clickhouse

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// shown is a row of klineA as the server prints it.
const shown = "BTCUSDT\t1m\t1795239360000\t1795239419999\t64012.100000000000000000\t64020.000000000000000000\t64000.500000000000000000\t64010.010000000000000000\t" +
	"12.345000000000000000\t790214.770000000000000000\t42\t6.100000000000000000\t390412.500000000000000000\t64010.900000000000000000\t10441\ta\\t7\t2\t1042\ttrades\tlate\t3\t881200\t881377\t1\n"

// answering is a reader of a server with one answer, which notes the statement.
func answering(t *testing.T, status int, answer string, asked *string) *Reader {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.Query().Get("query")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return NewReader("archive", Config{Addr: strings.TrimPrefix(s.URL, "http://"), Credentials: func() (string, string) { return "ann", "hunter2" }})
}

// What is read back is what was written, ids and decimals to the byte.
func TestARowComesBackAsItWas(t *testing.T) {
	var asked string
	r := answering(t, 200, shown, &asked)
	want := testKline(t, 0, 0)
	want.WM, want.Ind = 0, nil
	n := 0
	err := r.Bars(t.Context(), serve.BarQuery{Symbol: `A'B`, Interval: "1m", From: 5, To: 9, Limit: 7, Newest: true}, func(k *wire.KlineRecord) error {
		n++
		if got := fmt.Sprintf("%q", []any{*k}); got != fmt.Sprintf("%q", []any{want.KlineRecord}) {
			t.Errorf("got  %s\nwant %q", got, []any{want.KlineRecord})
		}
		return nil
	})
	if err != nil || n != 1 || r.Name() != "archive" {
		t.Errorf("%d rows from %s, %v", n, r.Name(), err)
	}
	for _, part := range []string{"`kline`.klines FINAL", `sym = 'A\'B'`, "open_ms >= 5 AND open_ms < 9", "ORDER BY open_ms DESC LIMIT 7)", "ORDER BY open_ms, ep DESC LIMIT 1 BY open_ms FORMAT"} {
		if !strings.Contains(asked, part) {
			t.Errorf("%q is not in %s", part, asked)
		}
	}
}

// A row that is no row is an error and never half a record; a table that the sink
// has not made yet is an empty one.
func TestAnswersOfAnotherShapeAreRefused(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		status       int
		want         string
	}{
		{"cut", shown[:90], 200, "another shape"},
		{"an error in the middle", shown + "Code: 241, e.displayText() = DB::Exception: Memory limit", 200, "another shape"},
		{"no number", strings.Replace(shown, "1795239360000", "soon", 1), 200, "another shape"},
		{"refused", "Code: 516. DB::Exception: ann: Authentication failed", 403, "refuses the user"},
		{"overloaded", "Code: 202. DB::Exception: Too many simultaneous queries", 500, "answers 500"},
		{"no table yet", "Code: 60, e.displayText() = DB::Exception: Table kline.klines doesn't exist.", 404, ""},
		{"no database yet", "Code: 81, e.displayText() = DB::Exception: Database kline doesn't exist", 404, ""},
		{"nothing", "", 200, ""},
	} {
		var asked string
		err := answering(t, test.status, test.answer, &asked).Bars(t.Context(), serve.BarQuery{Limit: 9}, func(k *wire.KlineRecord) error { return nil })
		if (test.want == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "ann")) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	var asked string
	stop := errors.New("enough")
	if err := answering(t, 200, shown, &asked).Bars(t.Context(), serve.BarQuery{Limit: 9}, func(*wire.KlineRecord) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error became %v", err)
	}
}

// The columns of the server and the sink's escapes round-trip.
func TestTextsAndDecimalsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if got := string(plain(history.AppendTab(nil, text))); got != text {
			t.Fatalf("%q became %q", text, got)
		}
		d := core.AppendDecimal(nil, rapid.Int64().Draw(t, "coef"), rapid.Uint8Range(0, places).Draw(t, "scale"))
		padded := string(d)
		if !strings.Contains(padded, ".") {
			padded += "."
		}
		padded += strings.Repeat("0", places)
		if got := trim([]byte(padded)); string(got) != string(d) {
			t.Fatalf("%s became %s", padded, got)
		}
	})
}
