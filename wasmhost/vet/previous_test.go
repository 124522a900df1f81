package vet

import (
	"strings"
	"testing"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// stateful is a fixture with a state of 16 bytes whose second number is v.
func stateful(version string, size int32, change func(*Module)) []byte {
	return fixture(func(m *Module) {
		m.Describe(ConformingManifest(version))
		m.Func("kl_state_size").Code = Join(Checked(), I32(size))
		if size > 16 {
			first("kl_init", Get(1), F64(0), Store(0x39, 16))(m)
		}
		if change != nil {
			change(m)
		}
	})
}

// migrating adds a kl_migrate with this code.
func migrating(code ...[]byte) func(*Module) {
	return func(m *Module) {
		m.Funcs = append(m.Funcs, Func{Export: "kl_migrate", Params: "iiii", Results: "i", Code: Join(code...)})
	}
}

func TestStatesOfThePreviousVersion(t *testing.T) {
	old := stateful("", 16, nil)
	copied := Join(Get(2), I32(16), Op(0x47), If(I32(1), Op(Return)),
		Get(3), Get(1), Load(0x2b, 0), Store(0x39, 0), Get(3), Get(1), Load(0x2b, 8), Store(0x39, 8))
	two := `"state_version":2,`
	for name, c := range map[string]struct {
		module []byte
		code   Code // empty: accepted
	}{
		"the same":                       {old, ""},
		"another size, same version":     {stateful("", 24, nil), CodeSameState},
		"other arithmetic, same version": {stateful("", 16, first("kl_update", addToSum(F64(0.5)))), CodeSameState},
		"a new version without migrate":  {stateful(two, 24, nil), ""},
		"a migration":                    {stateful(two, 24, migrating(copied, Get(3), F64(0), Store(0x39, 16), I32(0))), ""},
		"a migration that forgets bytes": {stateful(two, 24, migrating(copied, I32(0))), CodeMigrate},
		"a migration that gives up":      {stateful(two, 24, migrating(I32(1))), ""},
		"a migration that fails":         {stateful(two, 24, migrating(I32(-5))), CodeMigrate},
		"a migration that traps on damage": {stateful(two, 24, migrating(Get(2), I32(16), Op(0x47), If(Op(Unreachable)),
			copied, Get(3), F64(0), Store(0x39, 16), I32(0))), CodeMigrate},
		"a migration that returns 7": {stateful(two, 24, migrating(I32(7))), CodeResult},
	} {
		r := run(t, c.module, Options{Previous: old})
		if c.code == "" && !r.OK() || c.code != "" && !has(r, "V19", c.code, Error) {
			t.Errorf("%s: want %q:%s", name, c.code, list(r))
		}
	}
	other := fixture(func(m *Module) { m.Describe(strings.Replace(ConformingManifest(""), `"fixture"`, `"another"`, 1)) })
	for name, previous := range map[string][]byte{"no module": []byte("hello"), "no byte": {}, "another module": other} {
		if r := run(t, old, Options{Previous: previous}); !has(r, "V19", CodePrevious, Error) {
			t.Errorf("%s:%s", name, list(r))
		}
	}
}
