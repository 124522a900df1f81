package compiler

import (
	"go/types"
	"math"
)

// layout lays types out as Go does on a 32-bit platform whose doubles are
// 8-aligned: so does the host with bars. types.StdSizes leaves out the bytes
// behind the last field of a struct, and unsafe.Sizeof would differ from Go's.
type layout struct{ words types.StdSizes }

var _ types.Sizes = layout{}

var sizes = layout{types.StdSizes{WordSize: 4, MaxAlign: 8}}

// Alignof is the alignment of a type.
func (l layout) Alignof(t types.Type) int64 { return l.words.Alignof(t) }

// Offsetsof are the places of fields, below 0 where they overflow.
func (l layout) Offsetsof(fields []*types.Var) []int64 {
	offsets := make([]int64, len(fields))
	end := int64(0)
	for i, f := range fields {
		at := aligned(end, l.Alignof(f.Type()))
		size := l.Sizeof(f.Type())
		if end < 0 || at < 0 || size < 0 || at > math.MaxInt64-size {
			at, size = -1, 0
		}
		offsets[i], end = at, at+size
	}
	return offsets
}

// Sizeof is the length of a type, below 0 where it overflows.
func (l layout) Sizeof(t types.Type) int64 {
	switch u := t.Underlying().(type) {
	case *types.Array:
		size := l.Sizeof(u.Elem())
		if size <= 0 || u.Len() <= 0 {
			return min(size, 0)
		}
		if u.Len() > math.MaxInt64/size {
			return -1
		}
		return u.Len() * size
	case *types.Struct:
		return l.structSize(u)
	}
	return l.words.Sizeof(t)
}

func (l layout) structSize(s *types.Struct) int64 {
	if s.NumFields() == 0 {
		return 0
	}
	fields := make([]*types.Var, 0, s.NumFields())
	for f := range s.Fields() {
		fields = append(fields, f)
	}
	last := len(fields) - 1
	at, size := l.Offsetsof(fields)[last], l.Sizeof(fields[last].Type())
	if at < 0 || size < 0 || at > math.MaxInt64-size {
		return -1
	}
	if at > 0 && size == 0 {
		size = 1 // the address of a last field without bytes is not that of what follows
	}
	return aligned(at+size, l.Alignof(s))
}

// aligned is n rounded up, below 0 where it overflows.
func aligned(n, align int64) int64 {
	if n < 0 || n > math.MaxInt64-align {
		return -1
	}
	return (n + align - 1) / align * align
}
