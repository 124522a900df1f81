package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

const canary = "canary-2b7e151628"

func TestSecretPrintsNothing(t *testing.T) {
	s := newSecret(canary)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("login", "password", s)
	body, err := json.Marshal(map[string]any{"password": s})
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{
		"%v": fmt.Sprintf("%v", s), "%+v": fmt.Sprintf("%+v", s), "%#v": fmt.Sprintf("%#v", s), "%s": fmt.Sprint(s),
		"pointer": fmt.Sprintf("%v", &s), "inside": fmt.Sprintf("%+v", loan{password: s}), "json": string(body), "slog": log.String(),
	} {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows the secret: %s", form, text)
		}
	}
	if s.reveal() != canary {
		t.Error("the one who opens a connection does not get the secret")
	}
}

func TestSecretsMustBeOnePlaceholder(t *testing.T) {
	for value, ok := range map[string]bool{
		"{env.X}": true, "{file./run/secrets/x}": true, "{file.C:\\x}": true,
		"": false, "hunter2": false, "x{env.X}": false, "{env.X}x": false, "{env.X}{env.Y}": false, "{http.request.header.X}": false,
		"{env.}": false, "{env.X": false, "\\{env.X}": false, "{env.X}\n": false,
	} {
		err := checkSecret("password", value)
		if (err == nil) != ok {
			t.Errorf("%q: accepted %v, want %v", value, err == nil, ok)
		}
		if err != nil && value != "" && strings.Contains(err.Error(), value) && !strings.Contains(value, "env") {
			t.Errorf("the error quotes the value: %v", err)
		}
	}
}

func TestUnsetAndUnreadableSecretsAreErrors(t *testing.T) {
	for value, want := range map[string]string{"{env.KLINE_TEST_UNSET}": "is empty", "{file./nowhere/secret}": "the file is missing, not readable"} {
		if _, err := resolveSecret(caddy.NewReplacer(), "password", value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
}

func TestASecretInAFileIsReadAgain_B13(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	s, err := resolveSecret(caddy.NewReplacer(), "password", "{file."+file+"}")
	if err != nil || s.reveal() != "one" {
		t.Fatalf("got %q, %v", s.reveal(), err)
	}
	write("two\n")
	if got := s.reveal(); got != "two" {
		t.Errorf("after it was changed: %q", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := s.reveal(); got != "two" {
		t.Errorf("while it is away: %q", got)
	}
	write("{env.HOME}")
	if got := s.reveal(); got != "{env.HOME}" {
		t.Errorf("what stands in the file was expanded: %q", got)
	}
}

// The canary is planted as every secret that a configuration can hold.
func TestCanarySecretsAppearNowhere(t *testing.T) {
	useFakePool(t, clock.Real())
	t.Setenv("KLINE_TEST_SECRET", canary)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := `{"source":{"source":"kafka","brokers":["a:9092"],"sasl":{"mechanism":"plain","user":"ann","password":"{env.KLINE_TEST_SECRET}"}},
		"store":{"store":"redis","address":"r:6379","password":"{file.` + file + `}"},"intervals":["1m"]}`
	a := mustProvision(t, config)
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	defer cleanup(t, a)
	if got := a.engine.lent.loan("store").password.reveal(); got != canary {
		t.Fatalf("the password was read as %q, want it without the newline of the file", got)
	}
	sinks := map[string]string{"app as Go value": fmt.Sprintf("%+v", a.att.loans["source"]), "engine key": a.engine.key}
	for name, v := range map[string]any{"config": a, "source": a.source, "store": a.store, "status": a.engine.statusBody()} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		sinks[name] = string(b)
	}
	families, err := a.engine.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sinks["metrics"] = fmt.Sprint(families)
	for _, target := range []string{"/v1/status", "/v1/health", "/v1/indicators", "/v1/klines?sym=B&itv=1m"} {
		w, _ := ask(t, testKlines(a.engine), "GET", target)
		sinks[target] = w.Body.String()
	}
	for name, text := range sinks {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows a secret: %s", name, text)
		}
	}
}

// Sources of the whole repository are read for two statements that only one
// file may have.
func TestForbiddenStatements(t *testing.T) {
	root := ".."
	expanders := []string{"ReplaceAll", "ReplaceKnown", "ReplaceOrErr", "ReplaceFunc"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		checkFile(t, filepath.ToSlash(path), expanders)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mayStartGoroutines lists the files with a go statement of their own: the
// function that recovers, and programs and hosts that must not import it.
func mayStartGoroutines(path string) bool {
	return path == "../pipeline/safego/safego.go" || path == "../wasmhost/shard.go" ||
		strings.HasPrefix(path, "../pipeline/testbed/")
}

func checkFile(t *testing.T, path string, expanders []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return
	}
	usesCaddy := slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		return strings.HasPrefix(i.Path.Value, `"github.com/caddyserver/caddy/v2`)
	})
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if !mayStartGoroutines(path) {
				t.Errorf("%s: a bare go statement; a panic there ends the process: use safego.Go", set.Position(n.Pos()))
			}
		case *ast.SelectorExpr:
			pkg, _ := n.X.(*ast.Ident)
			library := pkg != nil && (pkg.Name == "strings" || pkg.Name == "bytes")
			if usesCaddy && !library && slices.Contains(expanders, n.Sel.Name) && path != "../caddymodule/secrets.go" {
				t.Errorf("%s: %s expands placeholders; only secrets.go may", set.Position(n.Pos()), n.Sel.Name)
			}
		}
		return true
	})
}
