package compiler

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// Bounds of a branch table: below, comparisons are as quick; above, the table
// is mostly holes.
const (
	tableCases = 4
	tableWidth = 256
)

// choose is switch, with or without a value.
func (b *body) choose(s *ast.SwitchStmt, label string) {
	defer b.scope()()
	if s.Init != nil {
		b.statement(s.Init)
	}
	leave := b.open(opBlock)
	b.targets = append(b.targets, target{name: label, leave: leave})
	if first, width, ok := b.tabular(s); ok {
		b.table(s, leave, first, width)
	} else {
		b.compared(s, leave)
	}
	b.targets = b.targets[:len(b.targets)-1]
	b.close()
}

// clauses are the cases of a switch in order, and the default.
func clauses(s *ast.SwitchStmt) (cases []*ast.CaseClause, otherwise *ast.CaseClause) {
	for _, c := range s.Body.List {
		c := c.(*ast.CaseClause)
		if c.List == nil {
			otherwise = c
			continue
		}
		cases = append(cases, c)
	}
	return cases, otherwise
}

// compared tries one case after the other.
func (b *body) compared(s *ast.SwitchStmt, leave int) {
	var tag []int
	var t types.Type
	if s.Tag != nil {
		t = b.c.info.TypeOf(s.Tag)
		if _, ok := scalarOf(t); !ok {
			b.c.fail(s.Tag, "switch over %s is not supported", t)
		}
		b.valueAs(s.Tag, t)
		tag = b.pop(b.c.parts(t, s.Tag))
	}
	cases, otherwise := clauses(s)
	for _, c := range cases {
		b.matches(c, tag, t)
		b.open(opIf)
		b.statements(c.Body)
		b.branch(opBr, leave)
		b.close()
	}
	if otherwise != nil {
		b.statements(otherwise.Body)
	}
}

// matches pushes whether one of the values of a case holds.
func (b *body) matches(c *ast.CaseClause, tag []int, t types.Type) {
	open := 0
	for i, e := range c.List {
		if i > 0 { // the value before did not hold
			b.open(opIf, i32)
			b.const32(1)
			b.op(opElse)
			open++
		}
		if tag == nil {
			b.value(e)
			continue
		}
		s, _ := scalarOf(t)
		b.get(tag[0])
		b.valueAs(e, t)
		b.op(opcode(token.EQL, s))
	}
	for range open {
		b.close()
	}
}

// tabular tells whether a branch table fits: constant integers close together.
func (b *body) tabular(s *ast.SwitchStmt) (first, width int64, ok bool) {
	if s.Tag == nil {
		return 0, 0, false
	}
	sc, scalar := scalarOf(b.c.info.TypeOf(s.Tag))
	if !scalar || sc.as != i32 {
		return 0, 0, false
	}
	n := 0
	last := int64(0)
	cases, _ := clauses(s)
	for _, c := range cases {
		for _, e := range c.List {
			v := b.c.info.Types[e].Value
			if v == nil || v.Kind() != constant.Int {
				return 0, 0, false
			}
			at := integer(v)
			if n == 0 {
				first, last = at, at
			}
			first, last = min(first, at), max(last, at)
			n++
		}
	}
	return first, last - first + 1, n >= tableCases && last-first < tableWidth
}

// table jumps to the case: the blocks of all cases are nested, so that the end
// of each is where its body begins.
func (b *body) table(s *ast.SwitchStmt, leave int, first, width int64) {
	cases, otherwise := clauses(s)
	labels := make([]int, len(cases))
	other := b.open(opBlock)
	for i := len(cases) - 1; i >= 0; i-- {
		labels[i] = b.open(opBlock)
	}
	to := make([]int, width+1) // the last one is for all values outside
	for i := range to {
		to[i] = other
	}
	for i, c := range cases {
		for _, e := range c.List {
			to[integer(b.c.info.Types[e].Value)-first] = labels[i]
		}
	}
	b.value(s.Tag)
	b.plus(uint32(-first))
	b.opN(opBrTable, len(to)-1)
	for _, label := range to {
		b.code = unsigned(b.code, uint64(b.depth-label))
	}
	for _, c := range cases {
		b.close()
		b.statements(c.Body)
		b.branch(opBr, leave)
	}
	b.close()
	if otherwise != nil {
		b.statements(otherwise.Body)
	}
}
