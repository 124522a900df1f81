package compiler

import (
	"errors"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
)

// FuzzCompile holds that any text is compiled or refused with an error, and
// that what is compiled is a valid module.
func FuzzCompile(f *testing.F) {
	source, err := os.ReadFile("sample/sample.go")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(source)
	for _, body := range []string{
		"var a [3]int32; a[n] = 1; return a[2]", "for i := range n { if i == 3 { return i } }; return 0",
		"switch n { case 1, 2, 3, 4: return 5 }; return n", "s := make([]int32, 3); s = append(s, n); return s[3]",
		"x, y := n, n+1; x, y = y, x; return x<<y", "p := &g; p.a++; return p.b[1]", `return int32("abc"[n])`,
	} {
		f.Add([]byte("package main\ntype t struct { a int32; b [2]int32 }\nvar g t\n//go:wasmexport f\nfunc f(n int32) int32 { " + body + " }"))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		module, err := Compile([]Package{{Path: "main", Files: map[string][]byte{"file.go": source}}})
		if err != nil {
			var bad *Error
			if errors.As(err, &bad) && bad.Msg == "" {
				t.Errorf("an error without words: %v", err)
			}
			return
		}
		rt := wazero.NewRuntime(t.Context())
		defer func() { _ = rt.Close(t.Context()) }()
		if _, err := rt.CompileModule(t.Context(), module); err != nil {
			t.Fatalf("the module is not valid: %v", err)
		}
	})
}
