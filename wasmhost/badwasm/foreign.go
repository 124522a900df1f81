package badwasm

// foreign are W18 and W19: tables that grow past every limit of memory, and
// imports of what is not there.
func foreign(yield func(Attack) bool) bool {
	table := func(code ...[]byte) []byte {
		return with(func(m *Module) { m.Table = 1; m.Func("_initialize").Code = Join(code...) })
	}
	null := Op(0xd0, 0x70)
	if !refused(yield, numbered("W18", []Attack{
		{Name: "grow-2e9", Bytes: table(null, I32(2_000_000_000), Op(0xfc, 15, 0, Drop)), Code: "feature_not_allowed"},
		{Name: "grow-1e8", Bytes: table(null, I32(100_000_000), Op(0xfc, 15, 0, Drop)), Code: "feature_not_allowed"},
		{Name: "grow-alone", Bytes: table(I32(0), I32(100_000_000), Op(0xfc, 15, 0, Drop)), Code: "feature_not_allowed"},
		{Name: "size", Bytes: table(Op(0xfc, 16, 0, Drop)), Code: "feature_not_allowed"},
		{Name: "fill", Bytes: table(I32(0), I32(0), I32(0), Op(0xfc, 17, 0)), Code: "feature_not_allowed"},
		{Name: "copy", Bytes: table(I32(0), I32(0), I32(0), Op(0xfc, 14, 0, 0)), Code: "feature_not_allowed"},
		{Name: "init", Bytes: table(I32(0), I32(0), I32(0), Op(0xfc, 12, 0, 0)), Code: "feature_not_allowed"},
		{Name: "elem-drop", Bytes: table(Op(0xfc, 13, 0)), Code: "feature_not_allowed"},
		{Name: "get", Bytes: table(I32(0), Op(0x25, 0, Drop)), Code: "feature_not_allowed"},
		{Name: "set", Bytes: table(I32(0), null, Op(0x26, 0)), Code: "feature_not_allowed"},
		{Name: "memory-init", Bytes: table(I32(0), I32(0), I32(0), Op(0xfc, 8, 0, 0)), Code: "feature_not_allowed"},
		{Name: "data-drop", Bytes: table(Op(0xfc, 9, 0)), Code: "feature_not_allowed"},
		{Name: "padded-misc-number", Bytes: table(I32(0), I32(0), I32(0), Op(0xfc, 0x8b, 0, 0)), Code: "feature_not_allowed"},
	})...) {
		return false
	}
	return refused(yield, numbered("W19", foreignImports())...)
}

func foreignImports() []Attack {
	swap := func(body ...[]byte) []byte {
		return with(func(m *Module) { m.Swap = map[byte][]byte{2: Join(body...)} })
	}
	from := func(module, name, params, results string) []byte {
		return with(func(m *Module) { m.Imports = []Import{{module, name, params, results}} })
	}
	a := Join(Name("env"), Name("a"))
	list := []Attack{
		{Name: "env.abort", Bytes: from("env", "abort", "iiii", "")},
		{Name: "empty-names", Bytes: from("", "", "", "")},
		{Name: "memory", Bytes: swap(Op(1), a, Op(2, 0, 1))},
		{Name: "table", Bytes: swap(Op(1), a, Op(1, 0x70, 0, 1))},
		{Name: "global", Bytes: swap(Op(1), a, Op(3, 0x7e, 1))},
		{Name: "tag", Bytes: swap(Op(1), a, Op(4, 0, 0))},
		{Name: "unknown-kind", Bytes: swap(Op(1), a, Op(9, 0))},
		{Name: "wrong-signature", Bytes: from(SystemModule, "random_get", "i", "i")},
		{Name: "wrong-result", Bytes: from(SystemModule, "proc_exit", "i", "i")},
		{Name: "other-module", Bytes: from("wasi_unstable", "random_get", "ii", "i")},
		{Name: "name-with-zero", Bytes: from(SystemModule, "random_get\x00", "ii", "i")},
		{Name: "the-counters", Bytes: from(SystemModule, "__kl_fuel", "", "")},
	}
	for _, name := range []string{
		"path_open", "path_unlink_file", "path_create_directory", "fd_read", "fd_seek", "fd_readdir", "fd_pwrite", "sock_accept", "sock_send", "proc_raise", "clock_res_get",
	} {
		list = append(list, Attack{Name: name, Bytes: from(SystemModule, name, "iiii", "i")})
	}
	for i := range list {
		list[i].Code = "import_not_allowed"
	}
	return list
}
