package badwasm

import "fmt"

// features are W20: proposals that are off.
func features(yield func(Attack) bool) bool {
	code := func(code ...byte) []byte { return instead("_initialize", code) }
	swap := func(id byte, body ...byte) []byte {
		return with(func(m *Module) { m.Swap = map[byte][]byte{id: body} })
	}
	list := []Attack{
		{Name: "shared-memory", Bytes: swap(5, 1, 3, 1, 1)},
		{Name: "shared-memory-without-maximum", Bytes: swap(5, 1, 2, 1)},
		{Name: "memory64", Bytes: swap(5, 1, 4, 1)},
		{Name: "memory64-with-maximum", Bytes: swap(5, 1, 5, 1, 1)},
		{Name: "two-memories", Bytes: swap(5, 2, 0, 1, 0, 1)},
		{Name: "custom-page-size", Bytes: swap(5, 1, 8, 1, 0)},
		{Name: "second-memory-in-size", Bytes: code(0x3f, 1, Drop)},
		{Name: "second-memory-in-grow", Bytes: code(0x41, 0, 0x40, 1, Drop)},
		{Name: "second-memory-in-load", Bytes: code(0x41, 0, 0x28, 0x40, 1, 0, Drop)},
		{Name: "table-of-externref", Bytes: swap(4, 1, 0x6f, 0, 1)},
		{Name: "table-with-initialiser", Bytes: swap(4, 1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, End)},
		{Name: "two-tables", Bytes: swap(4, 2, 0x70, 0, 1, 0x70, 0, 1)},
		{Name: "shared-table", Bytes: swap(4, 1, 0x70, 3, 1, 1)},
		{Name: "global-of-funcref", Bytes: swap(6, 1, 0x70, 0, 0xd0, 0x70, End)},
		{Name: "global-of-another-global", Bytes: swap(6, 2, 0x7f, 0, 0x41, 0, End, 0x7f, 0, 0x23, 0, End)},
		{Name: "extended-constant", Bytes: swap(6, 1, 0x7f, 0, 0x41, 1, 0x41, 1, 0x6a, End)},
		{Name: "parameter-of-externref", Bytes: swap(1, 1, 0x60, 1, 0x6f, 0)},
		{Name: "struct-type", Bytes: swap(1, 1, 0x5f, 0)},
		{Name: "array-type", Bytes: swap(1, 1, 0x5e, 0x7f, 0)},
		{Name: "recursive-type", Bytes: swap(1, 1, 0x4e, 1, 0x60, 0, 0)},
		{Name: "tag-section", Bytes: with(func(m *Module) { m.Behind = map[byte][]byte{5: Section(13, Op(1, 0, 0))} })},
		{Name: "passive-data", Bytes: swap(11, 1, 1, 0)},
		{Name: "data-with-memory-index", Bytes: swap(11, 1, 2, 0, 0x41, 0, End, 0)},
		{Name: "local-of-funcref", Bytes: with(func(m *Module) { m.Func("_initialize").Body = Op(1, 1, 0x70, End) })},
		{Name: "block-of-funcref", Bytes: code(0x02, 0x70, 0xd0, 0x70, End, Drop)},
		{Name: "typed-select", Bytes: code(0x41, 0, 0x41, 0, 0x41, 0, 0x1c, 1, 0x7f, Drop)},
		{Name: "relaxed-madd", Bytes: instead("_initialize", zero, zero, zero, Op(0xfd, 0x85, 0x02, Drop))},
		{Name: "relaxed-swizzle", Bytes: instead("_initialize", zero, zero, Op(0xfd, 0x80, 0x02, Drop))},
		// Read by its first byte alone, the first one is a constant and 16 bytes
		// later there is other code than a strict reader sees.
		{Name: "padded-vector-number", Bytes: instead("_initialize", Op(0xfd, 0x8c, 0x00), make([]byte, 16), Op(Drop))},
		{Name: "padded-vector-number-of-5-bytes", Bytes: instead("_initialize", zero, zero, Op(0xfd, 0xae, 0x81, 0x80, 0x80, 0x00, Drop))},
	}
	for _, kind := range []byte{1, 2, 3, 4, 5, 6, 7} {
		list = append(list, Attack{Name: fmt.Sprintf("element-kind-%d", kind), Bytes: with(func(m *Module) {
			m.Table, m.Swap = 1, map[byte][]byte{9: Join(Op(1, kind), I32(0), Op(End, 0, 0))}
		})})
	}
	for name, op := range map[string][]byte{
		"return-call": {0x12, 0}, "return-call-indirect": {0x13, 0, 0}, "call-ref": {0x14, 0}, "return-call-ref": {0x15, 0},
		"try": {0x06, 0x40, End}, "catch": {0x07, 0}, "throw": {0x08, 0}, "rethrow": {0x09, 0}, "throw-ref": {0x0a}, "delegate": {0x18, 0}, "catch-all": {0x19}, "try-table": {0x1f, 0x40, 0, End},
		"ref-null": {0xd0, 0x70, Drop}, "ref-is-null": {0xd1}, "ref-func": {0xd2, 0, Drop}, "ref-eq": {0xd3}, "br-on-null": {0xd5, 0}, "atomic-fence": {0xfe, 3, 0}, "atomic-add": {0xfe, 0x1e, 2, 0},
		"struct-new": {0xfb, 0, 0}, "i31": {0xfb, 28}, "wide-arithmetic": {0xfc, 19}, "unassigned-16": {0x16}, "unassigned-27": {0x27}, "unassigned-c5": {0xc5}, "unassigned-ff": {0xff},
		"unassigned-vector-154": {0xfd, 154, 1}, "unassigned-vector-165": {0xfd, 165, 1},
	} {
		list = append(list, Attack{Name: name, Bytes: code(op...)})
	}
	return refused(yield, numbered("W20", list)...)
}

// zero is a vector of zeros.
var zero = Join(Op(0xfd, 12), make([]byte, 16))
