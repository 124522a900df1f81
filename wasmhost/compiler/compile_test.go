package compiler

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/caddy-kline/caddy-kline/wasmhost/compiler/sample"
)

// natively are the functions of the sample as Go compiles them.
var natively = map[string]any{
	"Sum32": sample.Sum32, "Sum64": sample.Sum64, "Divide32": sample.Divide32, "Divide64": sample.Divide64,
	"DivideUnsigned": sample.DivideUnsigned, "Shift32": sample.Shift32, "Shift64": sample.Shift64, "Narrow": sample.Narrow,
	"Widths": sample.Widths, "Compare": sample.Compare, "Floats": sample.Floats, "Exact": sample.Exact, "Bits": sample.Bits,
	"Kinds": sample.Kinds, "Extremes": sample.Extremes, "ToFloat": sample.ToFloat, "FromFloat": sample.FromFloat,
	"Logic": sample.Logic, "Loops": sample.Loops, "Table": sample.Table, "Arrays": sample.Arrays, "Structs": sample.Structs,
	"Slices": sample.Slices, "Texts": sample.Texts, "Results": sample.Results, "Window": sample.Window, "Inlined": sample.Inlined,
	"Recursionless": sample.Recursionless, "Globals": sample.Globals, "Parens": sample.Parens, "Lost": sample.Lost,
	"Lengths": sample.Lengths, "Addresses": sample.Addresses, "Exchanges": sample.Exchanges,
}

// TestSampleGivesTheBitsOfGo runs every function of the sample on edges and on
// random numbers, as Go compiles it and as the compiler does.
func TestSampleGivesTheBitsOfGo(t *testing.T) {
	source, err := os.ReadFile("sample/sample.go")
	if err != nil {
		t.Fatal(err)
	}
	module := start(t, compiled(t, string(source)))
	exports := module.ExportedFunctionDefinitions()
	if len(exports) != len(natively) {
		t.Errorf("%d functions exported, %d compared", len(exports), len(natively))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for name, f := range natively {
		t.Run(name, func(t *testing.T) {
			same(t, r, module.ExportedFunction(name), reflect.ValueOf(f))
		})
	}
}

// same calls a function both ways.
func same(t *testing.T, r *rand.Rand, wasm api.Function, native reflect.Value) {
	t.Helper()
	for range 4000 {
		var args []reflect.Value
		var stack []uint64
		for i := range native.Type().NumIn() {
			v, bits := draw(r, native.Type().In(i))
			args, stack = append(args, v), append(stack, bits)
		}
		got, err := wasm.Call(t.Context(), stack...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		want := bitsOf(native.Call(args)[0])
		if native.Type().Out(0).Size() == 4 {
			got[0] = uint64(uint32(got[0])) // the other half is not part of the result
		}
		if got[0] != want && !bothNaN(native.Type().Out(0), got[0], want) {
			t.Fatalf("%v: %#x, Go has %#x", args, got[0], want)
		}
	}
}

// bothNaN is true of two doubles that are none: which of its operands' bits a
// NaN gets is left open by both languages, and the host makes one of all.
func bothNaN(t reflect.Type, a, b uint64) bool {
	return t.Kind() == reflect.Float64 && math.IsNaN(math.Float64frombits(a)) && math.IsNaN(math.Float64frombits(b))
}

// draw is an argument, often one on an edge.
func draw(r *rand.Rand, t reflect.Type) (reflect.Value, uint64) {
	bits := r.Uint64()
	switch r.IntN(5) {
	case 0:
		bits = uint64(r.IntN(40)) - 20
	case 1:
		bits = []uint64{0, 1, math.MaxInt32, 1 << 31, math.MaxInt64, 1 << 63, math.MaxUint64, math.MaxUint32}[r.IntN(8)]
	}
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Float64:
		x := r.NormFloat64() * 1000
		switch r.IntN(6) {
		case 0:
			x = []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 5e-324, 1e300, 0.5, -0.5, 2.5}[r.IntN(10)]
		case 1:
			x = float64(r.IntN(9) - 4)
		}
		v.SetFloat(x)
		return v, math.Float64bits(x)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(bits))
	default:
		v.SetUint(bits)
	}
	return v, bitsOf(v)
}

// bitsOf is a number as the runtime passes it.
func bitsOf(v reflect.Value) uint64 {
	switch v.Kind() {
	case reflect.Float64:
		return math.Float64bits(v.Float())
	case reflect.Int32:
		return uint64(uint32(v.Int()))
	case reflect.Int64:
		return uint64(v.Int())
	default:
		return v.Uint()
	}
}

// compiled is the module of one file.
func compiled(t testing.TB, source string) []byte {
	t.Helper()
	module, err := Compile([]Package{{Path: "main", Files: map[string][]byte{"file.go": []byte(source)}}})
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// start instantiates a module without imports.
func start(t testing.TB, module []byte) api.Module {
	t.Helper()
	rt := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { _ = rt.Close(context.WithoutCancel(t.Context())) })
	m, err := rt.Instantiate(t.Context(), module)
	if err != nil {
		t.Fatalf("the module is not valid: %v", err)
	}
	return m
}

// TestPanicsOfGoEndTheCall holds the places where Go would panic.
func TestPanicsOfGoEndTheCall(t *testing.T) {
	for name, body := range map[string]string{
		"index of a slice":      "s := make([]int32, 3); return s[n]",
		"index of an array":     "var a [3]int32; return a[n]",
		"negative index":        "s := make([]int32, 3); return s[n-6]",
		"index of 64 bits":      "s := make([]int32, 3); return s[uint64(n)+1<<32]",
		"index of a string":     `s := "abc"; return int32(s[n])`,
		"bounds of a slice":     "s := make([]int32, 3); return int32(len(s[n:]))",
		"order of bounds":       "s := make([]int32, 8); return int32(len(s[n:2]))",
		"division by zero":      "return 1 / (n - 5)",
		"remainder by zero":     "return 1 % (n - 5)",
		"negative shift":        "return n << (n - 6)",
		"panic":                 `panic("no")`,
		"make of negative size": "return int32(len(make([]int32, n-6)))",
		"more than the memory":  "return int32(len(make([]float64, 1<<28)))",
	} {
		t.Run(name, func(t *testing.T) {
			m := start(t, compiled(t, "package main\n//go:wasmexport f\nfunc f(n int32) int32 { "+body+" }"))
			if got, err := m.ExportedFunction("f").Call(t.Context(), 5); err == nil {
				t.Errorf("the call returns %v", got)
			}
		})
	}
}

// TestEqualSourcesGiveEqualBytes compiles more often than maps keep an order.
func TestEqualSourcesGiveEqualBytes(t *testing.T) {
	source, err := os.ReadFile("sample/sample.go")
	if err != nil {
		t.Fatal(err)
	}
	first := compiled(t, string(source))
	for range 20 {
		if again := compiled(t, string(source)); string(again) != string(first) {
			t.Fatal("two builds differ")
		}
	}
}

// TestSubsetIsToldWithItsPlace holds what is refused.
func TestSubsetIsToldWithItsPlace(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"func() {}()", "by name can be called"},
		{"g := func() {}; _ = g", "not supported"},
		{"defer h()", "defer is not supported"},
		{"go h()", "a go statement is not supported"},
		{"c := make(chan int); _ = c", "not supported"},
		{"m := map[int]int{}; _ = m", "not supported"},
		{"var x any; _ = x", "not supported"},
		{"var x float32; _ = x", "float32 are not supported"},
		{"x := complex(1, 2); _ = x", "not supported"},
		{`s := "a"; s += "b"`, "the operator + of string is not supported"},
		{`if "a" == s() { h() }`, "comparing values of type string is not supported"},
		{"r(3)", "recursion is not supported"},
		{"goto end\nend:\nh()", "not supported"},
		{"switch h(); { case true: fallthrough\ndefault: }", "fallthrough is not supported"},
		{"leak(1)", "leak may not return a pointer or slice of its local variable n"},
		{"part()", "part may not return a pointer or slice of its local variable a"},
		{"through()", "through may not return a pointer or slice of its local variable a"},
		{"named()", "named may not return a pointer or slice of its local variable a"},
		{"var last *int32; for i := range int32(3) { x := i; if last == nil { last = &x } }", "last would keep the address of x, of which each turn"},
		{"var last []int32; for range 3 { var a [2]int32; if last == nil { last = a[:] } }", "last would keep the address of a, of which each turn"},
		{"var all [3]*int32; for i := range int32(3) { x := i; p := &x; all[i] = p }", "all would keep the address of x, of which each turn"},
		{"var b box; for { for { var n int32; b.p = &n } }", "b would keep the address of n, of which each turn"},
		{"for b := (box{}); ; { var n int32; b.p = &n }", "b would keep the address of n, of which each turn"},
		{"for a := [2]int32{}; ; { s := a[:]; _ = s }", "the address of a loop variable"},
		{"var all []*int32; var x int32; all = append(all, &x)", "append would keep the address of the local variable x"},
		{"var x [1]*int32; var n int32; x[0] = &n; copy(make([]*int32, 1), x[:])", "copy would keep the address of the local variable x"},
		{"var x int32; kept = &x", "kept would keep the address of the local variable x"},
		{"var x int32; p := &x; hold(same(p))", "hold would keep the address of the local variable x"},
		{"var b box; var x int32; b.p = &x; b.hand()", "hand would keep the address of the local variable b"},
		{`s := min("a", s()); _ = s`, "min of string is not supported"},
		{"var b box; keep(&b, &b.n)", "behind a pointer"},
		{"var b box; byValue(b)", "can only be assigned, or reached by its fields"},
		{"for i := 0; i < 3; i++ { p := &i; _ = p }", "the address of a loop variable"},
		{"s := []int{1}; _ = s", "composite literal"},
		{"p := &box{}; _ = p", "no address"},
		{"var a [1 << 30]int32; _ = a", "larger than 16777216 bytes"},
		{"p := (*[1 << 30][1 << 30]int64)(nil); _ = p", "larger than 16777216 bytes"},
		{"var o outer; o.up()", "called by its name"},
		{"flag(true).not()", "a method needs a pointer"},
		{"generic(1)", "by name can be called"},
		{"variadic(1, 2)", "by name can be called"},
	} {
		t.Run(c.line, func(t *testing.T) {
			_, err := Compile([]Package{{Path: "main", Files: map[string][]byte{"file.go": []byte(`package main

func h() {}
type outer struct { n int32; box }
func (b *box) up() { b.n++ }
type flag bool
func (f flag) not() {}
func s() string { return "" }
func r(n int32) { if n > 0 { r(n - 1) } }
func leak(n int32) *int32 { return &n }
func part() []int32 { var a [2]int32; return a[1:] }
func through() *int32 { var a [2]box; for i := range a { return same(&a[i].n) }; return nil }
func named() (p *int32) { var a int32; p = &a; return }
func same(p *int32) *int32 { return p }
var kept *int32
func keepIt(p *int32) { kept = p }
func hold(p *int32) { q := p; keepIt(q) }
func (b *box) hand() { hold(b.p) }
type box struct { p *int32; n int32 }
func keep(b *box, p *int32) { b.p = p }
func byValue(b box) {}
func generic[T any](x T) {}
func variadic(x ...int) {}

//go:wasmexport f
func f() {
` + c.line + "\n}\n")}}})
			var bad *Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if bad.Pos.Filename != "file.go" || bad.Pos.Line == 0 {
				t.Errorf("the place is %v", bad.Pos)
			}
		})
	}
}

// TestMistakesAreThoseOfGo holds what is not Go, or not there.
func TestMistakesAreThoseOfGo(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"syntax", "package main\nfunc f( {", "file.go:2"},
		{"type", "package main\nfunc f() int32 { return 1.5 }", "file.go:2:25: "},
		{"import", "package main\nimport \"fmt\"\nfunc f() { fmt.Println() }", `package "fmt" cannot be imported here`},
		{"runtime", "package main\nimport \"runtime\"\nfunc f() { runtime.GC() }", `package "runtime" cannot be imported here`},
		{"nothing exported", "package main\nfunc f() {}", "//go:wasmexport"},
		{"other platform", "//go:build linux\n\npackage main", "no Go file for wasip1/wasm"},
		{"embedded file", "package main\nimport _ \"embed\"\n//go:embed no.txt\nvar s string\n", "the file no.txt is not there"},
		{"init", "package main\nfunc init() {}\n//go:wasmexport f\nfunc f() {}", "init is not supported"},
		{"two of a name", "package main\n//go:wasmexport f\nfunc f() {}\n//go:wasmexport f\nfunc g() {}", `"f" is exported twice`},
		{"name of the memory", "package main\n//go:wasmexport memory\nfunc f() {}", `"memory" is exported twice`},
		{"embedded bytes", "package main\nimport _ \"embed\"\n//go:embed file.go\nvar s []byte\n", "one variable of type string"},
		{"computed variable", "package main\nvar n = g()\nfunc g() int32 { return 1 }\n//go:wasmexport f\nfunc f() int32 { return n }", "file.go:2:9: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile([]Package{{Path: "main", Files: map[string][]byte{"file.go": []byte(c.source)}}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := Compile(nil); err == nil {
		t.Error("nothing compiles")
	}
}
