#!/bin/sh
# Builds indicators-wasm/builtin.wasm with the compiler of wasmhost/compiler. The
# bytes depend on the sources alone: on no path, no git state, and on the Go
# version only where its type checker would change.
set -eu
cd "$(dirname "$0")/.."
go run ./indicators-wasm/build indicators-wasm "${1:-indicators-wasm/builtin.wasm}"
