package caddymodule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// paramModule is sumModule with parameters.
func paramModule(name, version, params string) []byte {
	m := badwasm.Indicator()
	doc := `{"abi":1,"name":"` + name + `","version":"` + version + `","indicators":[{"id":0,"name":"running_sum","input":"src","warmup":2147483647,"params":[` + params + `],"outputs":[{"name":"value"}]}]}`
	m.Data[0].Bytes = []byte(doc)
	m.Func("kl_describe").Code = badwasm.I64(1024<<32 | int64(len(doc)))
	m.Func("kl_state_size").Code = badwasm.I32(16) // whatever the parameters
	return m.Bytes()
}

// period and shift are parameters of paramModule.
const (
	periodParam = `{"name":"period","type":"int","default":5,"min":1,"max":100}`
	shiftParam  = `,{"name":"shift","type":"int","default":0,"min":0,"max":9}`
)

// A version with one more parameter writes an instance in another way. Who asked
// for it before has the version before for its bars and the new one for the others;
// who asks in other words gets what the newest version makes of them.
func TestAVersionWithOneMoreParameterTakesOverWhatIsRead(t *testing.T) {
	d := testDemand(t)
	var all []meant
	for i, doc := range []string{periodParam, periodParam + shiftParam} {
		m, err := d.load(t.Context(), paramModule("my-sum", []string{"1.0.0", "1.1.0"}[i], doc), "default")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, meant{from: int64(i) * 60_000, module: m})
	}
	d.mean("my-sum", all[:1])
	before, err := d.Turns(t.Context(), "my-sum/running_sum(5)")
	if err != nil || len(before) != 1 {
		t.Fatalf("%d turns, %v", len(before), err)
	}
	d.mean("my-sum", all)
	for text, want := range map[string]string{
		"my-sum/running_sum(5)":         "0 1.0.0 my-sum/running_sum(5), 60000 1.1.0 my-sum/running_sum(5,0)",
		"my-sum/running_sum":            "60000 1.1.0 my-sum/running_sum(5,0)",
		"my-sum/running_sum(5,0)":       "60000 1.1.0 my-sum/running_sum(5,0)",
		"my-sum/running_sum(5,shift=3)": "60000 1.1.0 my-sum/running_sum(5,3)",
	} {
		turns, err := d.Turns(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range turns {
			for _, m := range all {
				if v := turns[i].Program.Meta(); v.Version == m.module.Ver() {
					got = append(got, strings.Join([]string{[]string{"0", "60000"}[turns[i].From/60_000], m.module.Version, v.Name}, " "))
				}
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
	if again, err := d.Turns(t.Context(), "my-sum/running_sum(5)"); err != nil || again[0].Key != before[0].Key {
		t.Errorf("the version before is another one: %v", err)
	}
}

// Parameters may be short in a request and long where their defaults are written out.
// What could not be read again in that form is refused.
func TestAnExpressionThatIsTooLongWrittenOutIsRefused(t *testing.T) {
	var params []string
	for i := range 32 {
		params = append(params, fmt.Sprintf(`{"name":"p%d","type":"float","default":-1.2345678901234567e-300}`, i))
	}
	d := testDemand(t)
	m, err := d.load(t.Context(), paramModule("my-sum", "1.0.0", strings.Join(params, ",")), "default")
	if err != nil {
		t.Fatal(err)
	}
	d.mean("my-sum", []meant{{module: m}})
	hub := serve.NewHub(serve.HubConfig{LogID: "l", Partitions: 1, Intervals: []string{"1m"}})
	hub.SetComputer(d)
	if _, p := hub.ParseSelection(t.Context(), []string{"A@1m:my-sum/running_sum"}); p == nil || p.Status != 400 || !strings.Contains(p.Detail, "written out it has") {
		t.Errorf("the answer is %+v", p)
	}
}
