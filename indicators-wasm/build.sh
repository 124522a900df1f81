#!/bin/sh
# Builds indicators-wasm/builtin.wasm. The same sources and the same Go version
# give the same bytes in every directory; go.mod pins the version.
set -eu
cd "$(dirname "$0")/.."
GOFLAGS= GOWORK=off GOWASM= GOEXPERIMENT= CGO_ENABLED=0 GOOS=wasip1 GOARCH=wasm \
	go build -trimpath -buildvcs=false -buildmode=c-shared \
	-ldflags='-s -w -buildid=' -o "${1:-indicators-wasm/builtin.wasm}" ./indicators-wasm/guest
