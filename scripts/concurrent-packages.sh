#!/usr/bin/env bash
# Lists the packages of this module in which more than one goroutine can be at work,
# or with -not the others: what the race detector has to look at, and where it finds
# nothing but makes a test five times as slow.
#
#   scripts/concurrent-packages.sh [-not]
#
# A package is concurrent if its code or its tests start a goroutine or a server, or use a lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
words='^[^/"]*\b(go func|go [a-zA-Z_.]+\(|safego\.|sync\.|atomic\.|errgroup\.|synctest\.|httptest\.|net\.Listen|t\.Parallel\()'
${GO:-go} list -tags "${TAGS:-}" -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r path dir; do
  rc=0
  grep -qE "$words" "$dir"/*.go || rc=$?
  case $rc,${1:-} in
    0, | 1,-not) echo "$path" ;;
    0,-not | 1,) ;;
    *) echo "concurrent-packages: reading $dir failed" >&2; exit 1 ;;
  esac
done
