package compiler

import (
	"go/ast"
	"go/token"
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
