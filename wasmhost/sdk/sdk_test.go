package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

var update = flag.Bool("update", false, "write bars.csv and golden.csv anew, from the Go template")

// expressions are what golden.csv has, and what all languages are compared on.
func expressions() []string { return []string{"sma(20)", "ema(20)", "bands(20,2)", "cci(20)"} }

// market makes bars with flat stretches, which are a corner of cci.
func market(seed uint64, n int) []wasmhost.Bar {
	r := rand.New(rand.NewPCG(seed, 5))
	bars, p := make([]wasmhost.Bar, n), 100.0
	for i := range bars {
		b := wasmhost.Bar{OpenTime: 1_700_000_040_000 + int64(i)*60_000, Open: p, High: p, Low: p, Close: p}
		if i%97 < 70 {
			b.Close = math.Round((p+r.NormFloat64())*100) / 100
			b.High = math.Round((max(p, b.Close)+r.Float64())*100) / 100
			b.Low = math.Round((min(p, b.Close)-r.Float64())*100) / 100
			b.Volume, b.Trades = math.Round(r.Float64()*1000)/10, 1+r.Uint32N(50)
		}
		bars[i], p = b, b.Close
	}
	return bars
}

// built writes a template, builds it and reads the module.
func built(t *testing.T, name string) []byte {
	t.Helper()
	l, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "quick-start")
	if err := l.Write(dir, "quick-start"); err != nil {
		t.Fatal(err)
	}
	if got, err := Detect(dir); err != nil || got.Name != name {
		t.Fatalf("the folder is %q, %v", got.Name, err)
	}
	out := filepath.Join(dir, "quick-start.wasm")
	var missing *MissingToolError
	switch err := l.Build(t.Context(), dir, out, func(line string) { t.Log(line) }); {
	case errors.As(err, &missing):
		t.Skipf("not run: %v", missing)
	case err != nil:
		t.Fatal(err)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// passes vets a module with the golden file of the templates: no finding, not
// even a warning.
func passes(t *testing.T, module []byte, cache string) {
	t.Helper()
	golden, err := templates.ReadFile("golden.csv")
	if err != nil {
		t.Fatal(err)
	}
	r, err := vet.Run(t.Context(), module, vet.Options{Golden: golden, Now: time.Now, Timeout: 10 * time.Minute, CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Error(f)
	}
	if r.Name != "quick-start" || len(r.Indicators) != 4 {
		t.Errorf("module %q with %d indicators", r.Name, len(r.Indicators))
	}
}

func TestGoTemplateBuildsPassesAndIsRight(t *testing.T) {
	module := built(t, "go")
	if *update {
		writeFiles(t, module)
		return // the embedded files are the old ones until the next build
	}
	cache := filepath.Join(t.TempDir(), "compiled") // compiling is most of the time
	passes(t, module, cache)
	bars := market(9, 400)
	for _, expr := range append(expressions(), "sma(1)", "ema(1,src=open)", "bands(2,0.5,src=hl2)", "cci(200)") {
		v, err := vet.Compute(t.Context(), module, expr, bars, vet.Options{CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		for i := range bars {
			want := naive(expr, bars[:i+1])
			for k, got := range v.Rows[i] {
				if want == nil && math.IsNaN(got) {
					continue
				}
				if want == nil || !(math.Abs(got-want[k]) <= 1e-9*max(1, math.Abs(want[k]))) {
					t.Fatalf("%s, bar %d: output %d is %v, want %v", expr, i+1, k, got, want)
				}
			}
		}
	}
}

// naive computes an indicator from all bars so far, as a textbook has it.
func naive(expr string, bars []wasmhost.Bar) []float64 {
	name, rest, _ := strings.Cut(expr, "(")
	var p [2]float64
	price := func(b wasmhost.Bar) float64 { return b.Close }
	for i, a := range strings.Split(strings.TrimSuffix(rest, ")"), ",") {
		switch a {
		case "src=open":
			price = func(b wasmhost.Bar) float64 { return b.Open }
		case "src=hl2":
			price = func(b wasmhost.Bar) float64 { return (b.High + b.Low) / 2 }
		default:
			_ = json.Unmarshal([]byte(a), &p[i])
		}
	}
	if name == "cci" {
		price = func(b wasmhost.Bar) float64 { return (b.High + b.Low + b.Close) / 3 }
	}
	n := int(p[0])
	if len(bars) < n {
		return nil
	}
	mean := func(list []wasmhost.Bar, f func(float64) float64) float64 {
		sum := 0.0
		for _, b := range list {
			sum += f(price(b))
		}
		return sum / float64(len(list))
	}
	same := func(x float64) float64 { return x }
	last := bars[len(bars)-n:]
	m := mean(last, same)
	switch name {
	case "ema":
		v := mean(bars[:n], same)
		for _, b := range bars[n:] {
			v += 2 / float64(n+1) * (price(b) - v)
		}
		return []float64{v}
	case "bands":
		half := p[1] * math.Sqrt(mean(last, func(x float64) float64 { return (x - m) * (x - m) }))
		return []float64{m + half, m, m - half}
	case "cci":
		dev := mean(last, func(x float64) float64 { return math.Abs(x - m) })
		if dev < 1e-12 {
			return []float64{0}
		}
		return []float64{(price(bars[len(bars)-1]) - m) / (0.015 * dev)}
	}
	return []float64{m}
}

// writeFiles writes the files that all templates share.
func writeFiles(t *testing.T, module []byte) {
	t.Helper()
	bars := market(1, 80)
	var golden, plain bytes.Buffer
	for _, expr := range expressions() {
		v, err := vet.Compute(t.Context(), module, expr, bars, vet.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := vet.WriteGolden(&golden, v, bars); err != nil {
			t.Fatal(err)
		}
	}
	none := &vet.Values{Rows: make([][]float64, len(bars))}
	if err := vet.WriteGolden(&plain, none, bars); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(plain.String(), "\n")
	for file, b := range map[string][]byte{"golden.csv": golden.Bytes(), "bars.csv": []byte(table)} {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The four manifests say the same, in the way of each language.
func TestManifestsAreEqual(t *testing.T) {
	read := func(file string) string {
		b, err := templates.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := strings.TrimSpace(read("go/manifest.json"))
	if got := strings.TrimSpace(read("rust/manifest.json")); got != want {
		t.Error("rust/manifest.json differs")
	}
	_, ts, _ := strings.Cut(read("assemblyscript/manifest.ts"), "`")
	if got, _, _ := strings.Cut(ts, "`"); got != want {
		t.Error("assemblyscript/manifest.ts differs")
	}
	var c strings.Builder
	for _, line := range strings.Split(read("c/manifest.h"), "\n") {
		if quoted, ok := strings.CutPrefix(line, "  \""); ok {
			c.WriteString(strings.ReplaceAll(strings.TrimRight(quoted, "\";"), `\"`, `"`))
		}
	}
	if got := strings.TrimSpace(strings.ReplaceAll(c.String(), `\n`, "\n")); got != want {
		t.Errorf("c/manifest.h differs:\n%s", got)
	}
	if _, err := wasmhost.DecodeManifest([]byte(want)); err != nil {
		t.Error(err)
	}
}

func TestTemplatesCarryTheNameOfTheirAuthor(t *testing.T) {
	for _, l := range Languages() {
		files, err := l.files("alpha-9")
		if err != nil {
			t.Fatal(err)
		}
		named := false
		for file, b := range files {
			if bytes.Contains(b, []byte(templateName)) {
				t.Errorf("%s: %s still has the name of the template", l.Name, file)
			}
			named = named || strings.HasPrefix(file, "manifest") && bytes.Contains(b, []byte("alpha-9"))
		}
		if p := files["package.json"]; p != nil && !bytes.Contains(p, []byte(" -o alpha-9.wasm ")) {
			t.Errorf("%s: the script builds another file than the README says:\n%s", l.Name, p)
		}
		readme := string(files["README.md"])
		for _, part := range []string{"## Build", "## Try", "curl -u author -X PUT", "/v1/stream?s=BTCUSD@1m:kline,alpha-9/sma(20)"} {
			if !strings.Contains(readme, part) {
				t.Errorf("%s: the README has no %q", l.Name, part)
			}
		}
		if !named || files["golden.csv"] == nil || files["bars.csv"] == nil {
			t.Errorf("%s: the template has not all it needs", l.Name)
		}
	}
}

// A folder that has the name of a word of the go command, of one of its
// packages, or of a device of Windows builds like any other.
func TestGoTemplateBuildsUnderEveryName(t *testing.T) {
	l, err := Find("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go", "std", "cmd", "all", "tool", "work", "fmt", "embed", "runtime", "con", "main", "vendor", "internal", "test", "x-"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := l.Write(dir, name); err != nil {
			t.Fatal(err)
		}
		var missing *MissingToolError
		switch err := l.Build(t.Context(), dir, filepath.Join(dir, name+".wasm"), nil); {
		case errors.As(err, &missing):
			t.Skipf("not run: %v", missing)
		case err != nil:
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteLeavesWhatIsThere(t *testing.T) {
	l, err := Find("c")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(dir, "quick-start"); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with something in it: %v", err)
	}
	for _, name := range []string{"", "a", "A-b", "../x", "x/y", "9x", strings.Repeat("a", 42)} {
		if err := l.Write(filepath.Join(dir, "new"), name); err == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
	if _, err := Detect(dir); err == nil || !strings.Contains(err.Error(), "abi.go (Go)") {
		t.Errorf("a folder of no language: %v", err)
	}
	if _, err := Find("java"); err == nil || !strings.Contains(err.Error(), "go, rust, c, as") {
		t.Errorf("an unknown language: %v", err)
	}
}

// A module in Go needs nothing installed.
func TestGoIsBuiltWithoutAToolchain(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	module := built(t, "go")
	if len(module) > 10_000 {
		t.Errorf("the module has %d bytes", len(module))
	}
	passes(t, module, "")
}

// outside is a file that the compiler does not take and the toolchain does.
const outside = "//go:build wasip1\n\npackage main\n\nvar names = map[string]int{}\n\n//go:wasmexport extra\nfunc extra() int32 { return int32(len(names)) }\n"

// What is outside of the subset is built by the toolchain, and gives the same
// bits. Without one the error has the place and the way out.
func TestAllOfGoIsBuiltByTheToolchain(t *testing.T) {
	small := built(t, "go")
	l, err := Find("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "quick-start")
	if err := l.Write(dir, "quick-start"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "outside.go"), []byte(outside), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "x.wasm")
	var said []string
	if err := l.Build(t.Context(), dir, out, func(line string) { said = append(said, line) }); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "outside.go:5:13: ") || !strings.Contains(text, "GOOS=wasip1") {
		t.Errorf("the author reads %q", text)
	}
	large, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	sameValues(t, small, large)

	t.Setenv("PATH", t.TempDir())
	var missing *MissingToolError
	err = l.Build(t.Context(), dir, out, nil)
	if !errors.As(err, &missing) || missing.Tool != "go" || !strings.Contains(err.Error(), "outside.go:5:13: ") {
		t.Errorf("error %v", err)
	}
}

// sameValues compares two modules on all indicators of the templates.
func sameValues(t *testing.T, a, b []byte) {
	t.Helper()
	bars := market(21, 500)
	o := vet.Options{CacheDir: filepath.Join(t.TempDir(), "compiled")}
	for _, expr := range expressions() {
		want, err := vet.Compute(t.Context(), a, expr, bars, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := vet.Compute(t.Context(), b, expr, bars, o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range bars {
			for k := range want.Rows[i] {
				if math.Float64bits(got.Rows[i][k]) != math.Float64bits(want.Rows[i][k]) || got.Ready[i] != want.Ready[i] {
					t.Fatalf("%s, bar %d, output %d: %v and %v", expr, i+1, k, got.Rows[i][k], want.Rows[i][k])
				}
			}
		}
	}
}

// Without a tool, the error names it and says how to get it.
func TestMissingToolsAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, tool := range map[string]string{"rust": "rustc", "c": "clang", "as": "node"} {
		l, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "quick-start")
		if err := l.Write(dir, "quick-start"); err != nil {
			t.Fatal(err)
		}
		var missing *MissingToolError
		if err := l.Build(t.Context(), dir, filepath.Join(dir, "x.wasm"), nil); !errors.As(err, &missing) || missing.Tool != tool || missing.Get == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the compiler says about the author's mistake reaches the author.
func TestCompilerErrorsAreShown(t *testing.T) {
	l, err := Find("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "quick-start")
	if err := l.Write(dir, "quick-start"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "more.go"), []byte("//go:build wasip1\n\npackage main\n\nvar x int = `word`\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Build(t.Context(), dir, filepath.Join(dir, "x.wasm"), nil); err == nil || !strings.Contains(err.Error(), "more.go:5") {
		t.Errorf("error %v", err)
	}
}

// asc exits with 0 when it cannot write: what an older build left there must
// not pass for the new module.
func TestBuildTakesNoOlderModule(t *testing.T) {
	l, err := Find("as")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "quick-start")
	if err := l.Write(dir, "quick-start"); err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir()
	for _, name := range []string{"node", "asc"} { // they do nothing, and say that all went well
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", tools)
	out := filepath.Join(dir, "x.wasm")
	for range 2 { // with an older module, and with none
		if err := l.Build(t.Context(), dir, out, nil); err == nil || !strings.Contains(err.Error(), "x.wasm") {
			t.Errorf("nothing was written: %v", err)
		}
		if err := os.WriteFile(out, []byte("of yesterday"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A compiler that is given a folder writes a file of its own choice into it.
func TestBuildWritesNoFolder(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, l := range Languages() {
		if err := l.Build(t.Context(), ".", t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "is a folder") {
			t.Errorf("%s: %v", l.Name, err)
		}
	}
}
