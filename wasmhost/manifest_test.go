package wasmhost

import (
	"fmt"
	"strings"
	"testing"
)

const wholeManifest = `{"abi":1,"name":"all-fields","version":"0.10.2","title":"T","description":"D","author":"A",
 "license":"MIT","homepage":"https://example.com","x-note":{"deep":[1,true,null,"ö"]},
 "indicators":[{"id":65535,"name":"full_1","title":"t","short":"F {n} {mode}","help":"h","category":"trend","input":"src",
  "pane":"overlay","state_version":2,"warmup":2147483647,"history":"decay","profiles":["talib","tv"],"x-tolerance":1e-9,
  "params":[{"name":"n","title":"t","help":"h","group":"g","type":"int","default":3,"min":1,"max":9.0,"step":1},
   {"name":"f","type":"float","default":-0.5},
   {"name":"b","type":"bool","default":1},
   {"name":"mode","type":"enum","default":1,"options":["a","b-2"]}],
  "outputs":[{"name":"u","title":"t","plot":"area","color":"#00ff00","color_neg":"#00ff0080","width":4,"style":"dashed",
    "fill_to":"l","offset":-500,"precision":0,"format":"price"},{"name":"l"},{"name":"degenerate","plot":"none"}],
  "levels":[{"value":-1.5,"title":"t","color":"#ABCDEF"}],"range":[0,100]}]}`

func TestManifestIsReadWhole(t *testing.T) {
	m, err := DecodeManifest([]byte(wholeManifest))
	if err != nil {
		t.Fatal(err)
	}
	ind := m.Indicator("full_1")
	got := fmt.Sprintf("%s %s %s %d %d %s %v %v %v", m.Name, m.Version, m.Homepage, ind.ID, ind.Warmup, ind.History, ind.Profiles, ind.OutputNames(), ind.Range)
	want := "all-fields 0.10.2 https://example.com 65535 2147483647 decay [talib tv] [u l] [0 100]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	o, p := ind.Outputs[0], ind.Params[0]
	got = fmt.Sprintf("%s %s %d %s %d %d %s/%d %s/%v-%v %v/%v", o.Plot, o.ColorNeg, o.Width, o.FillTo, o.Offset, o.Precision,
		ind.Outputs[1].Format, ind.Outputs[1].Precision, p.Type, *p.Min, *p.Max, ind.Params[1].Min, ind.Params[3].Options)
	want = "area #00ff0080 4 l -500 0 number/-1 int/1-9 <nil>/[a b-2]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !ind.HasDegenerate() || m.Indicator("other") != nil || string(m.JSON) != wholeManifest {
		t.Error("flag, lookup or document")
	}
}

func TestManifestRules(t *testing.T) {
	long := strings.Repeat("a", 129)
	tests := []struct{ name, from, to, want string }{
		{"duplicate key", `"author":"A"`, `"author":"A","author":"B"`, `key "author" occurs twice`},
		{"duplicate key in x-", `"deep":[1`, `"a":1,"a":2,"deep":[1`, `key "a" occurs twice`},
		{"unknown key", `"author"`, `"autors"`, `unknown key "autors" (allowed: abi, name`},
		{"unknown key in a parameter", `"group":"g"`, `"groop":"g"`, `indicators[0].params[0]: unknown key "groop"`},
		{"no x- in levels", `"value":-1.5`, `"value":-1.5,"x-a":1`, `levels[0]: unknown key "x-a"`},
		{"too deep", `[1,true,null,"ö"]`, `[[[[[[[1]]]]]]]`, "nested deeper than 8"},
		{"long string", `"x-note":{"deep":[1`, `"x-note":{"deep":["` + long + `"`, "has 129 characters"},
		{"long title", `"title":"T"`, `"title":"` + long[:81] + `"`, "title: has more than 80 characters"},
		{"control character", `"author":"A"`, `"author":"A\u0007"`, "U+0007"},
		{"line break", `"author":"A"`, `"author":"A\n"`, "U+000A"},
		{"bidirectional override", `"author":"A"`, `"author":"A\u202e"`, "U+202E"},
		{"half a surrogate", `"author":"A"`, `"author":"\ud800"`, "U+FFFD"},
		{"infinite number", `[1,true`, `[1e999,true`, `number "1e999" is out of range`},
		{"trailing text", `"range":[0,100]}]}`, `"range":[0,100]}]} {}`, "not JSON: line 11, character 78"},
		{"other abi", `"abi":1`, `"abi":2`, "abi: must be 1"},
		{"abi as text", `"abi":1`, `"abi":"1"`, "abi: must be a number"},
		{"name with capitals", `"all-fields"`, `"All"`, `name: "All" is not a module name of 2 to 41 characters`},
		{"version with leading zero", `0.10.2`, `0.010.2`, `version: "0.010.2" is not a version such as`},
		{"version of two numbers", `0.10.2`, `0.10`, "version"},
		{"plain http", `https://`, `http://`, "is not an address that begins with https://"},
		{"no indicators", `"indicators":[{`, `"x-old":[{`, "indicators is missing"},
		{"id too large", `65535`, `65536`, "id: must be a whole number"},
		{"fractional id", `65535`, `1.5`, "id: must be a whole number"},
		{"ident with dash", `"full_1"`, `"full-1"`, "name"},
		{"unknown category", `"trend"`, `"trends"`, "category: must be one of trend"},
		{"unknown plot", `"area"`, `"pie"`, "plot: must be one of line"},
		{"profile twice", `"talib","tv"`, `"tv","tv"`, `profiles[1]: "tv" occurs twice`},
		{"warm-up too long", `2147483647`, `2147483648`, "warmup"},
		{"int without max", `"max":9.0,`, ``, "an int needs min and max"},
		{"default outside", `"default":3`, `"default":10`, "outside of min and max"},
		{"default not whole", `"default":3`, `"default":3.5`, "not whole"},
		{"min above max", `"min":1`, `"min":10`, "is above max"},
		{"step of 0", `"step":1`, `"step":0`, "step: must be above 0"},
		{"bool default", `"default":1}`, `"default":2}`, "neither 0 nor 1"},
		{"enum default", `"default":1,"opt`, `"default":2,"opt`, "no index of the options"},
		{"enum without options", `,"options":["a","b-2"]`, ``, "an enum has options"},
		{"options on a float", `"default":-0.5`, `"default":-0.5,"options":["a","b"]`, "an enum has options"},
		{"one option", `["a","b-2"]`, `["a"]`, "options: must be an array of 2 to 32 items"},
		{"equal options", `["a","b-2"]`, `["a","a"]`, "occurs twice"},
		{"option with a comma", `"b-2"`, `"b,2"`, `options[1]: "b,2" is not an option of letters`},
		{"parameter twice", `"name":"f"`, `"name":"n"`, `parameter "n" occurs twice`},
		{"parameter named src", `"name":"f"`, `"name":"src"`, "belongs to the input price"},
		{"output twice", `"name":"l"`, `"name":"u"`, `output "u" occurs twice`},
		{"degenerate not last", `"name":"l"},{"name":"degenerate","plot":"none"}`, `"name":"degenerate"},{"name":"l"}`, "must be the last one"},
		{"fill_to nothing", `"fill_to":"l"`, `"fill_to":"x"`, "names no other output"},
		{"fill_to itself", `"fill_to":"l"`, `"fill_to":"u"`, "names no other output"},
		{"short with unknown parameter", `{mode}`, `{mood}`, `placeholder "{mood}" in short names no parameter`},
		{"short with open brace", `{mode}`, `{mode`, `a { in short is not closed: "{mode`},
		{"colour", `"#00ff00"`, `"red"`, `color: "red" is not a colour such as #1e90ff`},
		{"width", `"width":4`, `"width":5`, "width: must be a whole number from 1 to 4"},
		{"offset", `-500`, `-501`, "offset"},
		{"range of one", `[0,100]`, `[0]`, "range: must be an array of 2 to 2"},
		{"range of text", `[0,100]`, `[0,"1"]`, "range[1]: must be a number"},
		{"level without value", `"value":-1.5,`, ``, "value is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := strings.Replace(wholeManifest, tt.from, tt.to, 1)
			if doc == wholeManifest {
				t.Fatalf("%q does not occur", tt.from)
			}
			if _, err := DecodeManifest([]byte(doc)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestManifestLimits(t *testing.T) {
	doc := func(indicator string, n int) []byte {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(indicator, i, i)
		}
		return []byte(`{"abi":1,"name":"ab","version":"1.0.0","indicators":[` + strings.Join(list, ",") + `]}`)
	}
	const one = `{"id":%d,"name":"i%d","params":[],"outputs":[{"name":"v"}]}`
	for _, tt := range []struct {
		name string
		doc  []byte
		ok   bool
	}{
		{"256 indicators", doc(one, 256), true},
		{"257 indicators", doc(one, 257), false},
		{"id twice", doc(strings.Replace(one, "%d", "7+0*%d", 1), 2), false},
		{"64 KiB", append(doc(one, 1), strings.Repeat(" ", maxManifest-len(doc(one, 1)))...), true},
		{"64 KiB and a byte", append(doc(one, 1), strings.Repeat(" ", maxManifest+1-len(doc(one, 1)))...), false},
		{"a million brackets", []byte(strings.Repeat("[", 60000)), false},
		{"empty", nil, false},
		{"bad UTF-8", append([]byte(`{"x-a":"`), 0xff, '"', '}'), false},
	} {
		if _, err := DecodeManifest(tt.doc); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func FuzzDecodeManifest(f *testing.F) {
	f.Add([]byte(wholeManifest))
	f.Add([]byte(sumManifest))
	f.Add([]byte(`{"abi":1,"name":"ab","version":"1.0.0","indicators":[{"id":0,"name":"x","params":[],"outputs":[{"name":"degenerate"}]}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := DecodeManifest(doc)
		if err != nil {
			if m != nil || !strings.Contains(err.Error(), "the manifest: ") {
				t.Fatalf("%v, %v", m, err)
			}
			return
		}
		// What was accepted can be used: every default resolves, and the
		// canonical form is its own canonical form.
		for _, ind := range m.Indicators {
			if len(ind.Outputs) > maxOutputs || len(ind.Params) > maxParams || len(ind.OutputNames()) == 0 {
				t.Fatalf("%s has %d outputs, %d parameters", ind.Name, len(ind.Outputs), len(ind.Params))
			}
			name := newBinding(ind).canonical()
			if again := rebind(t, ind, name); again != name {
				t.Fatalf("%s became %s", name, again)
			}
		}
	})
}

// rebind parses a canonical form of ind and returns its canonical form.
func rebind(t *testing.T, ind *Indicator, expr string) string {
	t.Helper()
	e, err := parseExpression(expr)
	if len(expr) > maxExpression {
		return expr // long numbers in many parameters: refused, and told so
	}
	if err != nil {
		t.Fatalf("%q: %v", expr, err)
	}
	b := newBinding(ind)
	for _, a := range e.args {
		if err := b.bind(a); err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
	}
	return b.canonical()
}
