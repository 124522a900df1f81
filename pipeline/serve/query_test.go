package serve

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestQueriesAreRefusedByName(t *testing.T) {
	h := testHub(1)
	for _, c := range []struct{ url, code, param, detail string }{
		{"/v1/klines?itv=1m", CodeBadParameter, "sym", "symbol"},
		{"/v1/klines?sym=A&itv=1Min", CodeUnknownInterval, "itv", "did you mean 1m"},
		{"/v1/klines?sym=A&itv=60min", CodeUnknownInterval, "itv", "not configured"},
		{"/v1/klines?sym=A&itv=1H", CodeUnknownInterval, "itv", "did you mean 1h"},
		{"/v1/klines?sym=A&itv=M5", CodeUnknownInterval, "itv", "did you mean 5m"},
		{"/v1/klines?sym=A&itv=PT1M", CodeUnknownInterval, "itv", "did you mean 1m"},
		{"/v1/klines?sym=A&itv=1m&from=1795239360", CodeBadParameter, "from", "1795239360000"},
		{"/v1/klines?sym=A&itv=1m&from=yesterday", CodeBadParameter, "from", "RFC 3339"},
		{"/v1/klines?sym=A&itv=1m&from=last+week", CodeBadParameter, "from", "RFC 3339"},
		{"/v1/klines?sym=A&itv=1m&from=2026-01-01T00:00:00+00:00", CodeBadParameter, "from", "write %2B"},
		{"/v1/klines?sym=A&itv=1m&to=2026-01-01T00:00:00.5+05:30", CodeBadParameter, "to", "write %2B"},
		{"/v1/klines?sym=A&itv=1m&from=12345678901234567", CodeBadParameter, "from", "16 digits"},
		{"/v1/klines?sym=A&itv=1m&from=9&to=3", CodeBadParameter, "to", "before"},
		{"/v1/klines?sym=A&itv=1m&limit=0", CodeBadParameter, "limit", "1 to 5000"},
		{"/v1/klines?sym=A&itv=1m&limit=5001", CodeBadParameter, "limit", "1 to 5000"},
		{"/v1/klines?sym=A&itv=1m&limit=%2B7", CodeBadParameter, "limit", "1 to 5000"},
		{"/v1/klines?sym=A&itv=1m&closed=yes", CodeBadParameter, "closed", "0 or 1"},
		{"/v1/klines?sym=A&itv=1m&fill=prev", CodeBadParameter, "fill", "none"},
		{"/v1/klines?sym=A&itv=1m&format=binance", CodeBadParameter, "format", "native, lwc"},
		{"/v1/klines?sym=A&itv=1m&symbol=A", CodeBadParameter, "symbol", "unknown"},
		{"/v1/klines?sym=A&sym=B&itv=1m", CodeBadParameter, "sym", "twice"},
		{"/v1/klines?sym=A&itv=1m&as_of=1", CodeBadParameter, "as_of", "unknown"},
		{"/v1/values?sym=A&itv=1m&ind=rsi(14)", CodeUnknownIndicator, "ind", "configured"},
		{"/v1/values?sym=A&itv=1m", CodeBadParameter, "ind", "missing"},
		{"/v1/latest?s=A", CodeBadSelection, "s", "@"},
		{"/v1/latest?s=A@1m:", CodeBadSelection, "s", "colon"},
		{"/v1/latest?s=A@2m", CodeUnknownInterval, "s", "not configured"},
		{"/v1/latest?s=A%20B@1m", CodeBadSelection, "s", "not a symbol"},
		{"/v1/latest?s=A@1m:ema(3", CodeBadSelection, "s", "match"},
		{"/v1/latest?s=A@1m:ema(3,src=rsi(14))", CodeUnknownIndicator, "s", "configured"},
		{"/v1/values?sym=A&itv=1m&ind=ema(3),ema(4)", CodeBadSelection, "ind", "several indicators"},
		{"/v1/latest?s=A@1m:Ema(3)", CodeBadSelection, "s", "not an indicator name"},
		{"/v1/latest", CodeBadSelection, "s", "missing"},
		{"/v1/symbols?after=%3Cb%3E", CodeBadParameter, "after", "last symbol"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		_, p, _ := route(h, u)
		if p == nil || p.Code != c.code || p.Param != c.param || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %+v, want %s %s %q", c.url, p, c.code, c.param, c.detail)
		}
	}
}

func TestTimesInThreeForms(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1795239360000": 1795239360000, "1795239360000999": 1795239360000,
		"2026-11-21T11:00:00Z": 1795258800000, "2026-11-21T12:00:00.5+01:00": 1795258800500} {
		if got, detail := parseTime(text); got != want || detail != "" {
			t.Errorf("%s: %d %s, want %d", text, got, detail, want)
		}
	}
}

func TestEchoedValuesAreCut(t *testing.T) {
	h := testHub(1)
	_, p := h.ParseKlines(url.Values{"sym": {strings.Repeat("é", 60)}, "itv": {"1m"}}, 0)
	if p == nil || len(p.Value) > maxEcho || strings.ContainsRune(p.Value, '\uFFFD') || !strings.HasPrefix(p.Value, "éé") {
		t.Errorf("%+v", p)
	}
	doc := string(p.AppendJSON(nil, "req-1"))
	if !strings.Contains(doc, `"type":"urn:caddy-kline:problem:bad-parameter"`) || !strings.Contains(doc, `"status":400`) {
		t.Errorf("%s", doc)
	}
}

func TestSelectionsUniteAndResolve(t *testing.T) {
	h := testHub(1)
	sel, p := h.ParseSelection(context.Background(), []string{"A:B/C,B@1m,5m:kline,ema(3),macd(2,3,2)", "B@5m:ema(period=3,src=close)", "B@1h"})
	if p != nil {
		t.Fatal(p)
	}
	if len(sel.Pairs) != 5 || !slices.Equal(sel.Symbols(), []string{"A:B/C", "B"}) {
		t.Errorf("%+v", sel.Pairs)
	}
	for _, text := range []string{"ema(3)", "ema(period=3)", "ema(3.0)", "builtin/ema(3)", "macd(fast=2,slow=3,signal=2)", "macd(2,slow=3,signal=2)"} {
		sel, p := h.ParseSelection(context.Background(), []string{"A@1m:" + text})
		if p != nil || len(sel.Pairs[0].Indicators) != 1 {
			t.Errorf("%s: %v", text, p)
		}
	}
	for _, text := range []string{"ema", "ema(20)", "ema(3,4)", "ema(3,src=open)", "other/ema(3)", "ema(3,period=3)", "macd(2,3)", "ema()"} {
		if sel, p := h.ParseSelection(context.Background(), []string{"A@1m:" + text}); p == nil {
			t.Errorf("%s was taken for %v", text, sel.Pairs[0].Indicators)
		}
	}
}

func TestWhatIsNamedAgainDoesNotCount(t *testing.T) {
	h := testHub(1)
	again := strings.Repeat("A,", MaxPairs) + "B@" + strings.Repeat("1m,", MaxPairs) + "5m"
	sel, p := h.ParseSelection(context.Background(), []string{again, again, "A@1m"})
	if p != nil {
		t.Fatal(p)
	}
	var got []string
	for _, pair := range sel.Pairs {
		got = append(got, pair.Symbol+"@"+pair.Interval)
	}
	if want := "A@1m B@1m A@5m B@5m"; strings.Join(got, " ") != want {
		t.Errorf("selected %v, want %s", got, want)
	}
}

func TestSelectionLimits(t *testing.T) {
	h := testHub(1)
	syms := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, "S"+string(rune('A'+i/26))+string(rune('A'+i%26)))
		}
		return strings.Join(out, ",")
	}
	for n, ok := range map[int]bool{MaxPairs - 1: true, MaxPairs: true, MaxPairs + 1: false} {
		_, p := h.ParseSelection(context.Background(), []string{syms(n) + "@1m"})
		if (p == nil) != ok || p != nil && p.Limit != MaxPairs {
			t.Errorf("%d pairs: %v", n, p)
		}
	}
	for size, ok := range map[int]bool{1023: true, 1024: true, 1025: false} {
		v := url.Values{"s": {"A@1m"}, "last_event_id": {strings.Repeat("a", size)}}
		if _, p := h.ParseStream(context.Background(), v, ""); (p == nil) != ok || p != nil && p.Limit != 1024 {
			t.Errorf("an id of %d bytes: %v", size, p)
		}
	}
}

func FuzzSelection(f *testing.F) {
	for _, s := range []string{"BTCUSDT,ETHUSDT@1m,5m:kline,ema(3),macd(2,3,2)", "A@1m:ema(3,src=rsi(14,src=ema(3)))", "@", "A@1m:((", "A@1m:ema(=)", ",@,:,"} {
		f.Add(s)
	}
	h := testHub(1)
	f.Fuzz(func(t *testing.T, s string) {
		sel, p := h.ParseSelection(context.Background(), []string{s})
		if p != nil {
			if p.Detail == "" || len(p.Value) > maxEcho || p.Status < 400 {
				t.Fatalf("%+v", p)
			}
			return
		}
		if len(sel.Pairs) > MaxPairs {
			t.Fatalf("%d pairs", len(sel.Pairs))
		}
		for _, pair := range sel.Pairs {
			// What is echoed parses to itself.
			items := pair.Indicators
			if pair.Kline {
				items = append([]string{"kline"}, items...)
			}
			again, p := h.ParseSelection(context.Background(), []string{pair.Symbol + "@" + pair.Interval + ":" + strings.Join(items, ",")})
			if p != nil || len(again.Pairs) != 1 || !slices.Equal(again.Pairs[0].inds, pair.inds) || again.Pairs[0].Kline != pair.Kline {
				t.Fatalf("%+v became %+v, %v", pair, again, p)
			}
		}
	})
}
