// Command build writes builtin.wasm from the sources of package indicators and
// of its guest:
//
//	go run ./indicators-wasm/build indicators-wasm indicators-wasm/builtin.wasm
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddy-kline/caddy-kline/wasmhost/compiler"
)

const path = "github.com/caddy-kline/caddy-kline/indicators-wasm"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: build FOLDER MODULE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder, module string) error {
	var packages []compiler.Package
	for _, sub := range []string{"", "guest"} {
		p, err := read(filepath.Join(folder, sub), filepath.ToSlash(filepath.Join(path, sub)))
		if err != nil {
			return err
		}
		packages = append(packages, p)
	}
	wasm, err := compiler.Compile(packages)
	if err != nil {
		return fmt.Errorf("compiling %s:\n%w", folder, err)
	}
	if err := os.WriteFile(module, wasm, 0o644); err != nil { //nolint:gosec // a module that is committed is readable
		return fmt.Errorf("writing the module: %w", err)
	}
	return nil
}

// read takes the Go files of a folder. Their names in errors are as given.
func read(folder, importPath string) (compiler.Package, error) {
	p := compiler.Package{Path: importPath, Files: map[string][]byte{}}
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return p, fmt.Errorf("listing %s: %w", folder, err)
	}
	for _, name := range names {
		if p.Files[name], err = os.ReadFile(name); err != nil {
			return p, fmt.Errorf("reading a source: %w", err)
		}
	}
	return p, nil
}
