#!/usr/bin/env bash
# Prints what the failed tests of a `go test -v` log said, and nothing else:
# scripts/failures.sh LOG. A run of half an hour that fails shows its cause in
# its last lines this way, not somewhere among 10,000 tests that passed.
set -euo pipefail
awk '
# What the test itself said is kept apart: a log of a whole node that it
# started may stand between its words and its end.
function keep(name, line) {
  if (line ~ /^ *[a-z0-9_]+\.go:[0-9]+: /) { words[name] = words[name] line "\n"; return }
  said[name, ++n[name] % 40] = substr(line, 1, 300)
}
function show(name,    i) {
  printf "%s", substr(words[name], 1, 6000)
  for (i = n[name] < 40 ? 1 : n[name] - 39; i <= n[name]; i++) print "    " said[name, i % 40]
}
# A panic, a race or a timeout takes the package with it: its words belong to
# no test that would still report them.
/^(panic:|fatal error:|WARNING: DATA RACE|.*panic: test timed out)/ { loud = 60 }
loud > 0 { print; loud-- }
/^=== (RUN|NAME|CONT) / { now = $3; next }
/^=== PAUSE / { next }
/^ *--- FAIL: / { print; show($3); failed++; next }
/^ *--- (PASS|SKIP): / { now = ""; next }
/^FAIL\t/ { print; failed++; now = ""; next }
/^ok  \t/ || /^PASS$/ || /^FAIL$/ { now = ""; next }
{ if (now != "") keep(now, $0); else { last[++m % 30] = $0 } }
END {
  if (failed) exit
  print "no test reported a failure; the last lines of the log:"
  for (i = m < 30 ? 1 : m - 29; i <= m; i++) print "    " last[i % 30]
}' "$1"
