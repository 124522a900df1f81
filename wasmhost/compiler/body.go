package compiler

import (
	"go/ast"
	"go/constant"
	"go/types"
)

// maxInlined is the length of a body, in bytes, from which on calls in it are
// calls: the guard bounds functions, and a long one gains nothing.
const maxInlined = 50 << 10

// body writes the code of one function of the module.
type body struct {
	c       *compiler
	code    []byte
	params  []valueType
	locals  []valueType // behind the parameters
	free    map[valueType][]int
	taken   []int // locals in use, in the order in which they were taken
	depth   int   // blocks that are open
	vars    map[types.Object]*variable
	frame   *frame
	targets []target
}

// frame is the source function whose statements are being written: that of the
// body, or one that is written out inside it.
type frame struct {
	f       *function
	block   int // label that a return leaves; -1 where it leaves the body
	targets int // targets of the frames around
}

// variableKind tells where a variable lives.
type variableKind int

const (
	localVariable    variableKind = iota
	memoryVariable                // at a fixed address: there is no recursion
	addressVariable               // a pointer that is another one plus an offset
	constantVariable              // a parameter that is a constant here
	textVariable                  // the text of an embedded file
)

// variable is what a name stands for.
type variable struct {
	kind   variableKind
	locals []int // one for each part
	place  place // of a memoryVariable; the value of an addressVariable
	value  constant.Value
	text   string
	fixed  bool // never assigned after its declaration
}

// generate writes a function: its locals, then its code.
func (c *compiler) generate(f *function) []byte {
	s := c.signature(f.obj.Signature(), f.decl.Name)
	b := &body{c: c, params: s.params, free: map[valueType][]int{}, vars: map[types.Object]*variable{}}
	b.frame = &frame{f: f, block: -1}
	next := 0
	for _, p := range parameters(f) {
		v := &variable{fixed: !f.changed[p]}
		for range c.parts(p.Type(), f.decl.Name) {
			v.locals = append(v.locals, next)
			next++
		}
		b.vars[p] = v
		if f.held[p] {
			b.spill(p, v)
		}
	}
	if f.decl.Body == nil {
		c.fail(f.decl, "%s has no body", f.obj.Name())
	}
	b.results()
	b.statements(f.decl.Body.List)
	if len(s.results) > 0 {
		b.op(opUnreachable) // behind the last return
	}
	b.op(opEnd)
	var runs [][2]uint64
	for _, t := range b.locals {
		if n := len(runs); n > 0 && runs[n-1][1] == uint64(t) {
			runs[n-1][0]++
			continue
		}
		runs = append(runs, [2]uint64{1, uint64(t)})
	}
	out := vector(runs, func(o []byte, r [2]uint64) []byte { return append(unsigned(o, r[0]), byte(r[1])) })
	return append(out, b.code...)
}

// parameters are the receiver and the parameters of a function.
func parameters(f *function) []*types.Var {
	s := f.obj.Signature()
	var list []*types.Var
	if s.Recv() != nil {
		list = append(list, s.Recv())
	}
	for v := range s.Params().Variables() {
		list = append(list, v)
	}
	return list
}

// spill gives a parameter an address.
func (b *body) spill(p *types.Var, v *variable) {
	m := b.inMemory(p.Type())
	b.base(m.place)
	for _, l := range v.locals {
		b.get(l)
	}
	b.store(p.Type(), m.place.offset)
	b.vars[p] = m
}

// inMemory reserves memory for a variable.
func (b *body) inMemory(t types.Type) *variable {
	at := b.c.module.room(sizeOf(t), 8)
	return &variable{kind: memoryVariable, place: place{-1, at}}
}

// results declares the named results of the frame.
func (b *body) results() {
	for v := range b.frame.f.obj.Signature().Results().Variables() {
		if v.Name() != "" && v.Name() != "_" {
			b.declareZero(v)
		}
	}
}

func (b *body) op(code ...byte) { b.code = append(b.code, code...) }

// opN writes an instruction with a number.
func (b *body) opN(code byte, n int) { b.code = unsigned(append(b.code, code), uint64(n)) }

func (b *body) get(local int) { b.opN(opLocalGet, local) }
func (b *body) set(local int) { b.opN(opLocalSet, local) }
func (b *body) tee(local int) { b.opN(opLocalTee, local) }

func (b *body) const32(v int32) { b.code = signed(append(b.code, opI32Const), int64(v)) }
func (b *body) const64(v int64) { b.code = signed(append(b.code, opI64Const), v) }

// local takes a local for the rest of the scope.
func (b *body) local(t valueType) int {
	var at int
	if list := b.free[t]; len(list) > 0 {
		at = list[len(list)-1]
		b.free[t] = list[:len(list)-1]
	} else {
		at = len(b.params) + len(b.locals)
		b.locals = append(b.locals, t)
	}
	b.taken = append(b.taken, at)
	return at
}

// scope begins a scope; what it returns gives back its locals.
func (b *body) scope() func() {
	mark := len(b.taken)
	return func() {
		for _, at := range b.taken[mark:] {
			t := b.locals[at-len(b.params)]
			b.free[t] = append(b.free[t], at)
		}
		b.taken = b.taken[:mark]
	}
}

// open begins a block and returns its label.
func (b *body) open(code byte, results ...valueType) int {
	b.op(code)
	switch len(results) {
	case 0:
		b.op(0x40)
	case 1:
		b.op(byte(results[0]))
	default:
		b.code = signed(b.code, int64(b.c.module.typeIndex(signature{nil, results})))
	}
	b.depth++
	return b.depth
}

func (b *body) close() {
	b.op(opEnd)
	b.depth--
}

// branch leaves to a label.
func (b *body) branch(code byte, label int) { b.opN(code, b.depth-label) }

// trapIf ends the call if the condition on the stack holds, as a panic would.
func (b *body) trapIf() {
	b.open(opIf)
	b.op(opUnreachable)
	b.close()
}

// lookup finds a variable; those of packages get their room here.
func (b *body) lookup(obj types.Object, at ast.Node) *variable {
	if v := b.vars[obj]; v != nil {
		return v
	}
	if v := b.c.globals[obj]; v != nil {
		return v
	}
	if _, ok := obj.(*types.Var); !ok || obj.Parent() != obj.Pkg().Scope() {
		b.c.fail(at, "%s is not supported here", obj.Name())
	}
	b.c.parts(obj.Type(), at) // fails where the type is not supported
	v := b.inMemory(obj.Type())
	b.c.globals[obj] = v
	if e := b.c.initial[obj]; e != nil {
		data := make([]byte, sizeOf(obj.Type()))
		b.c.image(data, obj.Type(), e)
		b.c.module.segments = append(b.c.module.segments, segment{v.place.offset, string(data)})
	}
	return v
}
