package compiler

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// Package is the source of one package: its import path and its files by name.
// Files that go:embed names stand beside the Go files. Files whose build
// constraint does not hold for wasip1/wasm, and tests, are left out.
type Package struct {
	Path  string
	Files map[string][]byte
}

// Error is something that cannot be compiled, and where it stands.
type Error struct {
	Pos token.Position
	Msg string
}

// Error is "file:line:column: what is wrong"; what no line alone is to blame for
// has no place.
func (e *Error) Error() string {
	if !e.Pos.IsValid() {
		return e.Msg
	}
	return e.Pos.String() + ": " + e.Msg
}

// compiler holds what all functions of a module share.
type compiler struct {
	fset    *token.FileSet
	info    *types.Info
	funcs   map[*types.Func]*function
	module  module
	queue   []*function // functions that have an index and no code yet
	globals map[types.Object]*variable
	initial map[types.Object]ast.Expr // of variables of packages
	heap    *function                 // allocates for make
}

// Compile makes a module of packages, in the order of their imports; the
// exports are the functions of the last one that have a //go:wasmexport line.
// Errors are an *Error, or several of them joined.
func Compile(packages []Package) (wasm []byte, err error) {
	c := &compiler{
		fset: token.NewFileSet(), funcs: map[*types.Func]*function{}, globals: map[types.Object]*variable{}, initial: map[types.Object]ast.Expr{},
		info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{}, Implicits: map[ast.Node]types.Object{},
		},
	}
	defer func() {
		if r := recover(); r != nil {
			bad, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			wasm, err = nil, bad
		}
	}()
	loaded, err := c.load(packages)
	if err != nil {
		return nil, err
	}
	c.module.begin()
	for _, p := range loaded {
		c.declare(p)
	}
	if err := c.exports(loaded[len(loaded)-1]); err != nil {
		return nil, err
	}
	for len(c.queue) > 0 {
		f := c.queue[0]
		c.queue = c.queue[1:]
		c.module.code[f.index] = c.generate(f)
	}
	return c.module.encode(), nil
}

// declare notes the functions and variables of a package.
func (c *compiler) declare(p *loaded) {
	for _, file := range p.files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					c.fail(d, "init is not supported: nothing runs before the first call")
				}
				obj := c.info.Defs[d.Name].(*types.Func)
				c.funcs[obj] = c.analyse(d, obj)
			case *ast.GenDecl:
				c.variables(d)
			}
		}
	}
	c.heap = c.heapOf(p)
}

// variables notes the first values of the variables of a package.
func (c *compiler) variables(d *ast.GenDecl) {
	if d.Tok != token.VAR {
		return
	}
	for _, spec := range d.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, id := range spec.Names {
			if len(spec.Values) == 0 {
				continue
			}
			if len(spec.Values) != len(spec.Names) || !c.isConstant(spec.Values[i]) {
				c.fail(spec.Values[0], "the first value of a variable of a package has to be a constant")
			}
			c.initial[c.info.Defs[id]] = spec.Values[i]
		}
	}
}

// isConstant tells whether a value is one, or a literal of such.
func (c *compiler) isConstant(e ast.Expr) bool {
	if kv, ok := e.(*ast.KeyValueExpr); ok {
		return c.isConstant(kv.Value)
	}
	lit, ok := ast.Unparen(e).(*ast.CompositeLit)
	if !ok {
		return c.info.Types[e].Value != nil
	}
	return inMemory(c.info.TypeOf(lit)) && !slices.ContainsFunc(lit.Elts, func(e ast.Expr) bool { return !c.isConstant(e) })
}

// heapOf finds the allocator in the package that brings it.
func (c *compiler) heapOf(p *loaded) *function {
	if p.types.Path() != runtimePath {
		return c.heap
	}
	return c.funcs[p.types.Scope().Lookup("allocate").(*types.Func)]
}

// exports gives the exported functions an index, in the order in which they
// stand in the files.
func (c *compiler) exports(p *loaded) error {
	for _, file := range p.files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if name, ok := exportName(fn); ok {
				if c.module.exports(name) {
					c.fail(fn, "%q is exported twice", name)
				}
				f := c.funcs[c.info.Defs[fn.Name].(*types.Func)]
				c.module.export(name, c.indexOf(f))
			}
		}
	}
	if len(c.module.exported) == 0 {
		return errors.New("finding what to export: no function has a //go:wasmexport line")
	}
	return nil
}

// indexOf is the place of a function in the module. The first who asks makes
// it part of it: what nobody calls is left out.
func (c *compiler) indexOf(f *function) int {
	if f.index < 0 {
		c.admit(f)
		f.index = c.module.function(c.signature(f.obj.Signature(), f.decl.Name))
		c.queue = append(c.queue, f)
	}
	return f.index
}

// fail ends the compilation.
func (c *compiler) fail(at ast.Node, format string, args ...any) {
	panic(&Error{c.fset.Position(at.Pos()), fmt.Sprintf(format, args...)})
}
