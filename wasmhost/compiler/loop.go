package compiler

import (
	"go/ast"
	"go/token"
	"go/types"
)

// target is where break and continue lead to.
type target struct {
	name      string // its label in the source
	leave     int
	again     int // 0 of a switch, which continue passes by
	isLooping bool
}

// labelled is a statement that break and continue can name.
func (b *body) labelled(s *ast.LabeledStmt) {
	switch inner := s.Stmt.(type) {
	case *ast.ForStmt:
		b.loop(inner, s.Label.Name)
	case *ast.RangeStmt:
		b.over(inner, s.Label.Name)
	case *ast.SwitchStmt:
		b.choose(inner, s.Label.Name)
	default:
		b.c.fail(s, "labels are supported before for and switch")
	}
}

// jump is break and continue.
func (b *body) jump(s *ast.BranchStmt) {
	if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
		b.c.fail(s, "%s is not supported", s.Tok)
	}
	for i := len(b.targets) - 1; i >= b.frame.targets; i-- {
		t := b.targets[i]
		if (s.Label != nil && s.Label.Name != t.name) || (s.Tok == token.CONTINUE && !t.isLooping) {
			continue
		}
		if s.Tok == token.CONTINUE {
			b.branch(opBr, t.again)
		} else {
			b.branch(opBr, t.leave)
		}
		return
	}
	b.c.fail(s, "%s leads nowhere", s.Tok)
}

// loop is for with a condition.
func (b *body) loop(s *ast.ForStmt, label string) {
	defer b.scope()()
	if s.Init != nil {
		b.refuseHeld(s.Init)
		b.statement(s.Init)
	}
	b.turns(label, func() {
		if s.Cond != nil {
			b.value(s.Cond)
		} else {
			b.const32(1)
		}
	}, func() {
		b.statements(s.Body.List)
	}, func() {
		if s.Post != nil {
			b.statement(s.Post)
		}
	})
}

// refuseHeld refuses the address of a variable of which each turn has its own.
func (b *body) refuseHeld(init ast.Stmt) {
	s, ok := init.(*ast.AssignStmt)
	if !ok || s.Tok != token.DEFINE {
		return
	}
	for _, e := range s.Lhs {
		if obj := b.c.info.Defs[e.(*ast.Ident)]; obj != nil && b.frame.f.held[obj] {
			b.c.fail(e, "the address of a loop variable is not supported")
		}
	}
}

// turns writes a loop: while the condition holds, the body and then the step.
func (b *body) turns(label string, cond, body, step func()) {
	leave := b.open(opBlock)
	top := b.open(opLoop)
	cond()
	b.op(opI32Eqz)
	b.branch(opBrIf, leave)
	again := b.open(opBlock)
	b.targets = append(b.targets, target{label, leave, again, true})
	body()
	b.targets = b.targets[:len(b.targets)-1]
	b.close()
	step()
	b.branch(opBr, top)
	b.close()
	b.close()
}

// over is range over an integer, a slice, a string's bytes or an array.
func (b *body) over(s *ast.RangeStmt, label string) {
	defer b.scope()()
	t := b.c.info.TypeOf(s.X)
	scalar, number := scalarOf(t)
	_, array := arrayOf(t)
	switch {
	case number && scalar.as != f64 && !array:
		b.counted(s, label, scalar)
	case isSlice(t) || array:
		b.elements(s, label, t)
	default:
		b.c.fail(s, "range over %s is not supported", t)
	}
}

// counted is range over an integer.
func (b *body) counted(s *ast.RangeStmt, label string, sc scalar) {
	b.value(s.X)
	n := b.pop([]valueType{sc.as})[0]
	i := b.local(sc.as)
	b.zero(sc.as)
	b.set(i)
	b.turns(label, func() {
		b.get(i)
		b.get(n)
		b.op(opcode(token.LSS, sc))
	}, func() {
		defer b.scope()()
		b.loopVariable(s, s.Key, func() { b.get(i) })
		b.statements(s.Body.List)
	}, func() {
		b.get(i)
		b.count(sc, 1)
		b.op(opcode(token.ADD, sc))
		b.set(i)
	})
}

// elements is range over a slice or an array. As many turns are made as there
// are elements at the beginning.
func (b *body) elements(s *ast.RangeStmt, label string, t types.Type) {
	parts := b.whole(s.X, t)
	size := sizeOf(elem(t))
	i := b.local(i32)
	b.zero(i32)
	b.set(i)
	b.turns(label, func() {
		b.get(i)
		b.get(parts[1])
		b.op(opI32LtU)
	}, func() {
		defer b.scope()()
		b.loopVariable(s, s.Key, func() { b.get(i) })
		b.loopVariable(s, s.Value, func() {
			b.get(parts[0])
			b.get(i)
			b.times(size)
			b.op(opI32Add)
			b.load(elem(t), 0, s)
		})
		b.statements(s.Body.List)
	}, func() {
		b.get(i)
		b.plus(1)
		b.set(i)
	})
}

// loopVariable sets the variable of a turn.
func (b *body) loopVariable(s *ast.RangeStmt, e ast.Expr, push func()) {
	if e == nil {
		return
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		b.c.fail(e, "range sets variables alone")
	}
	if id.Name == "_" {
		return
	}
	obj := b.c.info.ObjectOf(id)
	if inMemory(obj.Type()) {
		b.c.fail(e, "range over values of type %s is not supported: use the index", obj.Type())
	}
	if b.frame.f.held[obj] {
		b.c.fail(e, "the address of a loop variable is not supported")
	}
	if s.Tok == token.DEFINE {
		v := &variable{}
		for _, p := range b.c.parts(obj.Type(), e) {
			v.locals = append(v.locals, b.local(p))
		}
		b.vars[obj] = v
	}
	push()
	v := b.lookup(obj, id)
	if v.kind != localVariable {
		b.c.fail(e, "range sets local variables alone")
	}
	b.setAll(v.locals)
}
