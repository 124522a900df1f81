//go:build !wasip1

package indicators

import _ "embed" // the module is embedded because xcaddy runs no build step

// The guest compiles this package, too; without the build tag above it would
// contain its own previous build, and no two builds would be equal.
//
//go:embed builtin.wasm
var module string

// Module is the compiled module builtin.wasm. The caller owns the copy.
func Module() []byte { return []byte(module) }
