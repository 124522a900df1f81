package compiler

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// maxErrors is how many type errors are told at once.
const maxErrors = 10

// loaded is a package after type checking.
type loaded struct {
	types *types.Package
	files []*ast.File
	embed map[string][]byte // what go:embed may name
}

// load parses and checks all packages, ours first.
func (c *compiler) load(packages []Package) ([]*loaded, error) {
	if len(packages) == 0 {
		return nil, errors.New("compiling: no package")
	}
	known := library{}
	all := make([]*loaded, 0, len(packages)+1)
	for _, p := range append([]Package{runtimePackage()}, packages...) {
		one, err := c.check(p, known)
		if err != nil {
			return nil, err
		}
		known[p.Path] = one.types
		all = append(all, one)
	}
	return all, nil
}

// check parses and types one package.
func (c *compiler) check(p Package, known library) (*loaded, error) {
	l := &loaded{embed: p.Files}
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(c.fset, name, p.Files[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parsing: %w", err)
		}
		if holds(file) {
			l.files = append(l.files, file)
		}
	}
	if len(l.files) == 0 {
		return nil, fmt.Errorf("compiling %s: no Go file for wasip1/wasm", p.Path)
	}
	var found []error
	conf := types.Config{
		Importer: known, Sizes: sizes, GoVersion: "go1.24", IgnoreFuncBodies: false,
		Error: func(err error) {
			var bad types.Error
			if errors.As(err, &bad) && len(found) < maxErrors {
				found = append(found, &Error{bad.Fset.Position(bad.Pos), bad.Msg})
			}
		},
	}
	pkg, err := conf.Check(p.Path, c.fset, l.files, c.info)
	if len(found) > 0 {
		return nil, errors.Join(found...)
	}
	if err != nil {
		return nil, fmt.Errorf("checking types: %w", err)
	}
	l.types = pkg
	c.refuseHuge(l)
	c.embedTexts(l)
	return l, nil
}

// maxType is the largest type in bytes: no module has more memory.
const maxType = 16 << 20

// refuseHuge refuses types that no memory holds, before anybody computes with
// their size.
func (c *compiler) refuseHuge(l *loaded) {
	for _, file := range l.files {
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			if t := c.info.TypeOf(e); t != nil && !measurable(t) {
				c.fail(e, "a type is larger than %d bytes", maxType)
			}
			return true
		})
	}
}

// measurable tells whether a type has a size that can be computed with. The
// sizes of the type checker overflow; the length of an array is looked at
// before that of what it consists of.
func measurable(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Array:
		return measurable(u.Elem()) && (u.Len() <= 0 || sizes.Sizeof(u.Elem()) <= maxType/u.Len())
	case *types.Struct:
		for f := range u.Fields() {
			if !measurable(f.Type()) {
				return false
			}
		}
		return u.NumFields() < maxType && sizes.Sizeof(u) >= 0 && sizes.Sizeof(u) <= maxType
	}
	return true
}

// holds tells whether the build constraint of a file is true here.
func holds(file *ast.File) bool {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, line := range group.List {
			if !constraint.IsGoBuild(line.Text) {
				continue
			}
			x, err := constraint.Parse(line.Text)
			if err == nil && !x.Eval(func(tag string) bool { return tag == "wasip1" || tag == "wasm" || strings.HasPrefix(tag, "go1.") }) {
				return false
			}
		}
	}
	return true
}

// embedTexts gives variables with a go:embed line the text of their file.
func (c *compiler) embedTexts(l *loaded) {
	for _, file := range l.files {
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR || decl.Doc == nil {
				continue
			}
			for _, line := range decl.Doc.List {
				name, ok := strings.CutPrefix(line.Text, "//go:embed ")
				if !ok {
					continue
				}
				name = strings.TrimSpace(name)
				text, ok := l.embed[name]
				spec := decl.Specs[0].(*ast.ValueSpec)
				obj := c.info.Defs[spec.Names[0]]
				switch {
				case !ok:
					c.fail(line, "the file %s is not there", name)
				case len(decl.Specs) != 1 || len(spec.Names) != 1 || !isString(obj.Type()):
					c.fail(line, "go:embed fills one variable of type string")
				}
				c.globals[obj] = &variable{kind: textVariable, text: string(text)}
			}
		}
	}
}
