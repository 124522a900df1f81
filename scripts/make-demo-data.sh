#!/usr/bin/env bash
# Makes the demo's trades, docs/demo/trades.csv.gz and docs/demo/synthetic.csv.gz, from their sources. The same input gives the
# same bytes, so a second run changes nothing in git.
#
#   scripts/make-demo-data.sh
#
# trades     the first 30,000 trades of the Bitstamp file in org.ta4j:ta4j-examples:0.18 (MIT): BTC/USD from 2013-11-25.
#            Rows with amount 0 are left out. The file has whole seconds: the k-th of the n trades in one second is put at
#            k*1000/n ms into it, so that the order of the file is the order of time. Zeros at the end of decimals are cut.
# synthetic  20,000 made-up trades over the same span: a random walk with a fixed seed (pipeline/testbed/cmd/synthetic).
#
# Both: gzip of CSV, header ts,price,size; ts in ms since 1970 UTC. No ids: the replay numbers the lines.
# Needs Maven, Go, gzip, and unzip or a JDK's jar.
set -euo pipefail
export LC_ALL=C

artifact=org.ta4j:ta4j-examples:0.18
jar=ta4j-examples-0.18.jar
csv=bitstamp_trades_from_20131125_usd.csv
take=30000
seed=20131125

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache/demo
out=$root/docs/demo

say() { printf '%s\n' "make-demo-data: $*"; }
die() { printf '%s\n' "make-demo-data: $*" >&2; exit 1; }

mkdir -p "$cache" "$out"
printf '*\n' >"$root/.cache/.gitignore"
command -v go >/dev/null || die "Go is missing: install the version that go.mod names"

if [ ! -f "$cache/$jar" ]; then
  command -v mvn >/dev/null || die "Maven is missing: run scripts/install-test-deps.sh maven"
  say "fetching $artifact"
  (cd "$cache" && mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory="$cache") ||
    die "Maven could not fetch $artifact: read its message above; is Maven Central, or the mirror of your settings.xml, reachable?"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if command -v unzip >/dev/null; then
  unzip -q -o "$cache/$jar" "$csv" -d "$work"
elif command -v jar >/dev/null; then
  (cd "$work" && jar xf "$cache/$jar" "$csv")
else
  die "neither unzip nor jar is there to open $jar: install unzip"
fi
[ -s "$work/$csv" ] || die "$csv is not in $jar"

# Whole seconds only: the last second is dropped when the count ends inside it, because its trades could not be spread.
# The time stays text (seconds, then three digits): some awks print large integers as floats.
say "spreading the first $take trades inside their seconds"
tr -d '\r' <"$work/$csv" | awk -F, -v take="$take" '
  function plain(text) { if (text ~ /\./) { sub(/0+$/, "", text); sub(/\.$/, "", text) } return text }
  function flush(  k) {
    for (k = 0; k < n; k++) printf "%s%03d,%s,%s\n", second, int(k * 1000 / n), price[k], size[k]
    written += n; n = 0
  }
  BEGIN { print "ts,price,size" }
  full || $1 !~ /^[0-9]+$/ { next } # read to the end: an early exit would break the pipe, and pipefail the script
  $3 + 0 == 0 { zero++; next }
  $1 != second { flush(); second = $1 }
  { price[n] = plain($2); size[n] = plain($3); n++; if (written + n > take) { n = 0; full = 1 } }
  END {
    flush()
    printf "make-demo-data: %d trades, %d with amount 0 left out\n", written, zero > "/dev/stderr"
  }' >"$work/trades.csv"
gzip -9 -n -c "$work/trades.csv" >"$work/trades.csv.gz"
mv "$work/trades.csv.gz" "$out/trades.csv.gz"

first=$(sed -n 2p "$work/trades.csv" | cut -d, -f1)
last=$(tail -n 1 "$work/trades.csv" | cut -d, -f1)
say "walking 20000 synthetic trades from $first to $last"
(cd "$root/pipeline/testbed" && go run ./cmd/synthetic -seed "$seed" -trades 20000 -from "$first" -to "$last") >"$work/synthetic.csv"
gzip -9 -n -c "$work/synthetic.csv" >"$work/synthetic.csv.gz"
mv "$work/synthetic.csv.gz" "$out/synthetic.csv.gz"
(cd "$out" && ls -l trades.csv.gz synthetic.csv.gz && sha256sum trades.csv.gz synthetic.csv.gz)
