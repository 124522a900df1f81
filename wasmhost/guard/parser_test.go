package guard_test

import (
	"bytes"
	"strings"
	"testing"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

func TestSizeIsCheckedBeforeAnythingElse(t *testing.T) {
	rules := bare()
	wasm := function("", "", "").Bytes()
	for _, d := range []int{0, 1, 100} {
		rules.Limits.FileBytes = len(wasm) + d
		pass(t, wasm, rules)
	}
	rules.Limits.FileBytes = len(wasm) - 1
	f := refuse(t, bytes.Repeat([]byte("x"), len(wasm)), rules)
	if f.Code != guard.CodeLimit || f.Allowed != int64(len(wasm)-1) || f.Got != int64(len(wasm)) {
		t.Errorf("not a module and too large: %+v", f)
	}
}

func TestPaddedNumbersAreLegal(t *testing.T) {
	m := function("", "i", "", Op(0x41, 0x80|5, 0x80, 0x80, 0x80, 0), Op(0x10, 0x81, 0x80, 0x80, 0x80, 0), Op(0x6a))
	m.Funcs = append(m.Funcs, Func{Results: "i", Code: I32(7)})
	i := start(t, m.Bytes())
	if got, _ := i.must(1000); got[0] != 12 {
		t.Errorf("result %d", got[0])
	}
}

func TestNumbersThatAreTooLongAreRefused(t *testing.T) {
	for name, code := range map[string][]byte{
		"u32 of 6 bytes":              Op(0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
		"u32 with bit 32":             Op(0x10, 0x80, 0x80, 0x80, 0x80, 0x10),
		"i32 of 6 bytes":              Op(0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, Drop),
		"i32 with a sign of its own":  Op(0x41, 0x80, 0x80, 0x80, 0x80, 0x08, Drop),
		"i32 with bits after it":      Op(0x41, 0x80, 0x80, 0x80, 0x80, 0x40, Drop),
		"i64 of 11 bytes":             Op(0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, Drop),
		"i64 with a sign of its own":  Op(0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, Drop),
		"block type in a longer form": Op(0x02, 0xc0, 0x7f, End),
	} {
		if f := refuse(t, function("", "", "", code).Bytes(), bare()); f.Code != guard.CodeNumber {
			t.Errorf("%s: %v", name, f)
		}
	}
	for _, v := range []int64{-1 << 31, 1<<31 - 1, -1, 0, 63, 64, -64, -65} {
		i := start(t, function("", "i", "", I32(int32(v))).Bytes())
		if got, _ := i.must(1000); int32(got[0]) != int32(v) {
			t.Errorf("%d became %d", v, int32(got[0]))
		}
	}
	for _, v := range []int64{-1 << 63, 1<<63 - 1, -1} {
		i := start(t, function("", "l", "", I64(v)).Bytes())
		if got, _ := i.must(1000); int64(got[0]) != v {
			t.Errorf("%d became %d", v, int64(got[0]))
		}
	}
}

// A count is compared with its limit and with the bytes that are left, before
// anything is made for it.
func TestCountsAreCheckedTwice(t *testing.T) {
	for a := range Catalogue("W02", "W03") {
		if a.Want != Refused {
			continue
		}
		f := refuse(t, a.Bytes, kl1())
		if n := allocated(a.Bytes); n > 64<<10 {
			t.Errorf("%s: %d bytes allocated for a module of %d (%v)", a.Name, n, len(a.Bytes), f)
		}
	}
}

func TestCustomSectionsAreDropped(t *testing.T) {
	m := function("", "", "")
	m.Behind = map[byte][]byte{1: Section(0, Name("name"), Op(1, 5), U32(1<<32-1)), 10: Section(0, Name(".debug_info"), []byte("secret"))}
	out := pass(t, m.Bytes(), bare())
	if bytes.Contains(out, []byte("name")) || bytes.Contains(out, []byte("secret")) {
		t.Error("a custom section is in the output")
	}
}

func TestSectionsAreReadToTheirExactEnd(t *testing.T) {
	for _, id := range []byte{1, 3, 5, 6, 7, 10} {
		m := function("", "", "")
		m.Globals = []Global{{Type: 'i', Init: I32(0)}}
		m.Tail = map[byte][]byte{id: {0}}
		if f := refuse(t, m.Bytes(), bare()); f.Code != guard.CodeSection || !strings.Contains(f.Message, "1 bytes follow") {
			t.Errorf("section %d: %v", id, f)
		}
	}
}

// Without this rule a guest that declares no global wrote global 0, which was
// its own fuel counter.
func TestGuestCannotReachItsOwnFuel(t *testing.T) {
	for _, code := range [][]byte{
		Join(I64(1<<60), GlobalSet(0)), Join(I64(1<<60), GlobalSet(1)), Join(GlobalGet(0), Op(Drop)),
		Join(I32(1), Call(1), Op(Drop)), Join(I32(1), I32(1), I32(1), Call(2)), Join(I32(1), I32(1), I32(1), Call(3)),
	} {
		if f := refuse(t, function("", "", "", code).Bytes(), bare()); f.Code != guard.CodeIndex {
			t.Errorf("% x: %v", code, f)
		}
	}
	m := function("", "", "", I64(1<<60), GlobalSet(0), Forever())
	m.Globals = []Global{{Type: 'l', Mutable: true, Init: I64(0)}}
	i := start(t, m.Bytes())
	if _, used, err := i.call(1000); err == nil || used < 1000 || used > 1100 {
		t.Errorf("own global 0: used %d, %v", used, err)
	}
}

func TestFunctionEndsWithItsLastEnd(t *testing.T) {
	for _, body := range [][]byte{{0}, {0, 1}, {0, End, End}, {0, 2, 0x40, End}, {0, End, 1}, {}} {
		m := function("", "", "")
		m.Funcs[0].Body = append([]byte{}, body...)
		refuse(t, m.Bytes(), bare())
	}
}

func TestFindingNamesCodePlaceLimitAndWhatIsAllowed(t *testing.T) {
	m := function("", "", "")
	m.Funcs[0].Locals = string(Repeat(513, 'i'))
	f := refuse(t, m.Bytes(), bare())
	if f.Code != guard.CodeLimit || f.Section != "code" || f.Limit != "locals of a function" || f.Got != 513 || f.Allowed != 512 ||
		!strings.Contains(f.Message, "513, allowed are 512") || m.Bytes()[f.Offset] != 0x81 {
		t.Errorf("%+v", f)
	}
	m = function("", "", "")
	m.Imports = []Import{{Module: "wasi_snapshot_preview1", Name: strings.Repeat("x\n", 60)}}
	f = refuse(t, m.Bytes(), kl1())
	if f.Code != guard.CodeImport || f.Section != "import" || strings.Contains(f.Message, "\n") || len(f.Message) > 700 ||
		!strings.Contains(f.Message, "allowed: wasi_snapshot_preview1: args_get") {
		t.Errorf("%+v", f)
	}
}

func TestSameBytesGiveTheSameBytesAndTheInputStays(t *testing.T) {
	in := Indicator().Bytes()
	kept := bytes.Clone(in)
	first := pass(t, in, kl1())
	for range 5 {
		if !bytes.Equal(first, pass(t, in, kl1())) {
			t.Fatal("another output")
		}
	}
	if !bytes.Equal(in, kept) {
		t.Error("the input was changed")
	}
}

func TestMemoryIsBoundedByTheInput(t *testing.T) {
	for a := range Catalogue("W04", "W12", "W13", "W15", "W16", "W17", "W21", "W25", "W30", "W37") {
		if n := allocated(a.Bytes); n > uint64(memoryFactor*len(a.Bytes)+memoryBase) {
			t.Errorf("%s: %d bytes allocated for %d", a.Name, n, len(a.Bytes))
		}
	}
}
