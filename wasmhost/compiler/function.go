package compiler

import (
	"go/ast"
	"go/token"
	"go/types"
)

// inlineWeight is the largest weight of a function that is written out where
// it is called, in nodes of its syntax tree. A call costs what the guard counts
// at its entry, some ten additions; a large function called from many places
// would only make the module long.
const inlineWeight = 100

// function is what is known of a declared function before code is written.
type function struct {
	decl     *ast.FuncDecl
	obj      *types.Func
	index    int // in the module; -1 while nobody has asked
	weight   int // nodes of the body
	loops    bool
	inline   bool
	changed  map[types.Object]bool // variables that are assigned after their declaration
	held     map[types.Object]bool // variables whose address is taken
	callees  []*types.Func
	keeps    map[*types.Var]bool // parameters that a variable of the package keeps
	visiting bool
	admitted bool
}

// analyse walks a body once.
func (c *compiler) analyse(fn *ast.FuncDecl, obj *types.Func) *function {
	f := &function{decl: fn, obj: obj, index: -1, changed: map[types.Object]bool{}, held: map[types.Object]bool{}}
	if fn.Body == nil {
		return f
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if n != nil {
			f.weight++
			c.note(f, n)
		}
		return true
	})
	_, never := directive(fn, "//go:noinline ")
	_, exported := exportName(fn)
	f.inline = f.weight <= inlineWeight && !f.loops && !never && !exported
	return f
}

// note takes one node into account.
func (c *compiler) note(f *function, n ast.Node) {
	switch n := n.(type) {
	case *ast.ForStmt, *ast.RangeStmt:
		f.loops = true
		if r, ok := n.(*ast.RangeStmt); ok {
			c.changes(f, r.Key, r.Value)
			if r.Tok == token.DEFINE {
				c.defined(f, r.Key, r.Value)
			}
		}
	case *ast.AssignStmt:
		c.changes(f, n.Lhs...)
	case *ast.IncDecStmt:
		c.changes(f, n.X)
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			c.holds(f, n.X)
		}
	case *ast.SliceExpr:
		if isArray(c.info.TypeOf(n.X)) {
			c.holds(f, n.X)
		}
	case *ast.CallExpr:
		c.noteCall(f, n)
	}
}

// changes marks variables that are assigned; a declaration by := is none.
func (c *compiler) changes(f *function, lhs ...ast.Expr) {
	for _, e := range lhs {
		if id, ok := unparen(e).(*ast.Ident); ok {
			if obj := c.info.Uses[id]; obj != nil {
				f.changed[obj] = true
			}
		}
	}
}

// defined marks variables that a loop sets anew in each turn.
func (c *compiler) defined(f *function, lhs ...ast.Expr) {
	for _, e := range lhs {
		if id, ok := e.(*ast.Ident); ok {
			if obj := c.info.Defs[id]; obj != nil {
				f.changed[obj] = true
			}
		}
	}
}

// unparen is ast.Unparen that takes the absent variable of a range, too.
func unparen(e ast.Expr) ast.Expr {
	if e == nil {
		return nil
	}
	return ast.Unparen(e)
}

// holds marks the local variable whose address an expression takes.
func (c *compiler) holds(f *function, e ast.Expr) {
	if id := c.rootOf(e); id != nil {
		if obj, ok := c.info.Uses[id].(*types.Var); ok && isLocal(obj) {
			f.held[obj] = true
		}
	}
}

// rootOf is the variable that an expression is a part of: nil where a pointer
// or a slice stands in between.
func (c *compiler) rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.SelectorExpr:
			if c.info.Selections[x] == nil {
				return x.Sel // of another package
			}
			if isPointer(c.info.TypeOf(x.X)) {
				return nil
			}
			e = x.X
		case *ast.IndexExpr:
			if !isArray(c.info.TypeOf(x.X)) {
				return nil
			}
			e = x.X
		case *ast.Ident:
			return x
		default:
			return nil
		}
	}
}

// noteCall remembers who is called, and the receivers whose address that takes.
func (c *compiler) noteCall(f *function, call *ast.CallExpr) {
	callee := c.callee(call)
	if callee == nil {
		return
	}
	f.callees = append(f.callees, callee)
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if ok && callee.Signature().Recv() != nil && !isPointer(c.info.TypeOf(sel.X)) {
		c.holds(f, sel.X)
	}
}

// callee is the declared function that a call names, or nil.
func (c *compiler) callee(call *ast.CallExpr) *types.Func {
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		f, _ := c.info.Uses[fun].(*types.Func)
		return f
	case *ast.SelectorExpr:
		f, _ := c.info.Uses[fun.Sel].(*types.Func)
		return f
	}
	return nil
}

// admit checks a function and all that it calls. Recursion is refused: local
// variables that have an address have one place in memory, which a second call
// of the same function would write over. For the same reason that address may
// not outlive the variable.
func (c *compiler) admit(f *function) {
	if f.admitted {
		return
	}
	f.visiting = true
	for _, obj := range f.callees {
		callee := c.funcs[obj]
		if callee == nil {
			continue
		}
		if callee.visiting {
			c.fail(f.decl.Name, "%s calls itself through %s: recursion is not supported", callee.obj.Name(), f.obj.Name())
		}
		c.admit(callee)
	}
	f.visiting = false
	f.admitted = true
	if f.decl.Body != nil {
		c.outlive(f)
	}
}

// single is the expression of a body that is one return, or nil.
func (f *function) single() ast.Expr {
	if f.decl.Body == nil || len(f.decl.Body.List) != 1 {
		return nil
	}
	ret, ok := f.decl.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return nil
	}
	return ret.Results[0]
}
