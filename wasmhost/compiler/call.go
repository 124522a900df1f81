package compiler

import (
	"go/ast"
	"go/types"
)

// call pushes the results of a call.
func (b *body) call(e *ast.CallExpr) {
	if b.isConversion(e) {
		b.conversion(e)
		return
	}
	if name := b.builtin(e); name != "" {
		b.callBuiltin(name, e)
		return
	}
	obj := b.c.callee(e)
	if obj == nil || obj.Signature().TypeParams() != nil || obj.Signature().Variadic() || e.Ellipsis.IsValid() {
		b.c.fail(e, "only functions and methods by name can be called; no closures, interfaces, type parameters, variable arguments")
	}
	if obj.Pkg().Path() == "math" {
		b.callMath(obj.Name(), e)
		return
	}
	f := b.c.funcs[obj]
	switch {
	case f == nil:
		b.c.fail(e, "%s is not a function of these packages", obj.Name())
	case f.decl.Body == nil && obj.Pkg().Path() == runtimePath:
		b.instruction(obj.Name(), e)
	case f.inline && f.decl.Body != nil && len(b.code) < maxInlined:
		b.inlined(f, e)
	default:
		for i, arg := range b.arguments(f, e) {
			b.argument(arg, i == 0 && f.obj.Signature().Recv() != nil)
		}
		b.opN(opCall, b.c.indexOf(f))
	}
}

// instruction is a function of the runtime that is one instruction.
func (b *body) instruction(name string, e *ast.CallExpr) {
	switch name {
	case "memoryPages":
		b.op(opMemorySize, 0)
	case "growMemory":
		b.value(e.Args[0])
		b.op(opMemoryGrow, 0)
	case "heapStart":
		b.op(opGlobalGet, 0)
	}
}

// arguments are the receiver and the arguments of a call.
func (b *body) arguments(f *function, e *ast.CallExpr) []ast.Expr {
	var list []ast.Expr
	if f.obj.Signature().Recv() != nil {
		list = append(list, b.receiver(f, e))
	}
	list = append(list, e.Args...)
	if len(list) != len(parameters(f)) {
		b.c.fail(e, "several results as arguments are not supported")
	}
	return list
}

// receiver is what a method is called on.
func (b *body) receiver(f *function, e *ast.CallExpr) ast.Expr {
	sel, ok := ast.Unparen(e.Fun).(*ast.SelectorExpr)
	if !ok || b.c.info.Selections[sel] == nil || b.c.info.Selections[sel].Kind() != types.MethodVal {
		b.c.fail(e, "method expressions are not supported")
	}
	if len(b.c.info.Selections[sel].Index()) > 1 {
		b.c.fail(e, "methods of an embedded field are called by its name")
	}
	if !isPointer(f.obj.Signature().Recv().Type()) {
		b.c.fail(f.decl.Recv, "a method needs a pointer as receiver")
	}
	return sel.X
}

// argument pushes an argument. A receiver may be a variable whose address is
// passed.
func (b *body) argument(e ast.Expr, receiver bool) {
	if receiver && !isPointer(b.c.info.TypeOf(e)) {
		b.plus(b.address(e))
		return
	}
	b.value(e)
}

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
