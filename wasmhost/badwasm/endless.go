package badwasm

import "fmt"

// stages are the exports that can run on.
var stages = []string{"_initialize", "kl_abi", "kl_describe", "kl_alloc", "kl_state_size", "kl_init", "kl_update", "kl_update_batch"}

// endless are W30 to W32: code that does not end, in every place.
func endless(yield func(Attack) bool) bool {
	var list []Attack
	work := Join(Op(0x23, 0), I32(1), Op(0x6a), Op(0x24, 0))
	for _, at := range stages {
		list = append(list,
			Attack{Row: "W30", Name: "loop-in-" + at, Bytes: before(at, Forever()), Want: Fuel, Export: at},
			Attack{Row: "W30", Name: "loop-with-work-in-" + at, Bytes: before(at, Forever(work)), Want: Fuel, Export: at})
	}
	list = append(list,
		Attack{Row: "W30", Name: "loop-in-start", Bytes: started(Forever()), Want: Fuel, Export: "start"},
		Attack{Row: "W30", Name: "loop-with-work-in-start", Bytes: started(Forever(work)), Want: Fuel, Export: "start"},
		Attack{Row: "W30", Name: "nested-loops", Bytes: before("kl_update", Loop(Loop(Loop(Br(2))))), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W30", Name: "loop-by-branch-table", Bytes: before("kl_update", Loop(I32(7), Op(0x0e, 2, 0, 0, 0))), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W30", Name: "loop-by-condition", Bytes: before("kl_update", Loop(I32(1), BrIf(0))), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W30", Name: "loop-with-values", Bytes: with(func(m *Module) {
			m.Types = []Type{{"i", "i"}}
			f := m.Func("kl_update")
			f.Code = Join(I32(0), Op(0x03, 0, 0x0c, 0, End, Drop), f.Code)
		}), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W31", Name: "fill-loop", Bytes: before("kl_update", Forever(I32(0), I32(0), I32(4<<16), Op(0xfc, 11, 0))), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W31", Name: "copy-loop", Bytes: before("kl_update", Forever(I32(0), I32(65536), I32(2<<16), Op(0xfc, 10, 0, 0))), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W31", Name: "straight-fills", Bytes: before("kl_update", Repeat(4000, Join(I32(0), I32(0), I32(2<<16), Op(0xfc, 11, 0))...)), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W31", Name: "straight-copies", Bytes: before("kl_update", Repeat(4000, Join(I32(0), I32(9), I32(2<<16), Op(0xfc, 10, 0, 0))...)), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W31", Name: "fill-that-asks-for-4G", Bytes: before("kl_update", I32(0), I32(0), I32(-1), Op(0xfc, 11, 0)), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W32", Name: "2^36-calls", Bytes: with(func(m *Module) {
			first := tower(m, 36, false)
			m.Func("kl_update").Code = Join(Call(first), I32(1))
		}), Want: Fuel, Export: "kl_update"},
		Attack{Row: "W32", Name: "2^36-calls-through-the-table", Bytes: with(func(m *Module) {
			first := tower(m, 36, true)
			m.Func("kl_update").Code = Join(Call(first), I32(1))
		}), Want: Fuel, Export: "kl_update"},
	)
	for i := range list {
		list[i].Name = list[i].Row + "-" + list[i].Name
	}
	return refused(yield, list...)
}

// started is an indicator with a start function.
func started(code ...[]byte) []byte {
	return with(func(m *Module) {
		m.Funcs = append(m.Funcs, Func{Code: Join(code...)})
		m.Start = len(m.Funcs)
	})
}

// tower adds functions of which each calls the next twice, and returns the
// first of them.
func tower(m *Module, height int, indirect bool) uint32 {
	first := uint32(len(m.Funcs))
	for i := range uint32(height) {
		twice := Repeat(2, Call(first+i+1)...)
		if indirect {
			m.Types = []Type{{"", ""}}
			twice = Repeat(2, Join(I32(int32(first+i+1)), Op(0x11, 0, 0))...)
		}
		m.Funcs = append(m.Funcs, Func{Code: twice})
	}
	m.Funcs = append(m.Funcs, Func{})
	if indirect {
		m.Table = len(m.Funcs)
		for i := range m.Funcs {
			m.Elements = append(m.Elements, uint32(i))
		}
	}
	return first
}

// deep are W33: recursion with frames of every size.
func deep(yield func(Attack) bool) bool {
	var list []Attack
	add := func(name string, change func(m *Module, self uint32) Func) {
		list = append(list, Attack{Row: "W33", Name: "W33-" + name, Want: Stack, Export: "kl_update", Bytes: with(func(m *Module) {
			self := uint32(len(m.Funcs))
			m.Funcs = append(m.Funcs, change(m, self))
			m.Func("kl_update").Code = Join(I32(0), Call(self))
		})})
	}
	one := func(code ...[]byte) Func { return Func{Params: "i", Results: "i", Code: Join(code...)} }
	add("narrow", func(_ *Module, self uint32) Func {
		return one(Get(0), I32(1), Op(0x6a), Call(self), I32(1), Op(0x6a))
	})
	for _, n := range []int{100, 2000} {
		add(fmt.Sprintf("%d-i64", n), func(_ *Module, self uint32) Func { return one(wide(n, self, false)) })
		add(fmt.Sprintf("%d-v128", n), func(_ *Module, self uint32) Func { return one(wide(n, self, true)) })
	}
	add("mutual", func(m *Module, self uint32) Func {
		m.Funcs = append(m.Funcs, one(Get(0), Call(self+1)))
		return one(Get(0), Call(self))
	})
	add("through-the-table", func(m *Module, self uint32) Func {
		m.Table, m.Elements, m.Types = 1, []uint32{self}, []Type{{"i", "i"}}
		return one(Get(0), I32(0), Op(0x11, 0, 0))
	})
	add("512-locals", func(_ *Module, self uint32) Func {
		f := one(Each(512, func(i int) []byte { return Join(I32(8), Load(0x29, uint32(i*8)), Set(uint32(i+1))) }), Get(0), Call(self),
			Each(512, func(i int) []byte { return Join(I32(8), Get(uint32(i+1)), Store(0x37, uint32(i*8))) }))
		f.Locals = string(Repeat(512, 'l'))
		return f
	})
	return refused(yield, list...)
}

// wide is recursion with n loaded values alive across the call.
func wide(n int, self uint32, vector bool) []byte {
	load, add, end := Op(0x29, 0), Op(0x7c), Op(0xa7)
	if vector {
		load, add, end = Op(0xfd, 0, 0), Op(0xfd, 0xce, 1), Op(0xfd, 0x1b, 0)
	}
	return Join(Each(n, func(i int) []byte { return Join(I32(8), load, U32(uint32(i*16%60000))) }), Get(0), Call(self), Op(Drop), Repeat(n-1, add...), end)
}
