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
