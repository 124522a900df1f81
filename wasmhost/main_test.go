package wasmhost

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// compiledBuiltin is a compilation cache for the built-in module: compiling it
// for every test takes minutes under the race detector.
var compiledBuiltin string

// Every host of a test is closed, and a closed host has no goroutines.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasmhost")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	compiledBuiltin = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// A goroutine without recover takes the process with it, and one that nobody
// waits for survives Close; so there is one place that starts them.
func TestGoroutinesStartInOnePlaceAndImportsStayInside(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var started []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			if strings.Contains(path, "caddy") && !strings.HasSuffix(path, "/wasmhost/guard") {
				t.Errorf("%s imports %s", name, path)
			}
			if strings.Contains(path, "wazero/experimental") && name != "experimental.go" {
				t.Errorf("%s imports %s: only experimental.go may", name, path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				started = append(started, name)
			}
			return true
		})
	}
	if len(started) != 1 || started[0] != "shard.go" {
		t.Errorf("go statements in %v", started)
	}
}
