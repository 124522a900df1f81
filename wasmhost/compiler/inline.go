package compiler

import (
	"go/ast"
	"go/types"
)

// enter makes a function the one whose statements are written; what it returns
// leaves it again.
func (b *body) enter(f *function, block int) func() {
	before := b.frame
	b.frame = &frame{f: f, block: block, targets: len(b.targets)}
	return func() {
		b.targets = b.targets[:b.frame.targets]
		b.frame = before
	}
}

// inlined writes a function out in the place of a call.
func (b *body) inlined(f *function, e *ast.CallExpr) {
	defer b.scope()()
	b.bind(f, e)
	if single := f.single(); single != nil {
		defer b.enter(f, -1)()
		b.valueAs(single, f.obj.Signature().Results().At(0).Type())
		return
	}
	results := b.c.signature(f.obj.Signature(), f.decl.Name).results
	leave := b.enter(f, b.open(opBlock, results...))
	b.results()
	list := f.decl.Body.List
	for i, stmt := range list {
		if i == len(list)-1 {
			b.last(stmt)
			break
		}
		b.statement(stmt)
	}
	leave()
	b.close()
}

// last writes the last statement of a function that is written out: its return
// falls out of the block.
func (b *body) last(s ast.Stmt) {
	if ret, ok := s.(*ast.ReturnStmt); ok {
		b.returned(ret)
		return
	}
	b.statement(s)
	if b.frame.f.obj.Signature().Results().Len() > 0 {
		b.op(opUnreachable) // all ways through s have returned
	}
}

// bind evaluates the arguments of a call and makes them the parameters.
func (b *body) bind(f *function, e *ast.CallExpr) {
	params := parameters(f)
	bound := make([]*variable, len(params))
	for i, arg := range b.arguments(f, e) {
		receiver := i == 0 && f.obj.Signature().Recv() != nil
		bound[i] = b.alias(f, params[i], arg, receiver)
		if bound[i] == nil {
			b.argument(arg, receiver)
			bound[i] = &variable{locals: b.pop(b.c.parts(params[i].Type(), arg)), fixed: !f.changed[params[i]]}
		}
	}
	for i, p := range params {
		b.vars[p] = bound[i]
		if f.held[p] {
			b.spill(p, bound[i])
		}
	}
}

// bindPure is bind of arguments that need no code.
func (b *body) bindPure(f *function, e *ast.CallExpr) bool {
	params := parameters(f)
	bound := make([]*variable, len(params))
	for i, arg := range b.arguments(f, e) {
		bound[i] = b.alias(f, params[i], arg, i == 0 && f.obj.Signature().Recv() != nil)
		if bound[i] == nil {
			return false
		}
	}
	for i, p := range params {
		b.vars[p] = bound[i]
	}
	return true
}

// alias is a parameter that needs no local of its own: it is not assigned, and
// its argument is a constant, an address that is known, or a variable that is
// not assigned either.
func (b *body) alias(f *function, p *types.Var, arg ast.Expr, receiver bool) *variable {
	if f.changed[p] || f.held[p] {
		return nil
	}
	if tv := b.c.info.Types[arg]; tv.Value != nil && !isString(p.Type()) {
		return &variable{kind: constantVariable, value: tv.Value}
	}
	if receiver && !isPointer(b.c.info.TypeOf(arg)) {
		if at, ok := b.pureAddress(arg); ok {
			return &variable{kind: addressVariable, place: at, fixed: true}
		}
		return nil
	}
	if isPointer(p.Type()) {
		if at, ok := b.pure(arg); ok {
			return &variable{kind: addressVariable, place: at, fixed: true}
		}
		return nil
	}
	if id, ok := ast.Unparen(arg).(*ast.Ident); ok {
		if obj, ok := b.c.info.ObjectOf(id).(*types.Var); ok {
			if v := b.lookup(obj, id); v.fixed {
				return v
			}
		}
	}
	return nil
}
