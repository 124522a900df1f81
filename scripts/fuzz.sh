#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while, one after the other.
#
#   scripts/fuzz.sh TIME        for example 15s
set -euo pipefail
time=${1:?usage: scripts/fuzz.sh TIME}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tags=nobadger,nomysql,nopgx
n=0
while IFS=: read -r file target; do
  pkg=./$(dirname "$file")
  echo "fuzz: $pkg $target ($time)"
  go test -tags "$tags" -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg"
  n=$((n + 1))
done < <(git ls-files '*_test.go' ':!pipeline/testbed' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //')
[ "$n" -gt 0 ] || { echo "fuzz: no fuzz target was found" >&2; exit 1; }
echo "fuzz: $n targets"
