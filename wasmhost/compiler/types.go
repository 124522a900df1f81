package compiler

import (
	"go/ast"
	"go/token"
	"go/types"
)

// valueType is a type of WebAssembly.
type valueType byte

const (
	i32 valueType = 0x7f
	i64 valueType = 0x7e
	f64 valueType = 0x7c
)

// scalar is how a basic type or a pointer is kept: its type as a value, its
// bytes in memory and its sign.
type scalar struct {
	as     valueType
	bytes  uint32
	signed bool
}

// word is an address, a length or an index.
var word = scalar{i32, 4, false}

// scalarOf describes a type that is one value.
func scalarOf(t types.Type) (scalar, bool) {
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return word, true
	case *types.Basic:
		switch u.Kind() { //nolint:exhaustive // the others are no single value, or not supported
		case types.Bool, types.UntypedBool, types.Uint8:
			return scalar{i32, 1, false}, true
		case types.Int8:
			return scalar{i32, 1, true}, true
		case types.Uint16:
			return scalar{i32, 2, false}, true
		case types.Int16:
			return scalar{i32, 2, true}, true
		case types.Int, types.Int32, types.UntypedInt, types.UntypedRune:
			return scalar{i32, 4, true}, true
		case types.Uint, types.Uint32, types.Uintptr, types.UnsafePointer:
			return word, true
		case types.Int64:
			return scalar{i64, 8, true}, true
		case types.Uint64:
			return scalar{i64, 8, false}, true
		case types.Float64, types.UntypedFloat:
			return scalar{f64, 8, true}, true
		}
	}
	return scalar{}, false
}

// parts are the values that a variable of a type consists of: one for what is
// a scalar, address and length for a string, address, length and capacity for
// a slice. Structs and arrays have none: they lie in memory.
func (c *compiler) parts(t types.Type, at ast.Node) []valueType {
	if s, ok := scalarOf(t); ok {
		return []valueType{s.as}
	}
	switch {
	case isString(t):
		return []valueType{i32, i32}
	case isSlice(t):
		return []valueType{i32, i32, i32}
	case inMemory(t):
		return nil
	}
	c.fail(at, "values of type %s are not supported", t)
	return nil
}

// signature is a function type of the module; the receiver comes first.
func (c *compiler) signature(s *types.Signature, at ast.Node) signature {
	var out signature
	if s.Recv() != nil {
		out.params = append(out.params, c.passed(s.Recv().Type(), at)...)
	}
	for v := range s.Params().Variables() {
		out.params = append(out.params, c.passed(v.Type(), at)...)
	}
	for v := range s.Results().Variables() {
		out.results = append(out.results, c.passed(v.Type(), at)...)
	}
	return out
}

// passed are the parts of a parameter or result.
func (c *compiler) passed(t types.Type, at ast.Node) []valueType {
	if inMemory(t) {
		c.fail(at, "a value of type %s cannot be passed or returned, only a pointer to it", t)
	}
	return c.parts(t, at)
}

// sizeOf is the length of a type in memory, in bytes.
func sizeOf(t types.Type) uint32 { return uint32(sizes.Sizeof(t)) }

func inMemory(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Struct, *types.Array:
		return true
	}
	return false
}

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

func isSlice(t types.Type) bool {
	_, ok := t.Underlying().(*types.Slice)
	return ok
}

func isArray(t types.Type) bool {
	_, ok := t.Underlying().(*types.Array)
	return ok
}

// isPointer is true of unsafe.Pointer, too.
func isPointer(t types.Type) bool {
	if b, ok := t.Underlying().(*types.Basic); ok {
		return b.Kind() == types.UnsafePointer
	}
	_, ok := t.Underlying().(*types.Pointer)
	return ok
}

// pointsAnywhere tells whether a value of the type holds an address.
func pointsAnywhere(t types.Type) bool {
	if isPointer(t) || isSlice(t) {
		return true
	}
	switch u := t.Underlying().(type) {
	case *types.Array:
		return pointsAnywhere(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if pointsAnywhere(f.Type()) {
				return true
			}
		}
	}
	return false
}

// elem is what a slice, an array or a pointer to an array consists of.
func elem(t types.Type) types.Type {
	switch u := t.Underlying().(type) {
	case *types.Slice:
		return u.Elem()
	case *types.Array:
		return u.Elem()
	case *types.Pointer:
		return elem(u.Elem())
	}
	return types.Typ[types.Uint8] // of a string
}

// arrayOf is the array that a value is, or points to.
func arrayOf(t types.Type) (*types.Array, bool) {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	a, ok := t.Underlying().(*types.Array)
	return a, ok
}

// plain is the operator behind an assignment like +=.
func plain(tok token.Token) token.Token { return tok - token.ADD_ASSIGN + token.ADD }
