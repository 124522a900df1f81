package badwasm

import "fmt"

// limits are W16 and W17: modules at the limits, which must pass and compile
// in a bounded time, and modules far beyond them.
func limits(yield func(Attack) bool) bool {
	for _, shape := range AtLimits() {
		if !yield(Attack{Row: "W16", Name: "W16-" + shape.Name, Bytes: shape.Bytes, Want: Harmless, Export: "kl_update"}) {
			return false
		}
	}
	many := func(id byte, n int, item []byte) []byte {
		return with(func(m *Module) { m.Swap = map[byte][]byte{id: Join(U32(uint32(n)), Repeat(n, item...))} })
	}
	return refused(yield, numbered("W17", []Attack{
		{Name: "64MB-of-data", Bytes: with(func(m *Module) { m.Data = append(m.Data, Data{0, make([]byte, 64<<20)}) })},
		{Name: "4MB-and-1", Bytes: padded(4<<20 + 1)},
		{Name: "65536-pages", Bytes: with(func(m *Module) { m.Memory = [2]uint32{65_536, 0} })},
		{Name: "257-pages", Bytes: with(func(m *Module) { m.Memory = [2]uint32{257, 0} })},
		{Name: "maximum-of-65537-pages", Bytes: with(func(m *Module) { m.Memory = [2]uint32{1, 65_537} })},
		{Name: "maximum-below-minimum", Bytes: with(func(m *Module) { m.Memory = [2]uint32{4, 3} })},
		{Name: "table-of-100M", Bytes: with(func(m *Module) { m.Table = 100_000_000 })},
		{Name: "table-of-8193", Bytes: with(func(m *Module) { m.Table = 8193 })},
		{Name: "1M-exports", Bytes: many(7, 1_000_000, Join(Name("a"), Op(0, 0)))},
		{Name: "1M-globals", Bytes: many(6, 1_000_000, Join(Op(0x7f, 0), I32(0), Op(End)))},
		{Name: "257-types", Bytes: many(1, 257, Op(0x60, 0, 0))},
		{Name: "65-parameters", Bytes: with(func(m *Module) { m.Types = []Type{{string(Repeat(65, 'i')), ""}} })},
		{Name: "17-results", Bytes: with(func(m *Module) { m.Types = []Type{{"", string(Repeat(17, 'i'))}} })},
		{Name: "17-imports", Bytes: with(func(m *Module) {
			for range 17 {
				imports(m, "sched_yield", "", "i")
			}
		})},
		{Name: "65-segments", Bytes: with(func(m *Module) {
			m.Table, m.Swap = 8, map[byte][]byte{9: Join(U32(65), Repeat(65, Join(Op(0), I32(0), Op(End, 1, 0))...))}
		})},
		{Name: "50001-data-segments", Bytes: with(func(m *Module) { m.Data = make([]Data, 50_001) })},
		{Name: "name-of-129-bytes", Bytes: with(func(m *Module) { m.Exports = []Export{{string(Repeat(129, 'a')), 0, 0}} })},
		{Name: "body-of-64KB-and-1", Bytes: with(func(m *Module) { m.Func("_initialize").Code = Repeat(64<<10, 1) })},
	})...)
}

// padded is a conforming module of n bytes.
func padded(n int) []byte {
	whole := Indicator().Bytes()
	fill := n - len(whole) - 5 // id, 4 bytes of size; the first byte is a name of no bytes
	return Join(whole, Op(0), []byte{byte(fill)&0x7f | 0x80, byte(fill>>7)&0x7f | 0x80, byte(fill>>14)&0x7f | 0x80, byte(fill >> 21)}, make([]byte, fill))
}

// Shape is a module that fills the limits in one way.
type Shape struct {
	Name  string
	Bytes []byte
}

// AtLimits are modules that a guard with the catalogue's limits must pass, and
// that cost a compiler most.
func AtLimits() []Shape {
	list := []Shape{
		{"4MB", padded(4 << 20)},
		{"64KB-of-nops", with(func(m *Module) { m.Func("_initialize").Code = Repeat(64<<10-2, 1) })},
		{"512-locals", with(func(m *Module) { m.Func("_initialize").Locals = string(Repeat(512, 'l')) })},
		{"1023-nested-blocks", instead("_initialize", Repeat(1023, 0x02, 0x40), Repeat(1023, End))},
		{"3992-functions", with(func(m *Module) { m.Funcs = append(m.Funcs, make([]Func, 3992)...) })},
		{"table-of-8192", with(func(m *Module) { m.Table, m.Elements = 8192, make([]uint32, 8192) })},
		{"50000-data-segments", with(func(m *Module) { m.Data = append(m.Data, make([]Data, 49_999)...) })},
		{"255-globals", with(func(m *Module) {
			for range 255 {
				m.Globals = append(m.Globals, Global{'v', true, Join(Op(0xfd, 12), make([]byte, 16))})
			}
		})},
	}
	for _, locals := range []int{1, 4, 16, 48, 128} {
		for _, n := range []int{32, 128, 255} {
			list = append(list, filled(fmt.Sprintf("%d-loops-x-%d-locals", n, locals), 2*n, locals, loops(n, locals)))
		}
		for _, n := range []int{100, 500, 1900} {
			list = append(list, filled(fmt.Sprintf("%d-ifs-x-%d-locals", n, locals), n, locals, ifs(n, locals)))
		}
	}
	list = append(list, Shape{"2000-ifs-that-return", with(func(m *Module) {
		for range 2 {
			m.Funcs = append(m.Funcs, Func{Params: "i", Code: Repeat(1990, Join(Get(0), If(Op(Return)))...)})
		}
	})})
	for _, d := range densest() {
		list = append(list, Shape{"dense-" + d.name, d.atLimit()})
	}
	return list
}

// filled has as many copies of a function as the sums allow.
func filled(name string, control, locals int, code []byte) Shape {
	n := min(131_000/control, 31_900_000/(control*control), 1_990_000/(control*(locals+1)), 4_000_000/(len(code)+32), 3_900)
	if control*(locals+1) > 100_000 {
		n = 0
	}
	return Shape{name, with(func(m *Module) {
		for range n {
			m.Funcs = append(m.Funcs, Func{Locals: string(Repeat(locals, 'l')), Code: code})
		}
	})}
}
