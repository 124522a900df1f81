package badwasm

import "fmt"

// counters are W21: attempts to own or reach what the guard appends.
func counters(yield func(Attack) bool) bool {
	list := []Attack{
		{Name: "export-of-fuel", Bytes: with(func(m *Module) { m.Exports = []Export{{"__kl_fuel", 3, 0}} }), Code: "export_not_allowed"},
		{Name: "export-of-stack", Bytes: with(func(m *Module) { m.Exports = []Export{{"__kl_stack", 3, 0}} }), Code: "export_not_allowed"},
		{Name: "export-with-the-prefix", Bytes: with(func(m *Module) { m.Exports = []Export{{"__kl_x", 0, 1}} }), Code: "export_not_allowed"},
		{Name: "function-named-fuel", Bytes: with(func(m *Module) { m.Exports = []Export{{"__kl_fuel", 0, 1}} }), Code: "export_not_allowed"},
		// The last item only begins here, and what is appended would be its end.
		{Name: "export-that-swallows", Bytes: with(func(m *Module) { m.Tail = map[byte][]byte{7: Name("\x09__kl_fuel")} })},
		{Name: "export-count-that-swallows", Bytes: with(swallowExport)},
		{Name: "global-that-swallows", Bytes: with(func(m *Module) {
			m.Swap = map[byte][]byte{6: Join(Op(2, 0x7f, 1), I32(heapAt), Op(End, 0x7e, 1, 0x42))}
		})},
		{Name: "global-behind-the-count", Bytes: with(func(m *Module) { m.Tail = map[byte][]byte{6: Join(Op(0x7e, 1), I64(1<<40), Op(End))} })},
	}
	for id, name := range map[byte]string{1: "type", 3: "function", 4: "table", 5: "memory", 6: "global", 7: "export", 8: "start", 9: "element", 10: "code", 11: "data", 12: "data-count"} {
		list = append(list, Attack{Name: "trailing-byte-in-" + name, Bytes: with(func(m *Module) {
			m.Table, m.Elements, m.Start, m.Tail = 1, []uint32{0}, 1, map[byte][]byte{id: {0}}
		}), Code: "malformed_section"})
	}
	if !refused(yield, numbered("W21", list)...) {
		return false
	}
	return refused(yield, numbered("W21b", appended())...)
}

// swallowExport announces one export more than there is, whose name has the
// length of what will follow.
func swallowExport(m *Module) {
	body := m.sections()[7]
	m.Swap = map[byte][]byte{7: Join(Op(body[0]+1), body[1:], Op(11))}
}

// appended names entities that only exist after the rewriting.
func appended() []Attack {
	m := Indicator()
	funcs, globals := uint32(len(m.Funcs)), uint32(len(m.Globals))
	var list []Attack
	add := func(name string, bytes []byte) {
		list = append(list, Attack{Name: name, Bytes: bytes, Code: "index_out_of_range"})
	}
	for i := range uint32(2) {
		add(fmt.Sprintf("global-get-%d", i), before("kl_update", GlobalGet(globals+i), Op(Drop)))
		add(fmt.Sprintf("global-set-%d", i), before("kl_update", I64(1<<60), GlobalSet(globals+i)))
		add(fmt.Sprintf("export-global-%d", i), with(func(m *Module) { m.Exports = []Export{{"mine", 3, globals + i}} }))
		// The type section has as many types as there are distinct functions.
		types := uint32(m.sections()[1][0])
		add(fmt.Sprintf("block-type-%d", i), before("kl_update", Op(0x02), S64(int64(types+i)), Op(End)))
		add(fmt.Sprintf("call-indirect-type-%d", i), with(func(m *Module) {
			m.Table = 1
			f := m.Func("kl_update")
			f.Code = Join(I32(0), Op(0x11), U32(types+i), Op(0), f.Code)
		}))
		add(fmt.Sprintf("function-type-%d", i), with(func(m *Module) {
			m.Swap = map[byte][]byte{3: Join(U32(funcs), Repeat(int(funcs), byte(types+i)))}
		}))
	}
	for i := range uint32(3) {
		add(fmt.Sprintf("call-shim-%d", i), before("kl_update", I32(1), Call(funcs+i), Op(Drop)))
		add(fmt.Sprintf("export-shim-%d", i), with(func(m *Module) { m.Exports = []Export{{"mine", 0, funcs + i}} }))
		add(fmt.Sprintf("element-shim-%d", i), with(func(m *Module) { m.Table, m.Elements = 1, []uint32{funcs + i} }))
		add(fmt.Sprintf("start-shim-%d", i), with(func(m *Module) { m.Start = int(funcs+i) + 1 }))
	}
	for _, op := range []byte{0x20, 0x21, 0x22} {
		add(fmt.Sprintf("local-%#x", op), before("kl_update", I32(0), Op(op), U32(4), Op(Drop)))
	}
	add("label", before("kl_update", Br(2)))
	add("label-of-a-table", before("kl_update", I32(0), Op(0x0e, 1, 0, 9)))
	add("second-table", with(func(m *Module) { m.Table = 1; m.Func("_initialize").Code = Join(I32(0), Op(0x11, 0, 1)) }))
	add("table-that-is-not-there", before("_initialize", I32(0), Op(0x11, 0, 0)))
	add("element-without-table", with(func(m *Module) { m.Elements = []uint32{0} }))
	return list
}
