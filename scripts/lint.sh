#!/usr/bin/env bash
# Runs golangci-lint at a pinned version, built once into .cache/bin.
#
#   scripts/lint.sh VERSION
set -euo pipefail
version=${1:?usage: scripts/lint.sh VERSION}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/.cache/bin/golangci-lint-$version

if [ ! -x "$bin" ]; then
  echo "lint: building golangci-lint $version (some minutes, once)"
  mkdir -p "$root/.cache/bin"
  # A module of its own: the linter's hundreds of dependencies must not meet ours.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && go mod init lint &&
    go get "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version" &&
    go build -o "$bin" github.com/golangci/golangci-lint/v2/cmd/golangci-lint) >"$work/log" 2>&1 ||
    { tail -5 "$work/log" >&2; echo "lint: golangci-lint $version could not be built: is the Go module proxy reachable?" >&2; exit 1; }
fi
cd "$root"
"$bin" run ./...
