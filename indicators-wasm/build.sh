#!/bin/sh
# Builds indicators-wasm/builtin.wasm. The same sources and the same Go version
# give the same bytes in every directory; go.mod pins the version.
#
# In Go's wasm code a call costs as much as ten additions, so the calls listed
# in inline.pgo are inlined: it is a profile in the compiler's own text form,
# kept true by TestInlineListNamesCalls. A check for nil in front of every access
# would stop nothing: address 0 is readable in wasm, and the entry points refuse
# it themselves. The list is passed under a name made from its content: the go
# command caches by flags and does not look into a file that one of them names.
set -eu
cd "$(dirname "$0")/.."
list="indicators-wasm/inline-$(cksum <indicators-wasm/inline.pgo | cut -d' ' -f1).pgo"
trap 'rm -f "$list"' EXIT
cp indicators-wasm/inline.pgo "$list"
GOFLAGS= GOWORK=off GOWASM= GOEXPERIMENT= CGO_ENABLED=0 GOOS=wasip1 GOARCH=wasm \
	go build -trimpath -buildvcs=false -buildmode=c-shared \
	-gcflags="github.com/caddy-kline/caddy-kline/indicators-wasm=-d=disablenil=1 -pgoprofile=$list" \
	-ldflags='-s -w -buildid=' -o "${1:-indicators-wasm/builtin.wasm}" ./indicators-wasm/guest
