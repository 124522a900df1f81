package badwasm

import "fmt"

// malformed are W22: sections and code that do not hold together.
func malformed(yield func(Attack) bool) bool {
	list := append(badSections(), badCode()...)
	return refused(yield, numbered("W22", list)...)
}

func badSections() []Attack {
	var list []Attack
	sections := Indicator().sections()
	present := []byte{1, 3, 5, 6, 7, 12, 10, 11}
	for i, id := range present {
		body := sections[id]
		list = append(list,
			Attack{Name: fmt.Sprintf("section-%d-twice", id), Code: "malformed_section", Bytes: with(func(m *Module) { m.Behind = map[byte][]byte{id: Section(id, body)} })},
			Attack{Name: fmt.Sprintf("section-%d-missing", id), Want: Refused, Bytes: with(func(m *Module) {
				m.Order = append(append([]byte(nil), present[:i]...), present[i+1:]...)
			})})
		if i > 0 {
			list = append(list, Attack{Name: fmt.Sprintf("section-%d-too-early", id), Bytes: with(func(m *Module) {
				m.Order = append([]byte(nil), present...)
				m.Order[i], m.Order[i-1] = m.Order[i-1], m.Order[i]
			})})
		}
	}
	// Globals and the count of data are not needed by everybody.
	for i := range list {
		if list[i].Name == "section-12-missing" {
			list[i].Want, list[i].Export = Harmless, "kl_update"
		}
	}
	for _, id := range []byte{13, 14, 0x60, 0x80, 0xff} {
		list = append(list, Attack{Name: fmt.Sprintf("section-%d-unknown", id), Bytes: Join(Indicator().Bytes(), Section(id))})
	}
	return append(list,
		Attack{Name: "code-without-functions", Bytes: with(func(m *Module) { m.Swap = map[byte][]byte{3: Op(0)} })},
		Attack{Name: "functions-without-code", Bytes: with(func(m *Module) { m.Swap = map[byte][]byte{10: Op(0)} })},
		Attack{Name: "one-code-more", Bytes: with(func(m *Module) { m.Swap = map[byte][]byte{10: Join(Op(9), Repeat(9, 2, 0, End))} })},
		Attack{Name: "data-count-of-other-number", Bytes: with(func(m *Module) { m.Swap = map[byte][]byte{12: Op(2)} })},
		Attack{Name: "export-twice", Code: "export_not_allowed", Bytes: with(func(m *Module) { m.Exports = []Export{{"kl_abi", 0, 1}} })},
		Attack{Name: "export-not-utf8", Bytes: with(func(m *Module) { m.Exports = []Export{{"\xff\xfe", 0, 1}} })},
		Attack{Name: "export-of-unknown-kind", Bytes: with(func(m *Module) { m.Exports = []Export{{"a", 4, 0}} })},
		Attack{Name: "memory-under-another-name", Bytes: with(func(m *Module) { m.Exports = []Export{{"mem", 2, 0}} })},
		Attack{Name: "memory-is-a-function", Bytes: with(func(m *Module) { m.NoMemory, m.Exports = true, []Export{{"memory", 0, 0}} })},
		Attack{Name: "kl_update-is-a-global", Code: "export_missing", Bytes: with(func(m *Module) {
			m.Func("kl_update").Export = ""
			m.Exports = []Export{{"kl_update", 3, 0}}
		})},
		Attack{Name: "kl_update-missing", Code: "export_missing", Bytes: with(func(m *Module) { m.Func("kl_update").Export = "kl_updates" })},
		Attack{Name: "kl_update-of-another-type", Code: "export_missing", Bytes: with(func(m *Module) { m.Func("kl_update").Export = ""; m.Func("kl_abi").Export = "kl_update" })},
		Attack{Name: "kl_update-is-an-import", Code: "export_not_allowed", Bytes: with(func(m *Module) {
			imports(m, "fd_write", "iiii", "i")
			m.Func("kl_update").Export = ""
			m.Exports = []Export{{"kl_update", 0, 0}}
		})},
		Attack{Name: "start-with-parameters", Bytes: with(func(m *Module) { m.Start = int(m.Index("kl_alloc")) + 1 })},
		Attack{Name: "global-of-another-type", Bytes: with(func(m *Module) { m.Globals[0].Init = I64(0) })},
		Attack{Name: "global-without-constant", Bytes: with(func(m *Module) { m.Globals[0].Init = nil })},
		Attack{Name: "global-of-mutability-2", Bytes: with(func(m *Module) { m.Swap = map[byte][]byte{6: Join(Op(1, 0x7f, 2), I32(0), Op(End))} })},
		Attack{Name: "elements-outside", Code: "index_out_of_range", Bytes: with(func(m *Module) {
			m.Table, m.Swap = 1, map[byte][]byte{9: Join(Op(1, 0), I32(-1), Op(End, 1, 0))}
		})},
		Attack{Name: "data-at-a-float", Bytes: with(func(m *Module) { m.Swap = map[byte][]byte{11: Join(Op(1, 0), F64(0), Op(End, 0)), 12: Op(1)} })},
	)
}

func badCode() []Attack {
	body := func(b ...byte) []byte {
		return with(func(m *Module) { m.Func("_initialize").Body = append([]byte{}, b...) })
	}
	list := []Attack{
		{Name: "no-end", Bytes: body(0, 1)},
		{Name: "empty-body", Bytes: body()},
		{Name: "body-of-one-byte", Bytes: body(0)},
		{Name: "end-too-many", Bytes: body(0, End, End)},
		{Name: "code-after-the-end", Bytes: body(0, End, 1, End)},
		{Name: "open-block", Bytes: body(0, 0x02, 0x40, End)},
		{Name: "else-alone", Bytes: body(0, 0x05, End)},
		{Name: "else-of-a-loop", Bytes: body(0, 0x03, 0x40, 0x05, End, End)},
		{Name: "else-twice", Bytes: body(0, 0x41, 0, 0x04, 0x40, 0x05, 0x05, End, End)},
		{Name: "if-with-result-without-else", Bytes: body(0, 0x41, 0, 0x04, 0x7f, 0x41, 0, End, Drop, End)},
		{Name: "operand-missing", Bytes: body(0, Drop, End)},
		{Name: "operand-of-the-outer-block", Bytes: body(0, 0x41, 0, 0x02, 0x40, Drop, End, End)},
		{Name: "operand-left", Bytes: body(0, 0x41, 0, End)},
		{Name: "operand-of-another-type", Bytes: body(0, 0x42, 0, 0x45, Drop, End)},
		{Name: "select-of-two-types", Bytes: body(0, 0x41, 0, 0x42, 0, 0x41, 0, 0x1b, Drop, End)},
		{Name: "branch-without-value", Bytes: body(0, 0x02, 0x7f, 0x0c, 0, End, Drop, End)},
		{Name: "branch-table-of-two-types", Bytes: body(0, 0x02, 0x40, 0x02, 0x7f, 0x41, 0, 0x41, 0, 0x0e, 1, 0, 1, End, Drop, End, End)},
		{Name: "set-of-a-constant-global", Bytes: with(func(m *Module) {
			m.Globals = append(m.Globals, Global{'i', false, I32(0)})
			m.Func("_initialize").Code = Join(I32(0), GlobalSet(1))
		})},
		{Name: "alignment-too-large", Bytes: body(0, 0x41, 0, 0x28, 3, 0, Drop, End)},
		{Name: "alignment-of-32", Bytes: body(0, 0x41, 0, 0x28, 32, 0, Drop, End)},
		{Name: "lane-too-large", Bytes: with(func(m *Module) { m.Func("_initialize").Code = Join(zero, Op(0xfd, 21, 16, Drop)) })},
		{Name: "shuffle-lane-too-large", Bytes: with(func(m *Module) { m.Func("_initialize").Code = Join(zero, zero, Op(0xfd, 13), Repeat(16, 32), Op(Drop)) })},
		{Name: "immediate-cut-off", Bytes: body(0, 0x44, 0, 0, 0)},
		{Name: "vector-cut-off", Bytes: body(0, 0xfd, 12, 0)},
		{Name: "prefix-cut-off", Bytes: body(0, 0xfd)},
		{Name: "u32-of-6-bytes", Bytes: body(0, 0x0c, 0x80, 0x80, 0x80, 0x80, 0x80, 0, End)},
		{Name: "u32-with-unused-bits", Bytes: body(0, 0x0c, 0x80, 0x80, 0x80, 0x80, 0x10, End)},
		{Name: "i32-of-6-bytes", Bytes: body(0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, Drop, End)},
		{Name: "i32-with-unused-bits", Bytes: body(0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x70, Drop, End)},
		{Name: "i64-with-unused-bits", Bytes: body(0, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02, Drop, End)},
		{Name: "block-type-padded", Bytes: body(0, 0x02, 0xc0, 0x7f, End, End)},
		{Name: "block-type-padded-index", Bytes: body(0, 0x02, 0x80, 0x00, End, End)},
		{Name: "bulk-memory-padded", Bytes: body(0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 10, 0x80, 0, 0, End)},
	}
	return list
}
