#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while, one after the other.
#
#   scripts/fuzz.sh TIME        for example 15s
#
# Go before 1.27 sometimes ends a run that found nothing with "context deadline
# exceeded": its coordinator races its own -fuzztime (go.dev/issue/75804). Such a
# run, and only such a run, is repeated: a found input is always named and kept
# under testdata/fuzz, and fails at once.
set -euo pipefail
time=${1:?usage: scripts/fuzz.sh TIME}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tags=nobadger,nomysql,nopgx
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# raced tells whether the only complaint in $out is the coordinator's.
raced() {
  grep -qx '    context deadline exceeded' "$out" &&
    ! grep -qE 'Failing input written|^panic:|^fatal error:|^    --- FAIL|hung or terminated|_test\.go:[0-9]+:' "$out"
}

fuzz() { # PACKAGE TARGET
  local try
  for try in 1 2 3; do
    if go test -tags "$tags" -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" >"$out" 2>&1; then
      cat "$out"
      return
    fi
    if ! raced; then
      cat "$out"
      return 1
    fi
    echo "fuzz: the toolchain's deadline race ended run $try of $2 without a finding; once more"
  done
  cat "$out"
  return 1
}

n=0
while IFS=: read -r file target; do
  pkg=./$(dirname "$file")
  echo "fuzz: $pkg $target ($time)"
  fuzz "$pkg" "$target"
  n=$((n + 1))
done < <(git ls-files '*_test.go' ':!pipeline/testbed' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //')
[ "$n" -gt 0 ] || { echo "fuzz: no fuzz target was found" >&2; exit 1; }
echo "fuzz: $n targets"
