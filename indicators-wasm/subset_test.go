package indicators

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// boundary lists the files that stand outside the update path and may use all
// of Go: the native interface and texts.
var boundary = map[string]bool{
	"native.go": true, "manifest.go": true, "embed.go": true, "explain.go": true,
}

// mathAllowed are the functions of package math that are exact or one
// instruction everywhere. Others are assembly on some processors.
var mathAllowed = map[string]bool{
	"Sqrt": true, "Abs": true, "Floor": true, "Ceil": true, "Trunc": true, "Copysign": true,
	"IsNaN": true, "Float64bits": true, "Float64frombits": true,
}

// TestUpdatePathStaysInTheSubset walks the syntax tree of every file behind
// the boundary.
func TestUpdatePathStaysInTheSubset(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || boundary[name] {
			continue
		}
		for _, complaint := range complaintsAbout(t, name, nil) {
			t.Error(complaint)
		}
		checked++
	}
	if checked < 20 {
		t.Errorf("%d files checked, want at least 20", checked)
	}
}

// TestSubsetCheckFindsEveryOffence shows that the check above can fail.
func TestSubsetCheckFindsEveryOffence(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"closure", "func f() { g := func() {}; g() }", "closure"},
		{"goroutine", "func f() { go f() }", "go statement"},
		{"defer", "func f() { defer f() }", "defer"},
		{"channel", "var c chan int", "channel"},
		{"map", "func f(m map[int]int) {}", "map"},
		{"interface", "func f(x interface{}) {}", "interface"},
		{"make", "func f() []int { return make([]int, 3) }", "make"},
		{"append", "func f(s []int) []int { return append(s, 1) }", "append"},
		{"new", "func f() *int { return new(int) }", "new"},
		{"slice expression", "func f(s []float64) []float64 { return s[1:] }", "slice expression"},
		{"package variable", "var counter uint32", "package variable"},
		{"float32", "func f(x float32) {}", "float32"},
		{"byte", "func f(x byte) {}", "byte"},
		{"math.Exp", "func f(x float64) float64 { return math.Exp(x) }", "math.Exp"},
		{"product in a sum", "func f(x, y, z float64) float64 { return x*y + z }", "float64()"},
		{"product in a difference", "func f(x, y, z float64) float64 { return z - (x * y) }", "float64()"},
		{"product added in place", "func f(x, y, z float64) float64 { z += x * y; return z }", "float64()"},
		{"product in a variable", "func f(x, y, z float64) float64 { t := x * y; return t + z }", "float64()"},
		{"negated product", "func f(x, y, z float64) float64 { return z + -(x * y) }", "float64()"},
		{"multiplied in place", "func f(x, y float64) float64 { x *= y; return x + 1 }", "float64()"},
		{"product as argument", "func g(x float64) {}\nfunc f(x, y float64) { g(x * y) }", "float64()"},
		{"product returned", "func f(x, y float64) float64 { return x * y }", "float64()"},
		{"pointer in a state", "type fooState struct { p *int }", "fooState"},
		{"slice in a state", "type fooState struct { p []float64 }", "fooState"},
		{"int in a state", "type fooState struct { n int }", "fooState"},
		{"recursion", "func f(n uint32) { f(n) }", "recursion"},
		{"generics", "func f[T any](x T) {}", "type parameters"},
		{"struct by value", "type s struct{ a float64 }\nfunc f(x s) {}", "struct value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := "package indicators\nimport \"math\"\nvar _ = math.Pi\n" + c.body
			got := strings.Join(complaintsAbout(t, "offence.go", src), "\n")
			if !strings.Contains(got, c.want) {
				t.Errorf("complaints: %q, want one about %q", got, c.want)
			}
		})
	}
}

// inspector collects what a file does outside the subset.
type inspector struct {
	fset  *token.FileSet
	info  types.Info
	found []string
}

func (in *inspector) complain(at ast.Node, what string) {
	in.found = append(in.found, in.fset.Position(at.Pos()).String()+": "+what)
}

// complaintsAbout checks one file, whose source may be given. The other files
// of the package are parsed too, so that types resolve.
func complaintsAbout(t *testing.T, name string, src any) []string {
	t.Helper()
	in := &inspector{fset: token.NewFileSet()}
	file, err := parser.ParseFile(in.fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	all := []*ast.File{file}
	if src == nil {
		others, err := filepath.Glob("*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range others {
			if o == name || strings.HasSuffix(o, "_test.go") || o == "embed.go" {
				continue
			}
			f, err := parser.ParseFile(in.fset, o, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
	}
	in.info = types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.Default()}
	if _, err := conf.Check("indicators", in.fset, all, &in.info); err != nil {
		t.Fatal(err)
	}
	in.file(file)
	return in.found
}

func (in *inspector) file(f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			in.declaration(d)
		case *ast.FuncDecl:
			in.function(d)
		}
	}
	ast.Inspect(f, in.node)
}

// declaration refuses package variables and references inside states.
func (in *inspector) declaration(d *ast.GenDecl) {
	for _, s := range d.Specs {
		if v, ok := s.(*ast.ValueSpec); ok && d.Tok == token.VAR && v.Names[0].Name != "_" {
			in.complain(v, "package variable "+v.Names[0].Name)
		}
		if s, ok := s.(*ast.TypeSpec); ok && strings.HasSuffix(s.Name.Name, "State") {
			if bad := forbidden(in.info.Defs[s.Name].Type()); bad != "" {
				in.complain(s, s.Name.Name+" holds "+bad)
			}
		}
	}
}

// forbidden names the first type inside t that must not be part of a state.
func forbidden(t types.Type) string {
	switch u := t.Underlying().(type) {
	case *types.Struct:
		for i := range u.NumFields() {
			if bad := forbidden(u.Field(i).Type()); bad != "" {
				return bad
			}
		}
		return ""
	case *types.Basic:
		switch u.Kind() {
		case types.Uint32, types.Int32, types.Uint64, types.Int64, types.Float64:
			return ""
		}
	}
	return t.String()
}

// function refuses generics, recursion and structs passed by value.
func (in *inspector) function(d *ast.FuncDecl) {
	if d.Type.TypeParams != nil {
		in.complain(d, "type parameters")
	}
	lists := []*ast.FieldList{d.Type.Params, d.Type.Results, d.Recv}
	for _, list := range lists {
		if list == nil {
			continue
		}
		for _, f := range list.List {
			if _, ok := in.info.TypeOf(f.Type).Underlying().(*types.Struct); ok {
				in.complain(f, "struct value passed by value")
			}
		}
	}
	self := in.info.Defs[d.Name]
	ast.Inspect(d.Body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && in.info.Uses[id] == self {
			in.complain(n, "recursion")
		}
		return true
	})
}

// node refuses constructs and looks for products.
func (in *inspector) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit:
		in.complain(n, "closure")
	case *ast.GoStmt:
		in.complain(n, "go statement")
	case *ast.DeferStmt:
		in.complain(n, "defer")
	case *ast.SelectStmt:
		in.complain(n, "select")
	case *ast.ChanType:
		in.complain(n, "channel")
	case *ast.MapType:
		in.complain(n, "map")
	case *ast.InterfaceType:
		in.complain(n, "interface")
	case *ast.SliceExpr:
		in.complain(n, "slice expression")
	case *ast.BranchStmt:
		if n.Tok == token.GOTO {
			in.complain(n, "goto")
		}
	case *ast.Ident:
		in.ident(n)
	case *ast.SelectorExpr:
		if p, ok := n.X.(*ast.Ident); ok && p.Name == "math" && n.Sel.Name != "Pi" && !mathAllowed[n.Sel.Name] {
			in.complain(n, "math."+n.Sel.Name)
		}
	case *ast.BinaryExpr, *ast.AssignStmt, *ast.CallExpr, *ast.ReturnStmt:
		in.products(n)
	}
	return true
}

// ident refuses builtin functions that allocate and types of other widths.
func (in *inspector) ident(id *ast.Ident) {
	switch o := in.info.Uses[id].(type) {
	case *types.Builtin:
		switch o.Name() {
		case "make", "new", "append", "panic", "recover", "print", "println", "delete", "close":
			in.complain(id, o.Name())
		}
	case *types.TypeName:
		switch o.Name() {
		case "byte", "uint8", "int8", "uint16", "int16", "float32", "complex64", "complex128", "string", "any", "error":
			in.complain(id, o.Name())
		}
	}
}

// products finds a product of doubles that is not rounded by a conversion
// before it can meet a sum: as an operand of + or -, in a variable, as an
// argument (an inlined callee may add to it) or as a result. Scaling of a
// comparison, another product or a quotient is fine.
func (in *inspector) products(n ast.Node) {
	var suspects []ast.Expr
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.ADD || n.Op == token.SUB {
			suspects = []ast.Expr{n.X, n.Y}
		}
	case *ast.AssignStmt:
		suspects = n.Rhs
		if n.Tok == token.MUL_ASSIGN && in.isDouble(n.Lhs[0]) {
			in.complain(n, "product without float64()")
		}
	case *ast.ReturnStmt:
		suspects = n.Results
	case *ast.CallExpr:
		if !in.info.Types[n.Fun].IsType() {
			suspects = n.Args
		}
	}
	for _, e := range suspects {
		if in.isProduct(e) {
			in.complain(e, "product without float64()")
		}
	}
}

// isProduct looks through parentheses and signs for a product of doubles that
// is computed at run time.
func (in *inspector) isProduct(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return in.isProduct(e.X)
	case *ast.UnaryExpr:
		return e.Op == token.SUB && in.isProduct(e.X)
	case *ast.BinaryExpr:
		return e.Op == token.MUL && in.isDouble(e) && in.info.Types[e].Value == nil
	}
	return false
}

func (in *inspector) isDouble(e ast.Expr) bool {
	b, ok := in.info.TypeOf(e).Underlying().(*types.Basic)
	return ok && b.Info()&types.IsFloat != 0
}
