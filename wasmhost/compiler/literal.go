package compiler

import (
	"go/ast"
	"go/constant"
	"go/types"
)

// leaf is one value of a composite literal and its place in it.
type leaf struct {
	at     uint32
	t      types.Type
	e      ast.Expr
	locals []int
}

// fill assigns a struct or an array. All values of a literal are known before
// the first is stored: it may read the variable that it is assigned to.
func (b *body) fill(to place, t types.Type, e ast.Expr) {
	defer b.scope()()
	lit, ok := ast.Unparen(e).(*ast.CompositeLit)
	if !ok {
		b.base(to)
		b.plus(to.offset)
		b.plus(b.address(e))
		b.copyMemory(sizeOf(t))
		return
	}
	leaves := b.c.leaves(lit, 0, nil)
	for i := range leaves {
		l := &leaves[i]
		b.valueAs(l.e, l.t)
		l.locals = b.pop(b.c.parts(l.t, l.e))
	}
	b.wipe(to, sizeOf(t))
	for _, l := range leaves {
		b.base(to)
		for _, part := range l.locals {
			b.get(part)
		}
		b.store(l.t, to.offset+l.at)
	}
}

// leaves are the values of a literal and of those inside it.
func (c *compiler) leaves(lit *ast.CompositeLit, at uint32, list []leaf) []leaf {
	t := c.info.TypeOf(lit)
	next := int64(0)
	for i, e := range lit.Elts {
		var offset uint32
		var as types.Type
		switch u := t.Underlying().(type) {
		case *types.Struct:
			offset, as, e = structLeaf(u, i, e)
		case *types.Array:
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				next, _ = constant.Int64Val(constant.ToInt(c.info.Types[kv.Key].Value))
				e = kv.Value
			}
			offset, as = uint32(next)*sizeOf(u.Elem()), u.Elem()
			next++
		default:
			c.fail(lit, "a literal of type %s is not supported, only of structs and arrays", t)
		}
		if inner, ok := ast.Unparen(e).(*ast.CompositeLit); ok && inMemory(as) {
			list = c.leaves(inner, at+offset, list)
			continue
		}
		if inMemory(as) {
			c.fail(e, "a %s inside a literal has to be a literal, too", as)
		}
		list = append(list, leaf{at: at + offset, t: as, e: e})
	}
	return list
}

// structLeaf is the i-th value of a struct's literal, with or without a name.
func structLeaf(s *types.Struct, i int, e ast.Expr) (offset uint32, t types.Type, value ast.Expr) {
	fields := make([]*types.Var, 0, s.NumFields())
	for f := range s.Fields() {
		fields = append(fields, f)
	}
	if kv, ok := e.(*ast.KeyValueExpr); ok {
		for k, f := range fields {
			if f.Name() == kv.Key.(*ast.Ident).Name {
				i = k
			}
		}
		e = kv.Value
	}
	return uint32(sizes.Offsetsof(fields)[i]), fields[i].Type(), e
}
