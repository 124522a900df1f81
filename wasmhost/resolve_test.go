package wasmhost

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// grammarManifest has a parameter of every sort, in an order in which numbers
// and choices alternate.
const grammarManifest = `{"abi":1,"name":"fixture","version":"1.0.0","indicators":[
 {"id":0,"name":"sum","input":"src","params":[
   {"name":"period","type":"int","default":20,"min":2,"max":5000},
   {"name":"ma","type":"enum","default":0,"options":["sma","ema","t3"]},
   {"name":"dev","type":"float","default":2,"min":0},
   {"name":"anchored","type":"bool","default":0},
   {"name":"shift","type":"float","default":0}],
  "outputs":[{"name":"value"}]},
 {"id":1,"name":"plain","params":[],"outputs":[{"name":"up"},{"name":"down"}]},
 {"id":2,"name":"vw","params":[{"name":"src","type":"enum","default":0,"options":["hlc3","close"]}],"outputs":[{"name":"v"}]}]}`

func grammarHost(t testing.TB) *Host {
	t.Helper()
	f := newFixture().describe(grammarManifest)
	f.code("kl_state_size", i32c(16))
	h, _ := loadModule(t, Config{Shards: 1}, f.bytes())
	return h
}

func TestCanonicalForm(t *testing.T) {
	h := grammarHost(t)
	for _, tt := range []struct{ expr, want string }{
		{"sum", "sum(20,2,0)"},
		{"sum()", "sum(20,2,0)"},
		{"sum(14)", "sum(14,2,0)"},
		{"sum(14,2.50)", "sum(14,2.5,0)"},
		{"sum(14,2.5,-3)", "sum(14,2.5,-3)"},
		{"sum(14,-0,-0)", "sum(14,0,0)"},
		{"sum(1e3)", "sum(1000,2,0)"},
		{"sum(14.0)", "sum(14,2,0)"},
		{"sum(shift=1e-9)", "sum(20,2,1e-09)"},
		{"sum(shift=1e300)", "sum(20,2,1e+300)"},
		{"sum(14,ema,3)", "sum(14,3,0,ma=ema)"},
		{"sum(14,3,ema)", "sum(14,3,0,ma=ema)"},
		{"sum(14,3,ma=sma)", "sum(14,3,0)"},
		{"sum(dev=3,period=14)", "sum(14,3,0)"},
		{"sum(14,src=close)", "sum(14,2,0)"},
		{"sum(14,src=hl2)", "sum(14,2,0,src=hl2)"},
		{"sum(src=quote_volume,anchored=true)", "sum(20,2,0,anchored=true,src=quote_volume)"},
		{"sum( 14 , dev = 3 )", "sum(14,3,0)"},
		{"fixture/sum(14)", "sum(14,2,0)"},
		{"plain", "plain"},
		{"plain()", "plain"},
		{"vw(src=close)", "vw(src=close)"},
		{"vw(close)", "vw(src=close)"},
		{"vw(src=hlc3)", "vw"},
	} {
		inst, err := h.Resolve(tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		if inst.Name != tt.want {
			t.Errorf("%s became %s, want %s", tt.expr, inst.Name, tt.want)
		}
		if again := resolve(t, h, inst.Name); again.Name != inst.Name || !slices.Equal(again.Params, inst.Params) || again.Source != inst.Source {
			t.Errorf("%s is not stable: %s", inst.Name, again.Name)
		}
	}
}

func TestExpressionErrorsSayWhatIsAllowed(t *testing.T) {
	h := grammarHost(t)
	for _, tt := range []struct{ expr, want string }{
		{"", `"" is no indicator name`},
		{"SUM", `"SUM" is no indicator name (a-z, 0-9 and _)`},
		{"summ", `unknown indicator "summ" (did you mean "sum"? known: plain, sum, vw)`},
		{"zzz", `unknown indicator "zzz" (known: plain, sum, vw)`},
		{"fixtures/sum", `unknown module "fixtures" (did you mean "fixture"? loaded: fixture)`},
		{"../sum", "is no module name"},
		{"sum(1)", `period is "1" (allowed: 2 to 5000)`},
		{"sum(5001)", `period is "5001" (allowed: 2 to 5000)`},
		{"sum(14.5)", `period is "14.5", allowed are whole numbers (allowed: 2 to 5000)`},
		{"sum(1O)", `period is "1O", which is no number`},
		{"sum(0x10)", "which is no number"},
		{"sum(1_4)", "which is no number"},
		{"sum(shift=nan)", `shift is "nan", which is no number`},
		{"sum(shift=1e999)", "which is no number"},
		{"sum(dev=-1)", `dev is "-1" (allowed: from 0)`},
		{"sum(ma=smaa)", `ma is "smaa" (did you mean "sma"? allowed: ema, sma, t3)`},
		{"sum(ma=1)", `ma is "1" (allowed: ema, sma, t3)`},
		{"sum(anchored=yes)", "anchored is \"yes\", allowed are true and false"},
		{"sum(perod=3)", `unknown parameter "perod" (did you mean "period"?`},
		{"sum(14,period=14)", "period is given twice"},
		{"sum(src=open,src=low)", "src is given twice"},
		{"sum(1,2,3,4)", "period is"},
		{"sum(2,2,3,4)", `value "4" is too many: it takes 3 numbers`},
		{"sum(ma=ema,14)", "without a name follows a named one"},
		{"sum(src=ema(20))", `src is "ema(20)", allowed are prices: close, open, high, low, hl2, hlc3, ohlc4, hlcc4, volume, quote_volume`},
		{"sum(src=sum)", "allowed are prices"},
		{"plain(src=open)", "it reads whole bars and takes no src"},
		{"plain(3)", `value "3" is too many: it takes 0 numbers (parameters: none)`},
		{"plain(open)", "an input price is written src=close"},
		{"sum(14", "does not end with a closing parenthesis"},
		{"sum(14))", "closing parenthesis too many"},
		{"sum((14)", "a parenthesis is not closed"},
		{"sum(14,,2)", "argument 2: the value is missing"},
		{"sum(period=)", "argument 1: the value is missing"},
		{"sum(=14)", `"" is no parameter name`},
		{"sum(14)x", "does not end with a closing parenthesis"},
		{"sum\x00(14)", "is no indicator name"},
		{strings.Repeat("a", maxExpression+1), "513 characters, allowed are 512"},
	} {
		_, err := h.Resolve(tt.expr)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %q", tt.expr, err, tt.want)
			continue
		}
		if n := len(err.Error()); n > 500 {
			t.Errorf("%.40q: an error of %d characters", tt.expr, n)
		}
	}
}

func TestModuleHasTheLastWordOnParameters(t *testing.T) {
	h, _ := loadModule(t, Config{Shards: 1}, newFixture().bytes())
	_, err := h.Resolve("sum(8)")
	if err == nil || !strings.Contains(err.Error(), `the module refuses these parameters: code -2: no luck\n`) {
		t.Errorf("error %v", err)
	}
}

func TestNamesOfLaterModulesNeedTheirModule(t *testing.T) {
	a := newFixture().bytes()
	b := newFixture().describe(strings.NewReplacer("fixture", "second", `"sum"`, `"total"`).Replace(sumManifest)).bytes()
	h := newHost(t, Config{Shards: 1}, a, b)
	for _, wasm := range [][]byte{a, b} {
		if _, err := h.Load(t.Context(), wasm); err != nil {
			t.Fatal(err)
		}
	}
	if inst := resolve(t, h, "second/total(2)"); inst.Name != "second/total(2)" || inst.Module.Name != "second" {
		t.Errorf("resolved %s of %s", inst.Name, inst.Module.Name)
	}
	if _, err := h.Resolve("total"); err == nil || !strings.Contains(err.Error(), `did you mean "second/total"?`) {
		t.Errorf("error %v", err)
	}
}

func TestInstanceDescribesItself(t *testing.T) {
	h, m := loadModule(t, Config{Shards: 1}, newFixture().bytes())
	inst := resolve(t, h, "sum(2,src=hl2)")
	if !slices.Equal(inst.Outputs, []string{"value"}) || !inst.HasDegenerate || inst.StateSize != 16 || inst.Ver != m.Ver() {
		t.Errorf("%+v", inst)
	}
	if inst.Warmup != 7 || inst.Stable(6) || !inst.Stable(7) {
		t.Errorf("warm-up %d", inst.Warmup)
	}
	inst.Warmup = Forever
	if inst.Stable(math.MaxInt64) {
		t.Error("stable though it never forgets")
	}
}

func TestParamsHashCoversEverythingThatDecidesAState(t *testing.T) {
	h := grammarHost(t)
	base := resolve(t, h, "sum(20)")
	seen := map[uint64]string{base.ParamsHash(minute): "base"}
	add := func(what string, hash uint64) {
		if other, ok := seen[hash]; ok {
			t.Errorf("%s has the hash of %s", what, other)
		}
		seen[hash] = what
	}
	for _, expr := range []string{"sum(21)", "sum(20,3)", "sum(20,ma=ema)", "sum(20,src=open)", "plain"} {
		add(expr, resolve(t, h, expr).ParamsHash(minute))
	}
	for what, s := range map[string]Series{
		"interval": {IntervalMS: 1000}, "session": {IntervalMS: 60_000, SessionOffsetMS: 1}, "tick": {IntervalMS: 60_000, TickSize: 0.1},
	} {
		add(what, base.ParamsHash(s))
	}
	if resolve(t, h, "sum(shift=-0)").ParamsHash(minute) != base.ParamsHash(Series{IntervalMS: 60_000, TickSize: math.Copysign(0, -1)}) {
		t.Error("-0 is not 0")
	}
}

// The layout is fixed by the ABI: this number must never change.
func TestParamsHashIsStable(t *testing.T) {
	inst := &Instance{Indicator: &Indicator{Name: "sma", Input: "src"}, Params: []float64{20}}
	if got := inst.ParamsHash(Series{IntervalMS: 60_000}); got != 0xfa9b26babc003834 {
		t.Errorf("hash %#x", got)
	}
}

func TestPricesOfABar(t *testing.T) {
	b := Bar{Open: 1, High: 8, Low: 2, Close: 4, Volume: 32, QuoteVolume: 64}
	want := map[string]float64{"close": 4, "open": 1, "high": 8, "low": 2, "hl2": 5, "hlc3": 14.0 / 3, "ohlc4": 3.75, "hlcc4": 4.5, "volume": 32, "quote_volume": 64}
	for name, v := range want {
		p, ok := ParsePrice(name)
		if !ok || p.String() != name || p.Of(&b) != v {
			t.Errorf("%s: %v %v %v", name, ok, p, p.Of(&b))
		}
	}
	if _, ok := ParsePrice("vwap"); ok || Price(99).String() != "unknown price" {
		t.Error("unknown prices have names")
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"sum", "sum(14,ema,3)", "fixture/sum(dev=3,src=hl2)", "vw(close)", "sum(src=ema(20))", "sum((,),=)", "plain()"} {
		f.Add(s)
	}
	h := grammarHost(f)
	f.Fuzz(func(t *testing.T, expr string) {
		inst, err := h.resolve(expr)
		if err != nil {
			if inst != nil || len(err.Error()) > 1000 {
				t.Fatalf("%v %d", inst, len(err.Error()))
			}
			return
		}
		again, err := h.resolve(inst.Name)
		if err != nil || again.Name != inst.Name || !slices.Equal(again.Params, inst.Params) || again.Source != inst.Source {
			t.Fatalf("%q became %q, which is %+v, %v", expr, inst.Name, again, err)
		}
	})
}
