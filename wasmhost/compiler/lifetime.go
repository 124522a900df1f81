package compiler

import (
	"go/ast"
	"go/token"
	"go/types"
)

// origin is what a pointer may point into: a local variable, or, where it was
// passed, what the caller passed as this parameter.
type origin struct {
	of     *types.Var
	passed bool
}

type origins map[origin]bool

// lifetime tells where the pointers of a function come from. A local variable
// that has an address has one place in memory, for all calls and all turns of a
// loop, where Go makes a new one each time: whoever keeps the address longer
// would see the values of the next.
type lifetime struct {
	c    *compiler
	f    *function
	from map[*types.Var]origins // of the local variables that hold addresses
	grew bool
}

// outlive refuses what keeps the address of a local variable longer than Go
// could forget it, and notes which parameters a function keeps.
func (c *compiler) outlive(f *function) {
	l := &lifetime{c: c, f: f, from: map[*types.Var]origins{}}
	f.keeps = map[*types.Var]bool{}
	for _, p := range parameters(f) {
		l.from[p] = origins{}
		if pointsAnywhere(p.Type()) {
			l.from[p][origin{p, true}] = true
		}
	}
	for l.grew = true; l.grew; {
		l.grew = false
		l.assignments(l.flow)
	}
	l.assignments(l.kept)
	l.calls()
	l.returned()
	l.loops()
}

// assignments goes through all places where a variable gets an address.
func (l *lifetime) assignments(visit func(lhs, rhs ast.Expr, o origins)) {
	ast.Inspect(l.f.decl.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.ASSIGN || n.Tok == token.DEFINE {
				l.pairs(n.Lhs, n.Rhs, visit)
			}
		case *ast.ValueSpec:
			lhs := make([]ast.Expr, len(n.Names))
			for i, id := range n.Names {
				lhs[i] = id
			}
			l.pairs(lhs, n.Values, visit)
		case *ast.RangeStmt:
			if n.Value != nil && l.holds(n.Value) {
				visit(n.Value, n.X, l.behind(l.of(n.X), l.under(n.X)))
			}
		}
		return true
	})
}

func (l *lifetime) pairs(lhs, rhs []ast.Expr, visit func(lhs, rhs ast.Expr, o origins)) {
	for i, e := range lhs {
		if len(rhs) == 0 || !l.holds(e) {
			continue
		}
		value := rhs[min(i, len(rhs)-1)]
		visit(e, value, l.of(value))
	}
}

// holds tells whether something can hold an address.
func (l *lifetime) holds(e ast.Expr) bool {
	t := l.c.info.TypeOf(e)
	return t != nil && pointsAnywhere(t)
}

// flow notes what a variable may point into.
func (l *lifetime) flow(lhs, _ ast.Expr, o origins) {
	v := l.variable(lhs)
	if v == nil || !isLocal(v) {
		return
	}
	for one := range o {
		if !l.from[v][one] {
			if l.from[v] == nil {
				l.from[v] = origins{}
			}
			l.from[v][one] = true
			l.grew = true
		}
	}
}

// kept looks at what a variable of the package keeps.
func (l *lifetime) kept(lhs, rhs ast.Expr, o origins) {
	if v := l.variable(lhs); v != nil && !isLocal(v) {
		l.keep(rhs, v.Name(), o)
	}
}

// keep notes that something keeps addresses for longer than the call.
func (l *lifetime) keep(at ast.Expr, keeper string, o origins) {
	if v := o.first(anyOf); v != nil {
		l.c.fail(at, "%s would keep the address of the local variable %s, which the next call writes over", keeper, v.Name())
	}
	for one := range o {
		l.f.keeps[one.of] = true
	}
}

// calls looks at functions that keep what is passed to them, and at append and
// copy, which keep it behind a slice.
func (l *lifetime) calls() {
	ast.Inspect(l.f.decl.Body, func(n ast.Node) bool {
		e, ok := n.(*ast.CallExpr)
		if !ok || l.c.info.Types[e.Fun].IsType() {
			return true
		}
		switch name := l.c.builtinName(e); {
		case name == "append":
			for _, arg := range e.Args[1:] {
				l.keep(arg, name, l.of(arg))
			}
		case name == "copy" && pointsAnywhere(elem(l.c.info.TypeOf(e.Args[0]))):
			l.keep(e.Args[1], name, l.behind(l.of(e.Args[1])))
		case name == "":
			l.call(e)
		}
		return true
	})
}

func (l *lifetime) call(e *ast.CallExpr) {
	callee := l.c.callee(e)
	f := l.c.funcs[callee]
	if f == nil {
		return
	}
	passed := l.passed(e, callee)
	for i, p := range parameters(f) {
		if f.keeps[p] && i < len(passed) {
			l.keep(e, callee.Name(), l.behind(passed[i]))
		}
	}
}

// returned looks at what leaves the function as its result.
func (l *lifetime) returned() {
	refuse := func(at ast.Node, o origins) {
		if v := o.first(anyOf); v != nil {
			l.c.fail(at, "%s may not return a pointer or slice of its local variable %s, which the next call writes over", l.f.obj.Name(), v.Name())
		}
	}
	results := l.f.obj.Signature().Results()
	ast.Inspect(l.f.decl.Body, func(n ast.Node) bool {
		ret, ok := n.(*ast.ReturnStmt)
		if !ok {
			return true
		}
		for _, e := range ret.Results {
			refuse(e, l.of(e))
		}
		for v := range results.Variables() {
			if len(ret.Results) == 0 {
				refuse(ret, l.from[v])
			}
		}
		return true
	})
}

// loops looks at variables that live longer than a turn of a loop and point
// into one that does not.
func (l *lifetime) loops() {
	ast.Inspect(l.f.decl.Body, func(n ast.Node) bool {
		var body *ast.BlockStmt
		switch n := n.(type) {
		case *ast.ForStmt:
			body = n.Body
		case *ast.RangeStmt:
			body = n.Body
		default:
			return true
		}
		inside := func(v *types.Var) bool { return body.Pos() <= v.Pos() && v.Pos() < body.End() }
		l.assignments(func(lhs, rhs ast.Expr, o origins) {
			v := l.variable(lhs)
			if v == nil || inside(v) {
				return
			}
			if x := o.first(inside); x != nil {
				l.c.fail(rhs, "%s would keep the address of %s, of which each turn of the loop has its own: declare it in front of the loop, or keep its value", v.Name(), x.Name())
			}
		})
		return true
	})
}

// variable is the one that an assignment changes, or nil.
func (l *lifetime) variable(lhs ast.Expr) *types.Var {
	id := l.c.rootOf(lhs)
	if id == nil {
		return nil
	}
	v, _ := l.c.info.ObjectOf(id).(*types.Var)
	return v
}

// of is what the addresses in a value may point into.
func (l *lifetime) of(e ast.Expr) origins {
	if tv := l.c.info.Types[e]; tv.IsNil() || tv.Value != nil || !l.returns(e) {
		return nil
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, _ := l.c.info.ObjectOf(e).(*types.Var)
		return l.from[v]
	case *ast.SelectorExpr, *ast.IndexExpr, *ast.StarExpr:
		if id := l.c.rootOf(e); id != nil {
			return l.of(id)
		}
		return l.behind(l.under(e))
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return l.under(e.X)
		}
	case *ast.SliceExpr:
		if isArray(l.c.info.TypeOf(e.X)) {
			return l.under(e.X)
		}
		return l.of(e.X)
	case *ast.CompositeLit:
		return l.literal(e)
	case *ast.CallExpr:
		return l.result(e)
	}
	return nil
}

// returns tells whether a value, or one of several, can hold an address.
func (l *lifetime) returns(e ast.Expr) bool {
	several, ok := l.c.info.TypeOf(e).(*types.Tuple)
	if !ok {
		return l.holds(e)
	}
	for v := range several.Variables() {
		if pointsAnywhere(v.Type()) {
			return true
		}
	}
	return false
}

// under is what the address of something points into.
func (l *lifetime) under(e ast.Expr) origins {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if v, ok := l.c.info.ObjectOf(e).(*types.Var); ok && isLocal(v) {
			return origins{origin{v, false}: true}
		}
	case *ast.SelectorExpr:
		if l.c.info.Selections[e] == nil {
			return nil // of another package
		}
		if isPointer(l.c.info.TypeOf(e.X)) {
			return l.of(e.X)
		}
		return l.under(e.X)
	case *ast.IndexExpr:
		if isArray(l.c.info.TypeOf(e.X)) {
			return l.under(e.X)
		}
		return l.of(e.X)
	case *ast.StarExpr:
		return l.of(e.X)
	}
	return nil
}

func (l *lifetime) literal(lit *ast.CompositeLit) origins {
	all := origins{}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			e = kv.Value
		}
		all.add(l.of(e))
	}
	return all
}

// result is what a call may return: an address that it was given, or one that
// lies behind such.
func (l *lifetime) result(e *ast.CallExpr) origins {
	if l.c.info.Types[e.Fun].IsType() {
		return l.of(e.Args[0])
	}
	switch l.c.builtinName(e) {
	case "append", "Add", "Slice", "SliceData":
		return l.of(e.Args[0]) // append keeps what is added, which is looked at in calls
	case "":
		all := origins{}
		for _, o := range l.passed(e, l.c.callee(e)) {
			all.add(o)
		}
		return l.behind(all)
	}
	return nil
}

// passed are the origins of the receiver and the arguments of a call.
func (l *lifetime) passed(e *ast.CallExpr, callee *types.Func) []origins {
	var list []origins
	if callee != nil && callee.Signature().Recv() != nil {
		if sel, ok := ast.Unparen(e.Fun).(*ast.SelectorExpr); ok {
			o := l.of(sel.X)
			if !isPointer(l.c.info.TypeOf(sel.X)) {
				o = l.under(sel.X)
			}
			list = append(list, o)
		}
	}
	for _, arg := range e.Args {
		list = append(list, l.of(arg))
	}
	return list
}

// behind adds what the variables point into that are pointed at.
func (l *lifetime) behind(lists ...origins) origins {
	all := origins{}
	for _, o := range lists {
		all.add(o)
	}
	for n := -1; n != len(all); {
		n = len(all)
		for one := range all {
			if !one.passed {
				all.add(l.from[one.of])
			}
		}
	}
	return all
}

func (o origins) add(more origins) {
	for one := range more {
		o[one] = true
	}
}

// first is the local variable that stands first of those that fit, so that two
// builds say the same.
func (o origins) first(fits func(*types.Var) bool) *types.Var {
	var first *types.Var
	for one := range o {
		if !one.passed && fits(one.of) && (first == nil || one.of.Pos() < first.Pos()) {
			first = one.of
		}
	}
	return first
}

func anyOf(*types.Var) bool { return true }

// isLocal tells a variable of a function from one of a package.
func isLocal(v *types.Var) bool { return v.Pkg() == nil || v.Parent() != v.Pkg().Scope() }
