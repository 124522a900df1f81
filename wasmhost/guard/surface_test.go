package guard_test

import (
	"encoding/binary"
	"strings"
	"testing"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

func TestOnlyFunctionsOfTheSurfaceAreImported(t *testing.T) {
	m := Indicator()
	m.Imports = []Import{{Module: SystemModule, Name: "random_get", Params: "ii", Results: "i"}}
	m.Func("kl_update_batch").Code = I32(0) // its call would be one off
	if out, info, err := guard.Instrument(m.Bytes(), kl1()); err != nil || len(info.Imports) != 1 || out == nil {
		t.Fatal(err)
	}
	if f := refuse(t, m.Bytes(), guard.Rules{Limits: guard.Untrusted()}); !strings.Contains(f.Message, "allowed: none") {
		t.Error(f)
	}
	m.Imports[0].Params = "i"
	if f := refuse(t, m.Bytes(), kl1()); !strings.Contains(f.Message, "has the type (i32) -> (i32), allowed is (i32, i32) -> (i32)") {
		t.Error(f)
	}
}

func TestExportsOfTheSurfaceAreThereWithTheirTypes(t *testing.T) {
	for _, e := range guard.KL1().Exports {
		m := Indicator()
		has := false
		for _, f := range m.Funcs {
			has = has || f.Export == e.Name
		}
		if !has {
			continue
		}
		m.Func(e.Name).Export = "renamed"
		_, _, err := guard.Instrument(m.Bytes(), kl1())
		if (err != nil) != e.Required {
			t.Errorf("without %s: %v", e.Name, err)
		}
		m = Indicator()
		f := m.Func(e.Name)
		f.Params += "d"
		if bad := refuse(t, m.Bytes(), kl1()); bad.Code != guard.CodeMissing && bad.Code != guard.CodeType {
			t.Errorf("%s with one parameter more: %v", e.Name, bad)
		}
	}
}

// bodyOf returns a section of a module.
func bodyOf(t *testing.T, wasm []byte, id byte) []byte {
	t.Helper()
	for rest := wasm[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if rest[0] == id {
			return rest[1+n : 1+n+int(size)]
		}
		rest = rest[1+n+int(size):]
	}
	t.Fatalf("no section %d", id)
	return nil
}

// wazero's memory limit knows nothing of tables, and a memory without a
// maximum could grow to the limit of the runtime.
func TestMaximaAreWrittenIntoTheModule(t *testing.T) {
	rules := bare()
	rules.Limits.Pages = 100
	for _, tt := range []struct{ declared, want [2]uint32 }{
		{[2]uint32{1, 0}, [2]uint32{1, 100}}, {[2]uint32{1, 50}, [2]uint32{1, 50}}, {[2]uint32{7, 65536}, [2]uint32{7, 100}}, {[2]uint32{100, 100}, [2]uint32{100, 100}},
	} {
		m := function("", "", "")
		m.Memory, m.Table = tt.declared, 9
		out := pass(t, m.Bytes(), rules)
		if got, want := bodyOf(t, out, 5), Join(Op(1, 1), U32(tt.want[0]), U32(tt.want[1])); string(got) != string(want) {
			t.Errorf("memory %v: % x, want % x", tt.declared, got, want)
		}
		if got := bodyOf(t, out, 4); string(got) != "\x01\x70\x01\x09\x09" {
			t.Errorf("table: % x", got)
		}
	}
}

func TestStartFunctionRunsOnTheInitialFuel(t *testing.T) {
	m := function("", "", "")
	m.Funcs = append(m.Funcs, Func{Code: Forever()})
	m.Start = 2
	rules := bare()
	rules.Limits.InitialFuel = 10_000
	rt := runtimeOf(t, false)
	if _, err := rt.Instantiate(t.Context(), pass(t, m.Bytes(), rules)); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("an endless start function: %v", err)
	}
	m.Funcs[1].Code = nil
	if i := instantiate(t, rt, pass(t, m.Bytes(), rules)); i.fuel() <= 9_900 || i.fuel() >= 10_000 || i.stack() != 4<<20 {
		t.Errorf("fuel %d, stack %d", i.fuel(), i.stack())
	}
	m.Funcs[1].Params = "i"
	refuse(t, m.Bytes(), rules)
}

// A vector number is read by its first byte alone in some readers: in a longer
// form, they would see other instructions than the guard.
func TestVectorNumbersHaveTheirShortestForm(t *testing.T) {
	zero := Join(Op(0xfd, 12), make([]byte, 16))
	pass(t, function("", "", "", zero, zero, Op(0xfd, 0xae, 0x01, Drop)).Bytes(), bare()) // i32x4.add
	for _, number := range [][]byte{{0xae, 0x81, 0x00}, {0xae, 0x02}, {0xae, 0x03}, {0x8e, 0x00}, {0x80, 0x02}} {
		if f := refuse(t, function("", "", "", zero, zero, Op(0xfd), number, Op(Drop)).Bytes(), bare()); f.Code != guard.CodeFeature {
			t.Errorf("% x: %v", number, f)
		}
	}
}
