package badwasm

import "fmt"

// bombs are W02 and W03: counts that promise far more than follows. A reader
// that allocates before it looks is dead.
func bombs(yield func(Attack) bool) bool {
	for _, n := range []uint32{1<<27 - 1, 1<<31 - 1, 1<<32 - 1} {
		var list []Attack
		for name, bytes := range countBombs(n) {
			list = append(list, Attack{Name: fmt.Sprintf("%s-%d", name, n), Bytes: bytes})
		}
		// The name section is dropped unread: the module behind it is harmless.
		list = append(list, Attack{
			Name: fmt.Sprintf("name-section-%d", n), Want: Harmless, Export: "kl_update",
			Bytes: Join([]byte(Header), Section(0, Name("name"), Op(1, 5), U32(n)), Indicator().Bytes()[len(Header):]),
		})
		if !refused(yield, numbered("W02", list)...) {
			return false
		}
	}
	return refused(yield, localBombs()...)
}

// countBombs has one module for every count and length of the format.
func countBombs(n uint32) map[string][]byte {
	out := map[string][]byte{
		// 18 bytes that made a runtime ask for 481 GB
		"bare-imports": Join([]byte(Header), Section(2, U32(n), Op(0, 0, 0))),
		"section-size": Join([]byte(Header), Op(1), U32(n), Op(0)),
		"custom-size":  Join([]byte(Header), Op(0), U32(n), Op(0)),
	}
	for id, name := range map[byte]string{
		1: "types", 2: "imports", 3: "functions", 4: "tables", 5: "memories", 6: "globals", 7: "exports", 8: "start", 9: "segments", 10: "codes", 11: "data", 12: "data-count",
	} {
		out[name] = with(func(m *Module) { m.Swap = map[byte][]byte{id: Join(U32(n), Op(0x60, 0, 0))} })
	}
	swap := func(id byte, body ...[]byte) []byte {
		return with(func(m *Module) { m.Table, m.Swap = 1, map[byte][]byte{id: Join(body...)} })
	}
	out["parameters"] = swap(1, Op(1, 0x60), U32(n), Op(0x7f))
	out["results"] = swap(1, Op(1, 0x60, 0), U32(n), Op(0x7f))
	out["module-name"] = swap(2, Op(1), U32(n), Op('a'))
	out["import-name"] = swap(2, Op(1), Name("a"), U32(n), Op('a'))
	out["export-name"] = swap(7, Op(1), U32(n), Op('a'))
	out["elements"] = swap(9, Op(1, 0), I32(0), Op(End), U32(n), Op(0))
	out["data-length"] = swap(11, Op(1, 0), I32(0), Op(End), U32(n), Op(0))
	out["body-size"] = swap(10, Op(8), U32(n), Op(0, End))
	body := func(code ...[]byte) []byte {
		return with(func(m *Module) { m.Func("kl_abi").Body = Join(code...) })
	}
	out["local-runs"] = body(U32(n), Op(1, 0x7f, End))
	out["branch-table"] = body(Op(0), I32(0), Op(0x0e), U32(n), Op(0, 0, End))
	out["select-types"] = body(Op(0), I32(0), I32(0), I32(0), Op(0x1c), U32(n), Op(0x7f, End))
	return out
}

// localBombs are W03: 29 bytes that ask for gigabytes of locals.
func localBombs() []Attack {
	body := func(runs ...[]byte) []byte {
		return with(func(m *Module) { m.Func("_initialize").Body = Join(Vector(runs...), Op(End)) })
	}
	run := func(n uint32) []byte { return Join(U32(n), Op(0x7e)) }
	return numbered("W03", []Attack{
		{Name: "4G", Bytes: body(run(1<<32 - 1))},
		{Name: "100M", Bytes: body(run(100_000_000))},
		{Name: "sum-wraps", Bytes: body(run(1<<32-1), run(2))},
		{Name: "sum-wraps-to-1", Bytes: body(run(1<<31), run(1<<31), run(1))},
		{Name: "513", Bytes: body(run(513))},
		{Name: "many-runs", Bytes: body(Repeat(513, 1, 0x7f)[:2], run(512))},
		{Name: "50000-empty-runs", Bytes: with(func(m *Module) {
			m.Func("_initialize").Body = Join(U32(50_000), Repeat(50_000, 0, 0x7f), Op(End))
		})},
	})
}
