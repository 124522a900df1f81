#!/usr/bin/env bash
# Measures caddy-kline against the yardsticks of pipeline/testbed/benchmark and prints one line per figure:
#
#   figure: <name> = <value> (goal <op> <value>) ok|short
#
#   scripts/bench.sh                     about 10 minutes on 2 cores
#   scripts/bench.sh quick               about 3 minutes, one round over fewer records: a look, nothing to quote
#   scripts/bench.sh [quick] -only wasm,fanout -profile DIR       any flag of the program (-h lists them)
#
# `make bench` builds bin/caddy first. Needs Java 17 and Maven for a real Apache Kafka, and installs what is missing. The exit status
# tells whether everything could be measured, not whether every goal is met: on shared cores a short figure is a reason to look.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
module=$root/pipeline/testbed/benchmark
binary=${KLINE_BIN:-$root/bin/caddy}
built=$root/.cache/bench
tags=nobadger,nomysql,nopgx

say() { printf '%s\n' "bench: $*"; }
die() { printf '%s\n' "bench: $*" >&2; exit 1; }

quick=()
if [ "${1:-}" = quick ]; then
  quick=(-quick)
  shift
fi

command -v go >/dev/null || die "Go is missing: install Go 1.26 or newer from your distribution or go.dev"
[ -x "$binary" ] || die "$binary is missing: run 'make build', or name another binary in KLINE_BIN"
# A real Kafka is the other side of most figures; the script says what is missing and how to get it.
"$root/scripts/install-test-deps.sh" kafka postgres clickhouse questdb

mkdir -p "$built"
say "building the benchmark and the Caddy with the plain handler"
(cd "$module" && go build -o "$built/benchmark" . && go build -trimpath -ldflags "-s -w" -tags "$tags" -o "$built/caddy" ./cmd/caddy) ||
  die "the benchmark does not build: read the messages of the compiler above"

exec "$built/benchmark" "${quick[@]}" -root "$root" -caddy "$binary" -yardstick "$built/caddy" "$@"
