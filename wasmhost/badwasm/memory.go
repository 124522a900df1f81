package badwasm

// memory is W36 and W46: growing, and an allocator without memory.
func memory(yield func(Attack) bool) bool {
	grow := func(pages int32) []byte { return Join(I32(pages), Op(0x40, 0)) }
	if !refused(yield, numbered("W36", []Attack{
		{Name: "grow-loop", Bytes: before("kl_update", Forever(grow(1), Op(Drop))), Want: Fuel, Export: "kl_update"},
		{Name: "grow-by-nothing-loop", Bytes: before("kl_update", Forever(grow(0), Op(Drop))), Want: Fuel, Export: "kl_update"},
		{Name: "grow-60000", Bytes: before("kl_init", grow(60_000), Op(Drop)), Want: Fuel, Export: "kl_init"},
		{Name: "grow-by-4G", Bytes: before("kl_update", grow(-1), Op(Drop)), Want: Fuel, Export: "kl_update"},
		{Name: "grow-beyond-the-maximum-is-refused", Bytes: before("kl_init", grow(2_000), I32(-1), Op(0x47), If(Op(Unreachable))), Want: Harmless, Export: "kl_init"},
		{Name: "grow-in-start", Bytes: started(Forever(grow(1), Op(Drop))), Want: Fuel, Export: "start"},
	})...) {
		return false
	}
	return refused(yield, numbered("W46", []Attack{
		{Name: "alloc-traps", Bytes: instead("kl_alloc", Op(Unreachable)), Want: Trap, Export: "kl_alloc"},
		{Name: "alloc-has-nothing", Bytes: instead("kl_alloc", I32(0)), Want: Broken, Export: "kl_alloc"},
	})...)
}

// traps are W37: one of each kind of trap, in an update.
func traps(yield func(Attack) bool) bool {
	list := []Attack{}
	for name, code := range map[string][]byte{
		"unreachable":         Op(Unreachable),
		"division-by-zero":    Join(I32(1), I32(0), Op(0x6d, Drop)),
		"remainder-by-zero":   Join(I64(1), I64(0), Op(0x82, Drop)),
		"overflow":            Join(I32(-1<<31), I32(-1), Op(0x6d, Drop)),
		"truncation-of-nan":   Join(F64(0), F64(0), Op(0xa3, 0xaa, Drop)),
		"truncation-of-1e300": Join(F64(1e300), Op(0xb0, Drop)),
		"load-outside":        Join(I32(-1), Load(0x28, 0), Op(Drop)),
		"load-offset-outside": Join(I32(1), Load(0x28, 1<<32-1), Op(Drop)),
		"store-outside":       Join(I32(-8), F64(0), Store(0x39, 0)),
		"vector-outside":      Join(I32(-8), Op(0xfd, 0, 0, 0, Drop)),
		"fill-outside":        Join(I32(-8), I32(0), I32(16), Op(0xfc, 11, 0)),
		"copy-outside":        Join(I32(0), I32(-8), I32(16), Op(0xfc, 10, 0, 0)),
	} {
		list = append(list, Attack{Name: name, Want: Trap, Export: "kl_update", Bytes: before("kl_update", code)})
	}
	table := func(code ...[]byte) []byte {
		return with(func(m *Module) {
			m.Table, m.Elements, m.Types = 4, []uint32{0}, []Type{{"", ""}, {"i", "i"}}
			f := m.Func("kl_update")
			f.Code = Join(Join(code...), f.Code)
		})
	}
	list = append(list,
		Attack{Name: "indirect-call-of-another-type", Want: Trap, Export: "kl_update", Bytes: table(I32(0), I32(0), Op(0x11, 1, 0, Drop))},
		Attack{Name: "indirect-call-of-nothing", Want: Trap, Export: "kl_update", Bytes: table(I32(1), Op(0x11, 0, 0))},
		Attack{Name: "indirect-call-outside", Want: Trap, Export: "kl_update", Bytes: table(I32(99), Op(0x11, 0, 0))},
		Attack{Name: "data-outside", Want: Trap, Export: "start", Bytes: with(func(m *Module) { m.Data = append(m.Data, Data{-4, []byte("12345678")}) })},
	)
	return refused(yield, numbered("W37", list)...)
}
