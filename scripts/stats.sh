#!/usr/bin/env bash
# Prints the sizes that CONTRIBUTING.md aims for: lines per file, tests per
# code, comments per code. A trend, not a gate.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
code=$(git ls-files '*.go' | grep -v '_test\.go$')
tests=$(git ls-files '*_test.go')
lines() { xargs cat | wc -l; }
quantile() { sort -n | awk -v q="$1" '{a[NR]=$1} END {i=int(NR*q); if (i<1) i=1; print a[i]}'; }
sizes=$(echo "$code" | xargs wc -l | awk '$2!="total" {print $1}')
printf 'files            %s\n' "$(echo "$code" | wc -l)"
printf 'lines            %s\n' "$(echo "$code" | lines)"
printf 'lines per file   median %s, p90 %s, max %s\n' "$(echo "$sizes" | quantile .5)" "$(echo "$sizes" | quantile .9)" "$(echo "$sizes" | sort -n | tail -1)"
printf 'test : code      %s\n' "$(echo "$tests" | lines | awk -v c="$(echo "$code" | lines)" '{printf "%.2f", $1/c}')"
printf 'comment : code   %s\n' "$(echo "$code" | xargs cat | awk '/^[ \t]*\/\//{c++} !/^[ \t]*\/\// && NF{n++} END {printf "%.2f", c/n}')"
printf 'fuzz targets     %s\n' "$(echo "$tests" | xargs grep -hE '^func Fuzz' | wc -l)"
