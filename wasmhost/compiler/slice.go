package compiler

import (
	"go/ast"
	"go/types"
	"math"
)

// make reserves memory for a slice. The memory is zero and never given back.
func (b *body) make(e *ast.CallExpr) {
	t := b.c.info.TypeOf(e)
	if !isSlice(t) {
		b.c.fail(e, "make of %s is not supported, only of slices", t)
	}
	if len(e.Args) > 2 {
		b.c.fail(e, "make with a capacity is not supported")
	}
	defer b.scope()()
	n := b.local(i32)
	b.index(e.Args[1])
	b.set(n)
	b.allocate(n, sizeOf(elem(t)))
	b.get(n)
	b.get(n)
}

// allocate pushes the address of n elements; a size that overflows ends the
// call, as in Go.
func (b *body) allocate(n int, size uint32) {
	b.get(n)
	b.const32(int32(math.MaxInt32 / max(size, 1)))
	b.op(arithmetic[">"][1])
	b.trapIf()
	b.get(n)
	b.times(size)
	b.opN(opCall, b.c.indexOf(b.c.heap))
}

// appended is append of one element. A slice that is full moves to memory of
// twice its length.
func (b *body) appended(e *ast.CallExpr) {
	if len(e.Args) != 2 || e.Ellipsis.IsValid() {
		b.c.fail(e, "append is supported for one element")
	}
	t := b.c.info.TypeOf(e)
	if inMemory(elem(t)) {
		b.c.fail(e, "append of a %s is not supported", elem(t))
	}
	defer b.scope()()
	size := sizeOf(elem(t))
	b.value(e.Args[0])
	old := b.pop([]valueType{i32, i32, i32})
	b.valueAs(e.Args[1], elem(t))
	added := b.pop(b.c.parts(elem(t), e))
	b.get(old[1])
	b.get(old[2])
	b.op(opI32Eq)
	b.open(opIf)
	b.grow(old, size)
	b.close()
	b.get(old[0])
	b.get(old[1])
	b.times(size)
	b.op(opI32Add)
	for _, l := range added {
		b.get(l)
	}
	b.store(elem(t), 0)
	b.get(old[0])
	b.get(old[1])
	b.plus(1)
	b.get(old[2])
}

// grow moves a slice to memory for twice its elements and one.
func (b *body) grow(slice []int, size uint32) {
	defer b.scope()()
	at := b.local(i32)
	b.get(slice[2])
	b.const32(1)
	b.op(arithmetic["<<"][0])
	b.plus(1)
	b.set(slice[2])
	b.allocate(slice[2], size)
	b.tee(at)
	b.get(slice[0])
	b.get(slice[1])
	b.times(size)
	b.op(opPrefixFC, opMemoryCopy, 0, 0)
	b.get(at)
	b.set(slice[0])
}

// clear zeroes what is in a slice.
func (b *body) clear(e ast.Expr) {
	t := b.c.info.TypeOf(e)
	if !isSlice(t) {
		b.c.fail(e, "clear of %s is not supported, only of slices", t)
	}
	defer b.scope()()
	parts := b.header(e)
	b.get(parts[0])
	b.const32(0)
	b.get(parts[1])
	b.times(sizeOf(elem(t)))
	b.op(opPrefixFC, opMemoryFill, 0)
}

// copied is copy: as many elements as fit, whose number is its result.
func (b *body) copied(e *ast.CallExpr) {
	defer b.scope()()
	to, from := b.header(e.Args[0]), b.header(e.Args[1])
	b.get(to[1])
	b.get(from[1])
	b.chosen("min", word)
	n := b.local(i32)
	b.tee(n)
	b.get(to[0])
	b.get(from[0])
	b.get(n)
	b.times(sizeOf(elem(b.c.info.TypeOf(e.Args[0]))))
	b.op(opPrefixFC, opMemoryCopy, 0, 0)
}

// slice is s[low:high] of a slice, a string, or an array.
func (b *body) slice(e *ast.SliceExpr) {
	if e.Slice3 {
		b.c.fail(e, "slices with a capacity are not supported")
	}
	defer b.scope()()
	t := b.c.info.TypeOf(e.X)
	parts := b.whole(e.X, t)
	low, high := b.local(i32), parts[1]
	b.zero(i32)
	b.set(low)
	if e.Low != nil {
		b.index(e.Low)
		b.set(low)
	}
	if e.High != nil {
		high = b.local(i32)
		b.index(e.High)
		b.set(high)
	}
	limit := parts[len(parts)-1] // the capacity, of a string the length
	b.ordered(low, high)
	b.ordered(high, limit)
	b.get(parts[0])
	b.get(low)
	b.times(sizeOf(elem(t)))
	b.op(opI32Add)
	for _, end := range []int{high, limit}[:len(parts)-1] {
		b.get(end)
		b.get(low)
		b.op(opI32Sub)
	}
}

// whole are address, length and capacity of what is sliced.
func (b *body) whole(e ast.Expr, t types.Type) []int {
	array, ok := arrayOf(t)
	if !ok {
		return b.header(e)
	}
	if isPointer(t) {
		b.plus(b.pointer(e))
	} else {
		b.plus(b.address(e))
	}
	b.const32(int32(array.Len()))
	b.const32(int32(array.Len()))
	return b.pop([]valueType{i32, i32, i32})
}

// ordered ends the call where the first local is above the second.
func (b *body) ordered(low, high int) {
	b.get(low)
	b.get(high)
	b.op(arithmetic[">"][1])
	b.trapIf()
}
