package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// form is one way to write an instruction: prefix, number, immediates.
type form struct {
	name string
	code []byte
}

// forms are all numbers after each prefix, with immediates that fit any.
func forms() []form {
	var out []form
	for op := 0x45; op < 0x100; op++ {
		if op < 0xfb {
			out = append(out, form{fmt.Sprintf("%#x", op), Op(byte(op))})
		}
	}
	for op := byte(0x28); op <= 0x3e; op++ {
		out = append(out, form{fmt.Sprintf("%#x", op), Op(op, 0, 0)})
	}
	for sub := byte(0); sub <= 7; sub++ {
		out = append(out, form{fmt.Sprintf("0xfc %d", sub), Op(0xfc, sub)})
	}
	out = append(out, form{"copy", Op(0xfc, 10, 0, 0)}, form{"fill", Op(0xfc, 11, 0)}, form{"size", Op(0x3f, 0)}, form{"grow", Op(0x40, 0)})
	for sub := range 256 {
		out = append(out, form{fmt.Sprintf("0xfd %d", sub), Join(Op(0xfd), U32(uint32(sub)), vectorImmediates(sub))})
	}
	return out
}

func vectorImmediates(sub int) []byte {
	switch {
	case sub <= 11, sub == 92, sub == 93:
		return Op(0, 0)
	case sub == 12, sub == 13:
		return make([]byte, 16)
	case sub >= 21 && sub <= 34:
		return Op(0)
	case sub >= 84 && sub <= 91:
		return Op(0, 0, 0)
	}
	return nil
}

// typings are all ways to give an instruction up to three operands.
func typings() []string {
	out := []string{""}
	for from := 0; from < len(out); from++ {
		if len(out[from]) < 3 {
			for _, c := range "ilfdv" {
				out = append(out, out[from]+string(c))
			}
		}
	}
	return out
}

// Guard and runtime agree about every instruction: which operands it takes and
// gives, and which bytes belong to it. Where only the guard passed one, the
// two would have read different code; where only the runtime takes one, it
// must be one that the list leaves out.
func TestEveryInstructionIsTypedAsTheRuntimeTypesIt(t *testing.T) {
	rt := runtimeOf(t, true)
	accepted := 0
	for _, f := range forms() {
		passes := ""
		for _, takes := range typings() {
			// Whatever it gives, the dead end takes it.
			if agree(t, rt, f, takes, "", Op(Unreachable)) && (passes == "" || len(takes) < len(passes)) {
				passes = takes + "."
			}
		}
		if passes == "" {
			continue
		}
		accepted++
		gives := 0
		for _, give := range []string{"i", "l", "f", "d", "v", ""} {
			if agree(t, rt, f, strings.TrimSuffix(passes, "."), give, nil) {
				gives++
			}
		}
		if gives != 1 {
			t.Errorf("%s (%s) gives %d types", f.name, passes, gives)
		}
	}
	// 128 numeric, 23 of memory, 2 of its size, 8 truncations, 2 bulk, 236 vectors.
	if accepted != 128+23+2+8+2+236 {
		t.Errorf("%d instructions pass", accepted)
	}
}

// agree tells whether an instruction passes, after a look at what the runtime
// says of the module as it was and as it was rewritten.
func agree(t *testing.T, rt wazero.Runtime, f form, takes, gives string, then []byte) bool {
	t.Helper()
	in := function(takes, gives, "", Each(len(takes), func(i int) []byte { return Get(uint32(i)) }), f.code, then).Bytes()
	out, _, refused := guard.Instrument(in, bare())
	plain, legal := rt.CompileModule(t.Context(), in)
	if (refused == nil) != (legal == nil) {
		t.Fatalf("%s (%s) -> (%s): guard: %v, runtime: %v", f.name, takes, gives, refused, legal)
	}
	if refused != nil {
		return false
	}
	rewritten, err := rt.CompileModule(t.Context(), out)
	if err != nil {
		t.Fatalf("%s (%s) -> (%s), rewritten: %v", f.name, takes, gives, err)
	}
	_ = plain.Close(t.Context())
	_ = rewritten.Close(t.Context())
	return true
}
