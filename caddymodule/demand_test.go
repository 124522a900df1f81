package caddymodule

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

func testDemand(t *testing.T) *demand {
	t.Helper()
	d := newDemand(compiledDir())
	t.Cleanup(d.stop)
	return d
}

func mustProgram(t *testing.T, d *demand, text string) serve.Program {
	t.Helper()
	p, err := d.Program(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run computes closes in pieces of one, two, three bars.
func runProgram(t *testing.T, p serve.Program, closes []float64) []float64 {
	t.Helper()
	c, err := p.Start(60_000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	width := len(p.Meta().Outputs)
	var out []float64
	for from, size := 0, 1; from < len(closes); size++ {
		n := min(size, len(closes)-from)
		var bars []core.Bar
		for i := range n {
			v := closes[from+i]
			bars = append(bars, core.Bar{OpenTime: int64(from+i) * 60_000, Open: v, High: v, Low: v, Close: v, Volume: 1, N: 1})
		}
		row := make([]float64, n*width)
		for i := range row {
			row[i] = math.NaN()
		}
		if done, err := c.Run(bars, row, make([]bool, n)); err != nil || done != n {
			t.Fatalf("%d of %d bars: %v", done, n, err)
		}
		for i := range n {
			out = append(out, row[i*width])
		}
		from += n
	}
	return out
}

func closes(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 100 + math.Sin(float64(i))*10
	}
	return out
}

func TestEverySpellingIsOneProgram(t *testing.T) {
	d := testDemand(t)
	first := mustProgram(t, d, "ema(33)")
	for _, text := range []string{"ema(33)", "builtin/ema(33)", "ema(period=33)", "ema(33,src=close)"} {
		if p := mustProgram(t, d, text); p != first {
			t.Errorf("%s is another program than ema(33): %s", text, p.Meta().Name)
		}
	}
	if m := first.Meta(); m.Name != "ema(33)" || m.Module != "builtin" || m.Profile != "talib" || len(m.Version) != 8 {
		t.Errorf("described as %+v", m)
	}
}

func TestProgramsOnDemandAreWhatTheirFormulaSays(t *testing.T) {
	in := closes(60)
	got := runProgram(t, mustProgram(t, testDemand(t), "sma(7)"), in)
	for i := range in {
		if i < 6 {
			if !math.IsNaN(got[i]) {
				t.Errorf("bar %d has %v while it warms up", i, got[i])
			}
			continue
		}
		sum := 0.0
		for _, v := range in[i-6 : i+1] {
			sum += v
		}
		if math.Abs(got[i]-sum/7) > 1e-9 {
			t.Errorf("bar %d: %v, want %v", i, got[i], sum/7)
		}
	}
}

func TestChainsReadTheFirstOutputOfTheirSource(t *testing.T) {
	d := testDemand(t)
	chained := mustProgram(t, d, "sma(5,src=sma(7))")
	if chained.Meta().Name != "sma(5,src=sma(7))" {
		t.Errorf("canonical name %s", chained.Meta().Name)
	}
	if again := mustProgram(t, d, "sma(src=sma(period=7),period=5)"); again.Meta().Name != chained.Meta().Name {
		t.Errorf("another spelling is called %s", again.Meta().Name)
	}
	in := closes(80)
	inner := runProgram(t, mustProgram(t, d, "sma(7)"), in)
	want := runProgram(t, mustProgram(t, d, "sma(5)"), inner[6:])
	got := runProgram(t, chained, in)
	for i := range in {
		w := math.NaN()
		if i >= 6 {
			w = want[i-6]
		}
		if math.Float64bits(got[i]) != math.Float64bits(w) && !(math.IsNaN(got[i]) && math.IsNaN(w)) {
			t.Errorf("bar %d: %v, want %v", i, got[i], w)
		}
	}
}

// A chain of chains is what its parts give one after the other, also over the
// bars on which the inner ones warm up.
func TestChainsAreAsDeepAsTheyMayBe(t *testing.T) {
	d, in := testDemand(t), closes(80)
	for text, periods := range map[string][]int{
		"sma(5,src=sma(6,src=sma(7)))": {7, 6, 5}, "sma(3,src=sma(4,src=sma(5,src=sma(6))))": {6, 5, 4, 3},
	} {
		want, missing := in, 0
		for _, n := range periods {
			want = runProgram(t, mustProgram(t, d, fmt.Sprintf("sma(%d)", n)), want)[n-1:]
			missing += n - 1
		}
		p := mustProgram(t, d, text)
		got := runProgram(t, p, in)
		for i := range in {
			if i < missing && !math.IsNaN(got[i]) || i >= missing && got[i] != want[i-missing] {
				t.Fatalf("%s: bar %d: %v, which warms up for %d bars", text, i, got[i], missing)
			}
		}
		previewsWhileWarming(t, p)
	}
}

// previewsWhileWarming wants no value of a bar in progress before there is one
// of closed bars, whatever stood in the buffer.
func previewsWhileWarming(t *testing.T, p serve.Program) {
	t.Helper()
	c, err := p.Start(60_000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 10 {
		b := core.Bar{OpenTime: int64(i) * 60_000, Open: 1, High: 1, Low: 1, Close: 1, Volume: 1, N: 1}
		out := []float64{7}
		if _, err := c.Preview(b, out); err != nil || !math.IsNaN(out[0]) {
			t.Fatalf("%s: preview %d while it warms up: %v, %v", p.Meta().Name, i, out[0], err)
		}
		if _, err := c.Run([]core.Bar{b}, out, nil); err != nil || !math.IsNaN(out[0]) {
			t.Fatalf("%s: bar %d while it warms up: %v, %v", p.Meta().Name, i, out[0], err)
		}
	}
}

func TestExpressionsThatCannotBeComputedSayWhy(t *testing.T) {
	d := testDemand(t)
	for _, c := range []struct {
		text, want string
		argument   bool // the indicator is there, its parameters are wrong
	}{
		{"nothing(3)", "unknown indicator", false},
		{"ema(3,src=nothing(2))", "unknown indicator", false},
		{"mine/decay(3)", "no module mine is active", false},
		{"ema(0)", `period is "0" (allowed: 1 to 10000)`, true},
		{"builtin/ema(0)", `period is "0" (allowed: 1 to 10000)`, true},
		{"sma(-1)", `period is "-1" (allowed: 1 to 5000)`, true},
		{"sma(1e9)", `period is "1e9" (allowed: 1 to 5000)`, true},
		{"sma(2.5)", `period is "2.5", allowed are whole numbers (allowed: 1 to 5000)`, true},
		{"sma(5,5)", `value "5" is too many`, true},
		{"sma(5,period=6)", "period is given twice", true},
		{"sma(len=5)", `unknown parameter "len" (parameters: period, src)`, true},
		{"sma(x)", `value "x" has no place`, true},
		{"sma(NaN)", `period is "NaN", which is no number`, true},
		{"bbands(20,2,ma=foo)", `ma is "foo" (allowed: ema, sma)`, true},
		{"ema(3,src=sma(0))", `period is "0" (allowed: 1 to 5000)`, true},
		{"ema(", "reading indicator", true},
		{"atr(3,src=ema(2))", "has no src", true},
		{"ema(3,src=ema(2),src=ema(4))", "src is given twice", true},
		{"ema(3,src=ema(3,src=ema(3,src=ema(3,src=ema(3)))))", "nests deeper than 4", true},
	} {
		_, err := d.Program(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
		if _, argument := errors.AsType[*serve.ArgumentError](err); argument != c.argument {
			t.Errorf("%s: %v is an error of the parameters: %v, want %v", c.text, err, argument, c.argument)
		}
	}
	d.stop()
	if _, err := d.Program("ema(77)"); err == nil || !strings.Contains(err.Error(), "the engine ends") {
		t.Errorf("after the end: %v", err)
	}
}

// Parameters that an indicator does not take are the request's fault, not a name
// that nobody knows: a client that is told 404 looks for the name.
func TestARequestIsToldWhichParameterIsWrong(t *testing.T) {
	hub := serve.NewHub(serve.HubConfig{LogID: "l", Partitions: 1, Intervals: []string{"1m"}})
	hub.SetComputer(testDemand(t))
	for ind, want := range map[string]struct {
		status int
		code   string
		detail string
	}{
		"sma(0)":           {400, serve.CodeBadParameter, `period is "0" (allowed: 1 to 5000)`},
		"sma(len=5)":       {400, serve.CodeBadParameter, "parameters: period, src"},
		"sma(5,5)":         {400, serve.CodeBadParameter, "too many"},
		"sma(3,src=ema())": {},
		"sma()":            {}, // all defaults
		"smaa(3)":          {404, serve.CodeUnknownIndicator, `did you mean "sma"`},
		"foo/sma(3)":       {404, serve.CodeUnknownIndicator, "no module foo is active"},
	} {
		_, values := hub.ParseValues(t.Context(), url.Values{"sym": {"A"}, "itv": {"1m"}, "ind": {ind}}, 0)
		_, selected := hub.ParseSelection(t.Context(), []string{"A@1m:" + ind})
		for param, p := range map[string]*serve.Problem{"ind": values, "s": selected} {
			switch {
			case want.status == 0 && p == nil:
			case want.status == 0 || p == nil:
				t.Errorf("%s: %+v, want status %d", ind, p, want.status)
			case p.Status != want.status || p.Code != want.code || p.Param != param || p.Value != ind || !strings.Contains(p.Detail, want.detail):
				t.Errorf("%s: %+v, want %+v", ind, p, want)
			}
		}
	}
}

func TestPreviewsOnDemandChangeNothing(t *testing.T) {
	p := mustProgram(t, testDemand(t), "ema(3,src=ema(4))")
	c, err := p.Start(60_000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out := []float64{math.NaN()}
	bar := func(i int, v float64) core.Bar {
		return core.Bar{OpenTime: int64(i) * 60_000, Open: v, High: v, Low: v, Close: v, Volume: 1, N: 1}
	}
	for i := range 20 {
		if _, err := c.Run([]core.Bar{bar(i, float64(i))}, out, make([]bool, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []float64{1e6, 3, 77} {
		if _, err := c.Preview(bar(20, v), out); err != nil {
			t.Fatal(err)
		}
	}
	preview := []float64{math.NaN()}
	if _, err := c.Preview(bar(20, 20), preview); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run([]core.Bar{bar(20, 20)}, out, make([]bool, 1)); err != nil {
		t.Fatal(err)
	}
	if out[0] != preview[0] || math.IsNaN(out[0]) {
		t.Errorf("the bar closed with %v, the preview was %v", out[0], preview[0])
	}
}
