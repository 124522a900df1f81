package compiler

import (
	_ "embed" // the runtime and the declarations of math are sources, too
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
)

const runtimePath = "runtime"

//go:embed heap.go.txt
var heapSource []byte

//go:embed math.go.txt
var mathSource []byte

// runtimePackage is the part of a module that is ours.
func runtimePackage() Package {
	return Package{Path: runtimePath, Files: map[string][]byte{"heap.go": heapSource}}
}

// library are the packages that may be imported, by path.
type library map[string]*types.Package

var _ types.Importer = library(nil)

// Import finds a package. No other part of the standard library exists: an
// assembly routine of math may differ in the last bit from processor to
// processor.
func (l library) Import(path string) (*types.Package, error) {
	if p := l[path]; p != nil && path != runtimePath {
		return p, nil
	}
	switch path {
	case "unsafe":
		return types.Unsafe, nil
	case "embed":
		p := types.NewPackage("embed", "embed")
		p.MarkComplete()
		return p, nil
	case "math":
		p, err := declarations("math", mathSource)
		if err != nil {
			return nil, err
		}
		l["math"] = p
		return p, nil
	}
	return nil, fmt.Errorf("package %q cannot be imported here, only embed, math and unsafe", path)
}

// declarations types a package that has functions without bodies.
func declarations(path string, source []byte) (*types.Package, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path+".go", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parsing the declarations of %s: %w", path, err)
	}
	conf := types.Config{Importer: library{}, Sizes: sizes, IgnoreFuncBodies: true}
	p, err := conf.Check(path, fset, []*ast.File{file}, nil)
	if err != nil {
		return nil, fmt.Errorf("checking the declarations of %s: %w", path, err)
	}
	return p, nil
}

// exportName is what a //go:wasmexport line calls the function.
func exportName(fn *ast.FuncDecl) (string, bool) {
	return directive(fn, "//go:wasmexport ")
}

// directive is the rest of a line of the doc comment that begins with prefix.
func directive(fn *ast.FuncDecl, prefix string) (string, bool) {
	if fn.Doc == nil {
		return "", false
	}
	for _, line := range fn.Doc.List {
		if rest, ok := strings.CutPrefix(line.Text+" ", prefix); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}
