package sdk

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddy-kline/caddy-kline/wasmhost/compiler"
)

// goHint is how to get the toolchain.
const goHint = "install Go 1.24 or newer from go.dev/dl"

// golang compiles with the compiler of this program, which needs nothing
// installed and makes modules of a hundredth of the size. What is outside of
// its subset goes to the toolchain, where there is one.
func (b *build) golang() error {
	b.log("compiling the Go files of " + b.dir)
	module, err := b.compile()
	if err == nil {
		if err := os.WriteFile(b.out, module, 0o644); err != nil {
			return fmt.Errorf("writing the module: %w", err)
		}
		return nil
	}
	toolchain, missing := tool(goHint, "go")
	if missing != nil {
		return fmt.Errorf("compiling the Go files:\n%w\nThe Go toolchain takes all of Go, and makes a module of two megabytes; %w", err, missing)
	}
	b.log("this is not in the subset of the compiler: " + err.Error())
	b.log("the Go toolchain takes all of Go; the module will have two megabytes:")
	return b.run([]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOWASM="},
		toolchain, "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w -buildid=", "-o", b.out, ".")
}

// maxSource is the size of a file that is taken for a source or an embedded
// text.
const maxSource = 4 << 20

// compile gives the files of the folder to the compiler.
func (b *build) compile() ([]byte, error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, fmt.Errorf("listing the folder: %w", err)
	}
	p := compiler.Package{Path: "main", Files: map[string][]byte{}}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxSource {
			continue
		}
		if p.Files[e.Name()], err = os.ReadFile(filepath.Join(b.dir, e.Name())); err != nil {
			return nil, fmt.Errorf("reading a source: %w", err)
		}
	}
	return compiler.Compile([]compiler.Package{p})
}
