package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

// indicatorBed is a folder in which commands of authors are run.
type indicatorBed struct {
	t   *testing.T
	dir string
}

func newIndicatorBed(t *testing.T) *indicatorBed {
	b := &indicatorBed{t, t.TempDir()}
	b.write("good.wasm", string(badwasm.Conforming().Bytes()))
	bars := "open,high,low,close\n"
	for i := range 5 {
		bars += strings.Repeat(string(rune('1'+i))+",", 3) + string(rune('1'+i)) + "\n"
	}
	b.write("bars.csv", bars)
	return b
}

func (b *indicatorBed) path(name string) string { return filepath.Join(b.dir, name) }

func (b *indicatorBed) write(name, content string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// run runs `caddy kline indicator` with arguments, in which @ stands for the
// folder, and returns what it wrote to stdout.
func (b *indicatorBed) run(args ...string) (string, error) {
	b.t.Helper()
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "@", b.dir+string(filepath.Separator))
	}
	file, err := os.Create(filepath.Join(b.t.TempDir(), "stdout"))
	if err != nil {
		b.t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = file
	cmd := indicatorCommand()
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.Execute()
	os.Stdout = stdout
	_ = file.Close() // everything is in it
	text, rerr := os.ReadFile(file.Name())
	if rerr != nil {
		b.t.Fatal(rerr)
	}
	return string(text), err
}

func TestVetCommandAcceptsAndRefuses(t *testing.T) {
	b := newIndicatorBed(t)
	out, err := b.run("vet", "@good.wasm")
	if err != nil || !strings.Contains(out, "module fixture 1.0.0") || !strings.Contains(out, "accepted, 0 warnings") || !strings.Contains(out, "for ever") {
		t.Errorf("%v\n%s", err, out)
	}
	m := badwasm.Conforming()
	f := m.Func("kl_update")
	f.Code = badwasm.Join(badwasm.Get(1), badwasm.I32(1), badwasm.Store(0x3a, 16), f.Code)
	b.write("bad.wasm", string(m.Bytes()))
	out, err = b.run("validate", "@bad.wasm")
	if err == nil || !strings.Contains(err.Error(), "is refused") || !strings.Contains(out, "error: V10 wrote_outside_state: total(period=20): ") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = b.run("vet", "@bad.wasm", "--json")
	var r vet.Report
	if jerr := json.Unmarshal([]byte(out), &r); jerr != nil || err == nil || r.OK() || r.Findings[0].Code != vet.CodeOutside || r.Findings[0].Offset != 16 {
		t.Errorf("%v, %v\n%s", jerr, err, out)
	}
}

func TestTestCommandRunsBarsAndKeepsGoldenFiles(t *testing.T) {
	b := newIndicatorBed(t)
	out, err := b.run("test", "@good.wasm", "@bars.csv", "--ind", "total", "--param", "period=3")
	if err != nil || out != "open_time,close,value\n0,1,1\n60000,2,3\n120000,3,6\n180000,4,10\n240000,5,15\n" {
		t.Errorf("%v\n%s", err, out)
	}
	golden := []string{"test", "@good.wasm", "@bars.csv", "--ind", "total(3)", "--golden", "@golden.csv"}
	if _, err := b.run(golden...); err == nil {
		t.Error("a golden file that is not there is equal")
	}
	if out, err := b.run(append(golden, "--update")...); err != nil || !strings.Contains(out, "5 bars are written") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := b.run("test", "@good.wasm", "@bars.csv", "--ind", "total", "--golden", "@golden.csv", "--update"); err != nil || !strings.Contains(out, "total(20)") {
		t.Errorf("%v\n%s", err, out)
	}
	for range 2 { // the second time the part is replaced
		if out, err := b.run(golden...); err != nil || !strings.Contains(out, "total(3): 5 bars are equal") {
			t.Errorf("%v\n%s", err, out)
		}
		if _, err := b.run(append(golden, "--update")...); err != nil {
			t.Error(err)
		}
	}
	file, err := os.ReadFile(b.path("golden.csv"))
	if err != nil || strings.Count(string(file), "# total(") != 2 {
		t.Errorf("%v\n%s", err, file)
	}
	b.write("golden.csv", strings.Replace(string(file), ",15\n", ",15.000000000000002\n", 2))
	if _, err := b.run(golden...); err == nil || !strings.Contains(err.Error(), "bar 5: output value is 15, the golden file") {
		t.Errorf("a value that differs in the last bit: %v", err)
	}
	if out, err := b.run("vet", "@good.wasm", "--golden", "@golden.csv"); err == nil || !strings.Contains(out, "V20 golden_differs") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNewCommandMakesAFolderThatBuildKnows(t *testing.T) {
	b := newIndicatorBed(t)
	for _, lang := range []string{"go", "rust", "c", "as"} {
		out, err := b.run("new", "@my-"+lang, "--lang", lang)
		if err != nil || !strings.Contains(out, "caddy kline indicator build") || strings.Contains(out, "npm install") != (lang == "as") {
			t.Errorf("%s: %v\n%s", lang, err, out)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if out, err := b.run("build", "@my-go"); err != nil || !strings.Contains(out, "accepted, 0 warnings") {
		t.Errorf("go, without a toolchain: %v\n%s", err, out)
	}
	for lang, tool := range map[string]string{"rust": "rustc is missing", "c": "clang is missing", "as": "node is missing"} {
		if _, err := b.run("build", "@my-"+lang); err == nil || !strings.Contains(err.Error(), tool) || !strings.Contains(err.Error(), "install") {
			t.Errorf("%s: %v", lang, err)
		}
	}
}

func TestBenchCommandHasAYardstick(t *testing.T) {
	b := newIndicatorBed(t)
	out, err := b.run("bench", "@good.wasm")
	if err != nil || !strings.Contains(out, "\ntotal ") || !strings.Contains(out, "\nbuilt-in sma ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestIndicatorCommandsSayWhatIsWrong(t *testing.T) {
	b := newIndicatorBed(t)
	b.write("words.csv", "open,high,low,close\n1,2,3,four\n")
	b.write("repro.json", `{"sha256":"00","expression":"total","state":"AAAAAAAAAAAAAAAAAAAAAA=="}`)
	for args, want := range map[string]string{
		"vet @nothing.wasm":                    "nothing.wasm",
		"vet @good.wasm --golden @nothing":     "nothing",
		"new Bad":                              "2 to 41 of a-z",
		"new @mine --lang java":                "go, rust, c, as",
		"new @builtin":                         "belongs to the program itself",
		"build @":                              "abi.go (Go)",
		"build @nowhere":                       "nowhere",
		"test @good.wasm":                      "file of bars is missing",
		"test @good.wasm @bars.csv":            "the module has total(20)",
		"test @good.wasm @bars.csv --ind totl": `"total"`,
		"test @good.wasm @bars.csv --ind total --param period=0":    "period",
		"test @good.wasm @bars.csv --ind total(3) --param period=4": "has parameters already",
		"test @good.wasm @words.csv --ind total":                    "line 2, column 4",
		"test @good.wasm @bars.csv --ind total --update":            "--golden is missing",
		"test @good.wasm --repro @repro.json":                       "is of module",
		"test @good.wasm --repro @bars.csv":                         "reading a repro",
		"bench @bars.csv":                                           "no WebAssembly module",
		"test @bars.csv @bars.csv --ind total":                      "no WebAssembly module",
	} {
		if out, err := b.run(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q\n%s", args, err, want, out)
		}
	}
}
