package compiler

import (
	"go/ast"
	"go/token"
	"go/types"
)

// statements writes a block with a scope of its own.
func (b *body) statements(list []ast.Stmt) {
	defer b.scope()()
	for _, s := range list {
		b.statement(s)
	}
}

func (b *body) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.EmptyStmt:
	case *ast.BlockStmt:
		b.statements(s.List)
	case *ast.ExprStmt:
		b.expression(s)
	case *ast.AssignStmt:
		b.assign(s)
	case *ast.IncDecStmt:
		b.step(s)
	case *ast.DeclStmt:
		b.declaration(s)
	case *ast.ReturnStmt:
		b.ret(s)
	case *ast.IfStmt:
		b.branches(s)
	case *ast.ForStmt:
		b.loop(s, "")
	case *ast.RangeStmt:
		b.over(s, "")
	case *ast.SwitchStmt:
		b.choose(s, "")
	case *ast.LabeledStmt:
		b.labelled(s)
	case *ast.BranchStmt:
		b.jump(s)
	default:
		b.c.fail(s, "%s is not supported", called(s))
	}
}

// called is the name of a statement that is refused.
func called(s ast.Stmt) string {
	switch s.(type) {
	case *ast.GoStmt:
		return "a go statement"
	case *ast.DeferStmt:
		return "defer"
	case *ast.SelectStmt:
		return "select"
	case *ast.SendStmt:
		return "sending to a channel"
	case *ast.TypeSwitchStmt:
		return "a type switch"
	}
	return "this statement"
}

// expression is a call whose results nobody wants.
func (b *body) expression(s *ast.ExprStmt) {
	call, ok := ast.Unparen(s.X).(*ast.CallExpr)
	if !ok {
		b.c.fail(s, "this statement is not supported")
	}
	b.call(call)
	for range b.resultParts(call) {
		b.op(opDrop)
	}
}

// resultParts are the parts of all results of a call.
func (b *body) resultParts(call *ast.CallExpr) []valueType {
	if b.builtin(call) == "panic" || b.builtin(call) == "clear" {
		return nil
	}
	switch t := b.c.info.TypeOf(call).(type) {
	case nil:
		return nil
	case *types.Tuple:
		var all []valueType
		for v := range t.Variables() {
			all = append(all, b.c.parts(v.Type(), call)...)
		}
		return all
	default:
		return b.c.parts(t, call)
	}
}

// declaration is var inside a function; constants and types need no code.
func (b *body) declaration(s *ast.DeclStmt) {
	decl, ok := s.Decl.(*ast.GenDecl)
	if !ok || decl.Tok != token.VAR {
		return
	}
	for _, spec := range decl.Specs {
		spec := spec.(*ast.ValueSpec)
		if len(spec.Values) == 0 {
			for _, id := range spec.Names {
				b.declareZero(b.c.info.Defs[id])
			}
			continue
		}
		lhs := make([]ast.Expr, len(spec.Names))
		for i, id := range spec.Names {
			lhs[i] = id
		}
		b.define(lhs, spec.Values, s)
	}
}

// ret leaves the function.
func (b *body) ret(s *ast.ReturnStmt) {
	b.returned(s)
	if b.frame.block < 0 {
		b.op(opReturn)
		return
	}
	b.branch(opBr, b.frame.block)
}

// returned pushes what a return statement returns.
func (b *body) returned(s *ast.ReturnStmt) {
	results := b.frame.f.obj.Signature().Results()
	if len(s.Results) == 0 {
		for v := range results.Variables() {
			b.pushNamed(v, s)
		}
		return
	}
	if len(s.Results) != results.Len() {
		b.value(s.Results[0]) // a call with as many results
		return
	}
	for i, e := range s.Results {
		b.valueAs(e, results.At(i).Type())
	}
}

// pushNamed pushes a named result.
func (b *body) pushNamed(v *types.Var, at ast.Node) {
	x := b.lookup(v, at)
	if x.kind == memoryVariable {
		b.base(x.place)
		b.load(v.Type(), x.place.offset, at)
		return
	}
	for _, l := range x.locals {
		b.get(l)
	}
}

// branches is if, with all that follows.
func (b *body) branches(s *ast.IfStmt) {
	defer b.scope()()
	if s.Init != nil {
		b.statement(s.Init)
	}
	b.value(s.Cond)
	b.open(opIf)
	b.statements(s.Body.List)
	if s.Else != nil {
		b.op(opElse)
		b.statement(s.Else)
	}
	b.close()
}
