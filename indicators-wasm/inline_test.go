package indicators

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	inlineHead = "GO PREPROFILE V1"
	inlinePkg  = "github.com/caddy-kline/caddy-kline/indicators-wasm."
)

// callSite is a call in the sources, as the list names it: lines count from
// the line of the caller's declaration.
type callSite struct {
	caller, callee string
	line           int
}

// TestInlineListNamesCalls holds inline.pgo against the sources. The compiler
// ignores a line that names no call, and the module would only be slower.
func TestInlineListNamesCalls(t *testing.T) {
	calls := callSites(t)
	for _, site := range inlineList(t) {
		if slices.Contains(calls, site) {
			continue
		}
		var lines []int
		for _, c := range calls {
			if c.caller == site.caller && c.callee == site.callee {
				lines = append(lines, c.line)
			}
		}
		t.Errorf("inline.pgo: %s does not call %s on line %d after its first, but on %v", site.caller, site.callee, site.line, lines)
	}
}

// TestEveryCallOfAnInlinedPairIsListed keeps a caller from being forgotten
// when one of two calls moves.
func TestEveryCallOfAnInlinedPairIsListed(t *testing.T) {
	list := inlineList(t)
	for _, c := range callSites(t) {
		pair := slices.ContainsFunc(list, func(s callSite) bool { return s.caller == c.caller && s.callee == c.callee })
		if pair && !slices.Contains(list, c) {
			t.Errorf("inline.pgo: the call of %s on line %d of %s is missing", c.callee, c.line, c.caller)
		}
	}
}

// inlineList reads inline.pgo: a header, then three lines for every call.
func inlineList(t *testing.T) []callSite {
	t.Helper()
	data, err := os.ReadFile("inline.pgo")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if lines[0] != inlineHead || len(lines)%3 != 1 || len(lines) < 4 {
		t.Fatalf("inline.pgo begins with %q and has %d lines", lines[0], len(lines))
	}
	var list []callSite
	for i := 1; i < len(lines); i += 3 {
		c := callSite{caller: strings.TrimPrefix(lines[i], inlinePkg), callee: strings.TrimPrefix(lines[i+1], inlinePkg)}
		var weight int
		if _, err := fmt.Sscanf(lines[i+2], "%d %d", &c.line, &weight); err != nil || weight <= 0 {
			t.Fatalf("inline.pgo, line %d: %q", i+3, lines[i+2])
		}
		list = append(list, c)
	}
	return list
}

// callSites finds the calls between functions of this package.
func callSites(t *testing.T) []callSite {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var bodies []*ast.FuncDecl
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				bodies = append(bodies, fn)
			}
		}
	}
	var calls []callSite
	for _, fn := range bodies {
		first := fset.Position(fn.Pos()).Line
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, callee := range bodies {
					if callee.Name.Name == calledName(call) {
						calls = append(calls, callSite{fullName(fn), fullName(callee), fset.Position(call.Pos()).Line - first})
					}
				}
			}
			return true
		})
	}
	return calls
}

// calledName is the last part of what is called; methods of the same name are
// told apart by the list, which names the type.
func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// fullName is how the compiler calls a function of this package.
func fullName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
	if !ok {
		return fn.Name.Name
	}
	return "(*" + star.X.(*ast.Ident).Name + ")." + fn.Name.Name
}
