package badwasm

// dense is straight code of one instruction that becomes many: no branch, no
// loop, and seconds of a compiler in 4 MB.
type dense struct {
	name             string
	f                Func
	head, unit, tail []byte
	work             int // of a unit, as the limits count it
	helper           Func
}

// densest are the instructions that were found to cost most.
func densest() []dense {
	sixteen, many := string(Repeat(16, 'l')), string(Repeat(64, 'l'))
	giver := Func{Results: sixteen, Code: Repeat(16, I64(7)...)}
	get, set := Get(0), Set(0)
	return []dense{
		{"truncations", Func{Locals: "d"}, get, Op(0xb1, 0xba), set, 41, Func{}},
		{"truncations-of-f32", Func{Locals: "f"}, get, Op(0xae, 0xb4), set, 41, Func{}},
		{"indirect-calls", Func{}, nil, Join(I32(0), Op(0x11, 1, 0)), nil, 85, Func{}},
		{"divisions", Func{Params: "l"}, get, Join(get, Op(0x7f)), set, 13, Func{}},
		{"chained-loads", Func{Locals: "i"}, nil, Join(get, Op(0x28, 0, 0), set), nil, 26, Func{}},
		{"loads-of-other-offsets", Func{Locals: "i"}, nil, Join(get, Op(0x28, 0, 0x80, 0x80, 1), set), nil, 26, Func{}},
		{"chained-vector-loads", Func{Locals: "i"}, nil, Join(get, Op(0xfd, 0, 0, 0, 0xfd, 27, 0), set), nil, 27, Func{}},
		{"calls", Func{}, nil, Call(0), nil, 9, Func{}},
		{"calls-that-give-16", Func{Locals: "l"}, nil, Join(Call(0), Repeat(15, 0x7c), set), nil, 73, giver},
		{"calls-that-take-64", Func{Params: "l"}, nil, Join(Repeat(64, get...), Call(0)), nil, 265, Func{Params: many}},
		{"growing", Func{Locals: "i"}, get, Op(0x40, 0), set, 9, Func{}},
		{"fills", Func{Params: "i"}, nil, Join(get, get, get, Op(0xfc, 11, 0)), nil, 12, Func{}},
		{"constants", Func{Locals: "l"}, I64(1), Join(Op(0x42, 0x80, 1), Op(0x7c)), set, 2, Func{}},
		{"float-minima", Func{Params: "d"}, get, Join(get, Op(0xa4)), set, 2, Func{}},
		{"vector-shifts", Func{Locals: "v"}, get, Join(I32(3), Op(0xfd, 108)), set, 2, Func{}},
		{"vector-truncations", Func{Locals: "v"}, get, Op(0xfd, 0xfd, 1), set, 1, Func{}},
	}
}

// copies has n functions with k units each.
func (d dense) copies(n, k int) []byte {
	return with(func(m *Module) {
		m.Types = []Type{{d.helper.Params, d.helper.Results}, {"", ""}}
		m.Table, m.Elements = 1, []uint32{0}
		m.Memory = [2]uint32{4, 0}
		m.Globals = append(m.Globals, Global{'l', true, I64(0)})
		helper := uint32(len(m.Funcs))
		m.Funcs = append(m.Funcs, d.helper)
		f := d.f
		f.Code = Join(d.head, Repeat(k, d.bound(helper)...), d.tail)
		for range n {
			m.Funcs = append(m.Funcs, f)
		}
	})
}

// bound is the unit with its calls to function 0 led to the helper.
func (d dense) bound(helper uint32) []byte {
	n := len(d.unit)
	for i := 0; i+1 < n; i++ {
		if d.unit[i] == 0x10 && d.unit[i+1] == 0 {
			return Join(d.unit[:i], Call(helper), d.unit[i+2:])
		}
	}
	return d.unit
}

// full is as many units as fit into the bytes of a module, in bodies of
// nearly 64 KiB, if that is more than the sums allow.
func (d dense) full() ([]byte, bool) {
	const bodies = 58
	k := 65_000 / (len(d.unit) + 1)
	return d.copies(bodies, k), bodies*k*d.work > 8_000_000
}

// atLimit is as many units as the sums of compile work allow.
func (d dense) atLimit() []byte {
	k := min(260_000/d.work, 65_000/(len(d.unit)+1))
	return d.copies(min(7_900_000/(k*d.work), 60, 3_900), k)
}
