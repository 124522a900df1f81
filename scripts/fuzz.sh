#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while, one on each core.
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
outs=$(mktemp -d)
trap 'rm -rf "$outs"' EXIT
export time outs tags=nobadger,nomysql,nopgx

# raced FILE tells whether the only complaint in it is the coordinator's.
raced() {
  grep -qx '    context deadline exceeded' "$1" &&
    ! grep -qE 'Failing input written|^panic:|^fatal error:|^    --- FAIL|hung or terminated|_test\.go:[0-9]+:' "$1"
}

fuzz() { # PACKAGE TARGET
  local try out=$outs/$2.$BASHPID
  for try in 1 2 3; do
    # One worker each: the other cores have targets of their own.
    if go test -tags "$tags" -run '^$' -fuzz "^$2\$" -fuzztime "$time" -parallel 1 "$1" >"$out" 2>&1; then
      printf 'fuzz: %s %s: %s\n' "$1" "$2" "$(grep -E '^fuzz: elapsed' "$out" | tail -n 1)"
      return
    fi
    if ! raced "$out"; then
      printf 'fuzz: %s %s FAILED\n' "$1" "$2"
      cat "$out"
      return 1
    fi
    echo "fuzz: the toolchain's deadline race ended run $try of $2 without a finding; once more"
  done
  cat "$out"
  return 1
}
export -f fuzz raced

targets=$(git ls-files '*_test.go' ':!pipeline/testbed' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed -E 's|/[^/]*:func | |')
n=$(printf '%s\n' "$targets" | grep -c . || true)
[ "$n" -gt 0 ] || { echo "fuzz: no fuzz target was found" >&2; exit 1; }
printf '%s\n' "$targets" | xargs -P "$(nproc)" -L 1 bash -euo pipefail -c 'fuzz "./$0" "$1"' ||
  { echo "fuzz: a target failed, see above" >&2; exit 1; }
echo "fuzz: $n targets"
