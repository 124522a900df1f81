package badwasm

// heavy are W04 to W15: modules that are valid and small, and cost a compiler
// seconds and gigabytes.
func heavy(yield func(Attack) bool) bool {
	code := func(n int, locals int, code []byte) []byte {
		return with(func(m *Module) {
			for range n {
				m.Funcs = append(m.Funcs, Func{Locals: string(Repeat(locals, 'l')), Code: code})
			}
		})
	}
	nested := func(n int) []byte { return Join(Repeat(n, 0x02, 0x40), Repeat(n, End)) }
	tables := func(n, targets int) []byte {
		return Each(n, func(int) []byte { return Block(I32(0), Op(0x0e), U32(uint32(targets)), Repeat(targets+1, 0)) })
	}
	list := []Attack{
		{Row: "W04", Name: "branch-table-of-1M", Bytes: code(1, 0, tables(1, 1_000_000))},
		{Row: "W04", Name: "type-of-1M-parameters", Bytes: with(func(m *Module) { m.Types = []Type{{string(Repeat(1_000_000, 'i')), ""}} })},
		{Row: "W04", Name: "100k-nested-blocks", Bytes: code(1, 0, nested(100_000))},
		{Row: "W05", Name: "8000-loops-x-2000-locals", Bytes: code(1, 2000, loops(8000, 2000))},
		{Row: "W05", Name: "8000-loops-x-500-locals", Bytes: code(1, 500, loops(8000, 500))},
		{Row: "W06", Name: "60000-nested-blocks", Bytes: code(1, 0, nested(60_000))},
		{Row: "W06", Name: "1025-nested-blocks", Bytes: code(1, 0, nested(1025))},
		{Row: "W07", Name: "1000-branch-tables-of-1000", Bytes: code(1, 0, tables(1000, 1000))},
		{Row: "W07", Name: "500-functions-with-2-of-1000", Bytes: code(500, 0, tables(2, 1000))},
		{Row: "W08", Name: "1000-functions-x-50000-locals", Bytes: with(func(m *Module) {
			for range 1000 {
				m.Funcs = append(m.Funcs, Func{Body: Join(Op(1), U32(50_000), Op(0x7e, End))})
			}
		})},
		{Row: "W09", Name: "4000-loops-x-500-locals", Bytes: code(1, 500, loops(4000, 500))},
		{Row: "W09", Name: "2000-loops-x-200-locals", Bytes: code(1, 200, loops(2000, 200))},
		{Row: "W09", Name: "257-loops", Bytes: code(1, 1, loops(257, 1))},
		{Row: "W10", Name: "20k-ifs-x-100-locals", Bytes: code(1, 100, ifs(20_000, 100))},
		{Row: "W10", Name: "8k-ifs-x-100-locals", Bytes: code(1, 100, ifs(8_000, 100))},
		{Row: "W10", Name: "4800-ifs-x-256-locals", Bytes: code(1, 256, ifs(4_800, 256))},
		{Row: "W11", Name: "2400-ifs-x-256-locals", Bytes: code(1, 256, ifs(2_400, 256))},
		{Row: "W11", Name: "5000-nested-loops-x-1000-locals", Bytes: code(1, 1000, Join(Repeat(5000, 0x03, 0x40), Repeat(5000, End)))},
		{Row: "W11", Name: "1000-loops-x-1000-locals", Bytes: code(1, 1000, loops(1000, 1000))},
		{Row: "W12", Name: "1M-empty-functions", Bytes: code(1_000_000, 0, nil)},
		{Row: "W12", Name: "100k-empty-functions", Bytes: code(100_000, 0, nil)},
		{Row: "W13", Name: "straight-line-of-1MB", Bytes: code(1, 1, straight(1<<20))},
		{Row: "W13", Name: "straight-line-of-4MB", Bytes: code(1, 1, straight(4<<20))},
		{Row: "W13", Name: "straight-line-of-60KB", Bytes: code(1, 1, straight(60<<10)), Want: Harmless, Export: "kl_update"},
		{Row: "W14", Name: "100-functions-x-512-ifs-x-256-locals", Bytes: code(100, 256, ifs(512, 256))},
		{Row: "W15", Name: "1000-x-256-loops-x-2-locals", Bytes: code(1000, 2, loops(256, 2))},
		{Row: "W15", Name: "8-x-2000-ifs-that-return", Bytes: code(8, 1, Repeat(2000, Join(Get(0), Op(0xa7), If(Op(Return)))...))},
		{Row: "W15", Name: "150-x-2000-ifs", Bytes: code(150, 1, ifs(2000, 1))},
		{Row: "W15", Name: "100-x-2000-loops-x-50-locals", Bytes: code(100, 50, loops(2000, 50))},
		{Row: "W15", Name: "200-x-1024-ifs-x-10-locals", Bytes: code(200, 10, ifs(1024, 10))},
	}
	list = append(list, heavyOperands()...)
	for _, d := range densest() {
		if bytes, tooMuch := d.full(); tooMuch {
			list = append(list, Attack{Row: "W13", Name: "4MB-of-" + d.name, Bytes: bytes})
		}
	}
	for i := range list {
		list[i].Name = list[i].Row + "-" + list[i].Name
	}
	return refused(yield, list...)
}

// heavyOperands are W15 too: the work is not in locals but in operands, which
// two bytes of code can make 16 of.
func heavyOperands() []Attack {
	results := string(Repeat(16, 'l'))
	giver := func(m *Module) uint32 {
		m.Funcs = append(m.Funcs, Func{Results: results, Code: Each(16, func(i int) []byte { return I64(int64(i)) })})
		return uint32(len(m.Funcs) - 1)
	}
	taker := func(m *Module) uint32 {
		m.Funcs = append(m.Funcs, Func{Params: string(Repeat(64, 'l'))})
		return uint32(len(m.Funcs) - 1)
	}
	return []Attack{
		{Row: "W15", Name: "operands-alive-over-1000-ifs", Bytes: with(func(m *Module) {
			call := Call(giver(m))
			m.Funcs = append(m.Funcs, Func{Code: Join(Repeat(500, call...), Repeat(1000, Join(I32(0), If())...), Repeat(8000, Drop))})
		})},
		{Row: "W15", Name: "calls-that-carry-80-values", Bytes: with(func(m *Module) {
			four, take := Repeat(4, Call(giver(m))...), Call(taker(m))
			for range 40 {
				m.Funcs = append(m.Funcs, Func{Code: Repeat(4_500, Join(four, take)...)})
			}
		})},
		{Row: "W15", Name: "calls-x-250-mutable-globals", Bytes: with(func(m *Module) {
			for range 250 {
				m.Globals = append(m.Globals, Global{'l', true, I64(0)})
			}
			for range 10 {
				m.Funcs = append(m.Funcs, Func{Code: Repeat(30_000, Call(0)...)})
			}
		})},
		{Row: "W15", Name: "blocks-that-carry-64-values", Bytes: with(func(m *Module) {
			all := string(Repeat(16, 'l'))
			m.Types = []Type{{all, all}}
			m.Funcs = append(m.Funcs, Func{Code: Join(Call(giver(m)), Repeat(15_000, 0x02, 0, End), Repeat(16, Drop))})
		})},
	}
}

// loops has n loops, each with a turn that changes another local.
func loops(n, locals int) []byte {
	return Each(n, func(i int) []byte {
		a, b := uint32(i%locals), uint32((i+1)%locals)
		return Loop(Get(b), I64(1), Op(0x7c), Set(a), Get(a), Op(0xa7), BrIf(0))
	})
}

// ifs has n branches, each of which changes another local.
func ifs(n, locals int) []byte {
	return Each(n, func(i int) []byte {
		a, b := uint32(i%locals), uint32((i+1)%locals)
		return Join(Get(a), Op(0xa7), If(Get(b), I64(1), Op(0x7c), Set(a)))
	})
}

// straight is code of about n bytes without a branch.
func straight(n int) []byte {
	unit := Join(Get(0), I64(3), Op(0x7e), I64(1), Op(0x7c), Set(0))
	return Repeat(n/len(unit), unit...)
}
