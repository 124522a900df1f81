package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// explained asks for a bar; a problem comes as its code and detail.
func explained(t *testing.T, h *Hub, query string) (explanation, string) {
	t.Helper()
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	q, p := h.ParseExplain(context.Background(), v)
	if p != nil {
		return explanation{}, p.Code + ": " + p.Detail
	}
	a, err := h.Explain(t.Context(), q)
	if p := (*Problem)(nil); errors.As(err, &p) {
		return explanation{}, p.Code + ": " + p.Detail + fmt.Sprint(p.Allowed)
	}
	if err != nil {
		t.Fatal(err)
	}
	var x explanation
	if err := json.Unmarshal(a.Body, &x); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	return x, ""
}

// lineage is a log of 100 bars, of which the third was restated when the
// fourth had closed, and came twice after a crash.
func lineage() *Hub {
	cfg := testConfig(1)
	cfg.ViewBars = 5 // most bars are in the log alone
	h, log := NewHub(cfg), &keptLog{}
	h.Loaded()
	h.SetArchive(log)
	offset := int64(0)
	for i := int64(1); i <= 100; i++ {
		apply(h, log, testBar("A", i, i).from(offset, 0, 10*i, 10*i+7))
		offset++
		if i == 4 {
			late := testBar("A", 3, 5)
			late.rev = 1
			r := late.from(offset, 0, 30, 44)
			apply(h, log, r)
			again := r
			again.Offset++
			apply(h, log, again)
			values := Record{Offset: offset + 2, So: offset, Sk: 1, Kind: KindRestated, Value: []byte(`{"sym":"A","itv":"1m","ind":"ema(3)","rev":1,"seq":9,"why":"late","ver":"9f3c1a77","t":[180000,240000],"v":[[7.5,8.5]],"out":["value"]}`)}
			apply(h, log, values)
			offset += 3
		}
	}
	return h
}

func TestABarIsExplainedByItsRecords(t *testing.T) {
	h := lineage()
	x, p := explained(t, h, "sym=A&itv=1m&t=60000000&rev=0")
	if p == "" || !strings.HasPrefix(p, CodeUnknownBar) {
		t.Fatalf("a bar that does not exist: %v %v", x, p)
	}
	x, p = explained(t, h, "sym=A&itv=1m&t=180000")
	if p != "" || x.Rev != 1 || x.Why != "late" || len(x.Revisions) != 2 || x.Input != (inputRange{0, 30, 44}) || string(x.First) != "1" || string(x.Last) != "10482" || x.Trades != 42 {
		t.Fatalf("the restated bar: %s %+v", p, x)
	}
	v := x.Values["ema(3)"]
	if v.Restated == nil || string(v.Values[0]) != "7.5" || v.Seq != 9 || !v.Stable || v.Module != "builtin" || v.Params["period"] != "3" {
		t.Errorf("its value: %+v", v)
	}
	x, p = explained(t, h, "sym=A&itv=1m&t=180000&rev=0&ind=ema(3)")
	if p != "" || x.Rev != 0 || x.Input != (inputRange{0, 30, 37}) || len(x.Values) != 1 || x.Values["ema(3)"].Restated != nil {
		t.Errorf("its first revision: %s %+v", p, x)
	}
	// Values of the bar behind it changed with it.
	if x, p = explained(t, h, "sym=A&itv=1m&t=240000"); p != "" || string(x.Values["ema(3)"].Values[0]) != "8.5" || x.Rev != 0 {
		t.Errorf("the bar behind it: %s %+v", p, x)
	}
	if _, p = explained(t, h, "sym=A&itv=1m&t=180000&rev=7"); !strings.Contains(p, "no such revision") || !strings.Contains(p, "[0 1]") {
		t.Errorf("a revision that there is not: %s", p)
	}
}

func TestExplainRefusesWhatItCannotRead(t *testing.T) {
	h := lineage()
	for query, want := range map[string]string{
		"itv=1m&t=180000":                       "sym is a symbol",
		"sym=A&t=180000":                        "itv is missing",
		"sym=A&itv=1m":                          "t is missing",
		"sym=A&itv=1m&t=180001":                 "opens at 180000",
		"sym=A&itv=1m&t=180000&rev=-1":          "whole number",
		"sym=A&itv=1m&t=180000&rev=1&rev=2":     "twice",
		"sym=A&itv=1m&t=180000&verify=1":        "unknown here",
		"sym=A&itv=1m&t=180000&ind=sma(9)":      "no indicator",
		"sym=A&itv=2m&t=180000":                 "not configured",
		"sym=B&itv=1m&t=180000":                 "no closed bar",
		"sym=A&itv=1m&t=" + "1e5":               "neither integer",
		"sym=A&itv=1m&t=180000&rev=99999999999": "whole number",
	} {
		if _, p := explained(t, h, query); !strings.Contains(p, want) {
			t.Errorf("%s: %q, want %q in it", query, p, want)
		}
	}
}
