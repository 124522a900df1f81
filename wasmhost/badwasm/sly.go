package badwasm

// sly are W34, W39, W43 to W45 and W49: modules that no reading of their bytes
// refuses. Those that are slow end by fuel; those that break the rules of
// state only show it when somebody looks, and have the verdict Vetted.
func sly(yield func(Attack) bool) bool {
	if !refused(yield, slow()...) {
		return false
	}
	return refused(yield, append(selfish(), later()...)...)
}

// slow are W34: endless chains of the slowest instructions.
func slow() []Attack {
	var list []Attack
	for name, c := range map[string]struct{ head, unit []byte }{
		"subnormal-products":  {F64(5e-310), Join(F64(1), Op(0xa2))},
		"subnormal-quotients": {F64(5e-310), Join(F64(1), Op(0xa3))},
		"roots":               {F64(1.7), Op(0x9f)},
		"divisions":           {I64(1<<63 - 1), Join(I64(3), Op(0x7f), I64(1), Op(0x84))},
		"truncations":         {F64(1e18), Op(0xb1, 0xba)},
		"pointers":            {I32(0), Op(0x28, 2, 0)},
		"vector-quotients":    {Join(F64(5e-310), Op(0xfd, 20)), Join(F64(1), Op(0xfd, 20), Op(0xfd, 0xf3, 1))},
	} {
		list = append(list, Attack{Name: name, Want: Fuel, Export: "kl_update", Bytes: before("kl_update", Forever(c.head, Repeat(500, c.unit...), Op(Drop)))})
	}
	return numbered("W34", list)
}

// selfish are W43 to W45: state where none may be, and answers that depend on
// more than state and bar.
func selfish() []Attack {
	count := Join(GlobalGet(1), F64(1), Op(0xa0), GlobalSet(1))
	counter := func(code ...[]byte) []byte {
		return with(func(m *Module) {
			m.Globals = append(m.Globals, Global{'d', true, F64(0)})
			f := m.Func("kl_update")
			f.Code = Join(count, Join(code...), f.Code)
		})
	}
	imported := func(name, params string, args []byte, at uint32) []byte {
		return with(func(m *Module) {
			imports(m, name, params, "i")
			f := m.Func("kl_update")
			f.Code = Join(args, Call(0), Op(Drop), Get(1), Get(1), Load(0x2b, 0), I32(int32(at)), Load(0x31, 0), Op(0xba, 0xa0), Store(0x39, 0), f.Code)
		})
	}
	vetted := func(row string, list ...Attack) []Attack {
		for i := range list {
			list[i].Want, list[i].Export = Vetted, "kl_update"
		}
		return numbered(row, list)
	}
	out := vetted("W43",
		Attack{Name: "state-in-a-global", Bytes: counter(Get(1), GlobalGet(1), Store(0x39, 8))},
		Attack{Name: "sum-in-a-global", Bytes: counter(Get(3), GlobalGet(1), Store(0x39, 0), I32(1), Op(Return))},
		Attack{Name: "pointer-in-the-state", Bytes: before("kl_update", Get(1), Get(1), Store(0x36, 8))},
		Attack{Name: "byte-behind-the-slot", Bytes: before("kl_update", Get(1), I32(1), Store(0x3a, 16))},
		Attack{Name: "byte-before-the-slot", Bytes: before("kl_update", Get(1), I32(1), Op(0x6b), I32(1), Store(0x3a, 0))},
		Attack{Name: "number-behind-the-row", Bytes: before("kl_update", Get(3), F64(7), Store(0x39, 8))},
		Attack{Name: "writes-to-the-bar", Bytes: before("kl_update", Get(2), F64(7), Store(0x39, 32))},
		Attack{Name: "state-half-initialised", Bytes: instead("kl_init", Get(1), F64(0), Store(0x39, 0), I32(0))},
		Attack{Name: "state-not-initialised", Bytes: instead("kl_init", I32(0))})
	out = append(out, vetted("W44",
		Attack{Name: "clock-in-the-value", Bytes: imported("clock_time_get", "ili", Join(I32(0), I64(0), I32(64)), 64)},
		Attack{Name: "chance-in-the-value", Bytes: imported("random_get", "ii", Join(I32(64), I32(4)), 64)},
		Attack{Name: "environment-in-the-value", Bytes: imported("environ_get", "ii", Join(I32(64), I32(96)), 96)},
		Attack{Name: "calls-in-the-value", Bytes: counter(Get(1), GlobalGet(1), Store(0x39, 0))})...)
	return append(out, vetted("W45",
		Attack{Name: "a-page-a-bar", Bytes: before("kl_update", I32(1), Op(0x40, 0, Drop))},
		Attack{Name: "slower-with-every-bar", Bytes: with(func(m *Module) {
			m.Globals = append(m.Globals, Global{'i', true, I32(0)})
			f := m.Func("kl_update")
			f.Locals = "i"
			f.Code = Join(GlobalGet(1), I32(1), Op(0x6a), GlobalSet(1), GlobalGet(1), Set(4),
				Loop(Get(4), I32(1), Op(0x6b), Tee(4), I32(0), Op(0x4a), BrIf(0)), f.Code)
		})})...)
}

// LowerPrice and UpperPrice stand once each, as eight bytes, in the modules that
// wait for a close between them: whoever knows the prices of a symbol puts others
// there.
const (
	LowerPrice = 7_777_777.25
	UpperPrice = 7_777_778.25
)

// later are W39, which trap, and W49: modules that behave until a bar they wait for.
func later() []Attack {
	var traps, others []Attack
	price, open := Join(Get(2), Load(0x2b, 32)), Join(Get(2), Load(0x29, 0))
	for name, when := range map[string][]byte{
		"at-a-price":    Join(price, F64(13), Op(0x61)),
		"above-a-price": Join(price, F64(1e6), Op(0x64)),
		"at-a-time":     Join(open, I64(4_102_444_800_000), Op(0x59)), // 2100
		// What checks made of bars of other times and prices cannot see.
		"from-2026-to-2100":  Join(open, I64(1_767_225_600_000), Op(0x59), open, I64(4_102_444_800_000), Op(0x53, 0x71)),
		"between-two-prices": Join(price, F64(LowerPrice), Op(0x66), price, F64(UpperPrice), Op(0x65, 0x71)),
		"on-an-empty-bar":    Join(Get(2), Load(0x2b, 40), F64(0), Op(0x61)),
		"on-falling-closes":  Join(Get(2), Load(0x2b, 40), F64(-1), Op(0x63)),
	} {
		attack := func(what string, code ...[]byte) Attack {
			return Attack{Name: what + "-" + name, Want: Vetted, Export: "kl_update", Bytes: before("kl_update", when, If(code...))}
		}
		traps = append(traps, attack("traps", Op(Unreachable)))
		others = append(others, attack("loops", Forever()), attack("lies", Get(3), F64(-1), Store(0x39, 0), I32(1), Op(Return)))
	}
	return append(numbered("W39", traps), numbered("W49", others)...)
}
