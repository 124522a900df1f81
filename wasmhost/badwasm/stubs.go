package badwasm

// stubs are W35: loops over imports, whose work the fuel of the module does
// not see.
func stubs(yield func(Attack) bool) bool {
	type call struct {
		name, params, results string
		args                  []byte
	}
	var list []Attack
	for name, c := range map[string]call{
		"clock":           {"clock_time_get", "ili", "i", Join(I32(0), I64(0), I32(8))},
		"random-4KB":      {"random_get", "ii", "i", Join(I32(0), I32(4096))},
		"random-4MB":      {"random_get", "ii", "i", Join(I32(0), I32(4<<20))},
		"random-outside":  {"random_get", "ii", "i", Join(I32(-1), I32(4096))},
		"yield":           {"sched_yield", "", "i", nil},
		"poll":            {"poll_oneoff", "iiii", "i", Join(I32(0), I32(0), I32(-1), I32(0))},
		"write-64-times":  {"fd_write", "iiii", "i", Join(I32(2), I32(65536), I32(64), I32(0))},
		"write-4G-times":  {"fd_write", "iiii", "i", Join(I32(2), I32(65536), I32(-1), I32(0))},
		"write-nothing":   {"fd_write", "iiii", "i", Join(I32(1), I32(0), I32(0), I32(0))},
		"environment":     {"environ_get", "ii", "i", Join(I32(0), I32(64))},
		"environ-outside": {"environ_get", "ii", "i", Join(I32(-1), I32(-1))},
		"arguments":       {"args_sizes_get", "ii", "i", Join(I32(0), I32(64))},
		"close":           {"fd_close", "i", "i", I32(3)},
	} {
		for _, at := range []string{"kl_update", "_initialize"} {
			list = append(list, Attack{Name: name + "-in-" + at, Want: Fuel, Export: at, Bytes: with(func(m *Module) {
				imports(m, c.name, c.params, c.results)
				f := m.Func(at)
				f.Code = Join(Forever(c.args, Call(0), Op(Drop)), f.Code)
			})})
		}
	}
	// Between two charges of the guest there may be a whole function of calls.
	for name, c := range map[string]call{
		"straight-random": {"random_get", "ii", "i", Join(I32(0), I32(4096))},
		"straight-writes": {"fd_write", "iiii", "i", Join(I32(2), I32(1024), I32(64), I32(0))},
		"straight-yields": {"sched_yield", "", "i", nil},
	} {
		list = append(list, Attack{Name: name, Want: Fuel, Export: "kl_update", Bytes: with(func(m *Module) {
			imports(m, c.name, c.params, c.results)
			f := m.Func("kl_update")
			f.Code = Join(Repeat(5_000, Join(c.args, Call(0), Op(Drop))...), f.Code)
		})})
	}
	list = append(list,
		Attack{Name: "exit", Want: Trap, Export: "kl_update", Bytes: with(func(m *Module) {
			imports(m, "proc_exit", "i", "")
			m.Func("kl_update").Code = Join(I32(0), Call(0), I32(1))
		})},
		Attack{Name: "exit-in-start", Want: Trap, Export: "start", Bytes: with(func(m *Module) {
			imports(m, "proc_exit", "i", "")
			m.Funcs = append(m.Funcs, Func{Code: Join(I32(0), Call(0))})
			m.Start = len(m.Funcs) + 1
		})},
		Attack{Name: "yield-in-start", Want: Fuel, Export: "start", Bytes: with(func(m *Module) {
			imports(m, "sched_yield", "", "i")
			m.Funcs = append(m.Funcs, Func{Code: Forever(Call(0), Op(Drop))})
			m.Start = len(m.Funcs) + 1
		})})
	return refused(yield, numbered("W35", list)...)
}
