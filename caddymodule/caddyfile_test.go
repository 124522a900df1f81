package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// update rewrites the expected part of the adapt tests; review the difference.
var update = flag.Bool("update", false, "rewrite expected results in testdata")

const separator = "----------\n"

// adaptText adapts a Caddyfile and returns indented JSON, or the error's text
// behind the word "error:".
func adaptText(t *testing.T, text string) string {
	t.Helper()
	result, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			t.Errorf("warning: %s", w.Message)
		}
	}
	var out bytes.Buffer
	if err := json.Indent(&out, result, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

// Each file holds a Caddyfile, a line of hyphens, and the JSON or error that it
// adapts to.
func TestCaddyfilesAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no adapt tests found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, ok := strings.Cut(string(data), separator)
			if !ok && !*update {
				t.Fatal("no line of hyphens in the file")
			}
			got := adaptText(t, in)
			if *update {
				if err := os.WriteFile(file, []byte(in+separator+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Every word of every block must have a file of its own, so that a word cannot
// be added without saying what it adapts to.
func TestEveryWordHasAnAdaptTest(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[string]bool)
	for _, f := range files {
		have[strings.TrimSuffix(filepath.Base(f), ".caddyfiletest")] = true
	}
	for owner, block := range map[string]string{
		"kline":      "{\n kline {\n x\n }\n}",
		"kafka":      "{\n kline {\n source kafka {\n x\n }\n }\n}",
		"embedded":   "{\n kline {\n source embedded {\n x\n }\n }\n}",
		"redis":      "{\n kline {\n store redis {\n x\n }\n }\n}",
		"replay":     "{\n kline {\n feed replay f {\n x\n }\n }\n}",
		"postgres":   "{\n kline {\n history postgres {\n x\n }\n }\n}",
		"clickhouse": "{\n kline {\n history clickhouse {\n x\n }\n }\n}",
		"line":       "{\n kline {\n history line {\n x\n }\n }\n}",
		"http":       "{\n kline {\n feed http {\n x\n }\n }\n}",
		"websocket":  "{\n kline {\n feed websocket {\n x\n }\n }\n}",
		"klines":     ":80 {\n klines {\n x\n }\n}",
		"dashboard":  ":80 {\n kline_dashboard {\n x\n }\n}",
		"stream":     ":80 {\n kline_stream {\n x\n }\n}",
		"ingest":     ":80 {\n kline_ingest {\n x\n }\n}",
		"uploads":    ":80 {\n kline_indicators {\n x\n }\n}",
		"computing":  "{\n kline {\n indicators {\n x\n }\n }\n}",
	} {
		text := adaptText(t, block)
		_, list, ok := strings.Cut(text, "(allowed: ")
		if !ok {
			t.Errorf("%s: an unknown word was answered with %q", owner, text)
			continue
		}
		list, _, _ = strings.Cut(list, ")")
		for _, word := range strings.Split(list, ", ") {
			if !have[owner+"_"+word] {
				t.Errorf("%s: the word %s has no file testdata/adapt/%s_%s.caddyfiletest", owner, word, owner, word)
			}
		}
	}
}

func TestSamplesAreFormattedAndAdapt(t *testing.T) {
	for _, name := range []string{"Caddyfile", "Caddyfile.servers", "Caddyfile.uploads"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", name))
			if err != nil {
				t.Fatal(err)
			}
			if formatted := caddyfile.Format(text); !bytes.Equal(formatted, text) {
				t.Errorf("not formatted; caddy fmt makes of it\n%s", formatted)
			}
			if got := adaptText(t, string(text)); strings.HasPrefix(got, "error:") {
				t.Error(got)
			}
		})
	}
}

func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		in, _, _ := strings.Cut(string(data), separator)
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 || strings.Contains(text, "import") {
			t.Skip("only our own words are fuzzed")
		}
		d := caddyfile.NewTestDispenser(text)
		v, err := parseApp(d, nil)
		if (v == nil) == (err == nil) {
			t.Fatalf("result %v with error %v", v, err)
		}
	})
}
