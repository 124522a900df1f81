#!/usr/bin/env bash
# Fetches the chart library from npm at the locked version, checks it and copies it where the build embeds it.
#
#   scripts/fetch-chart.sh
#
# npm checks the package against the lock file's hash; this script checks the one file that is embedded. A second run with the
# right file in place does nothing. Needs npm, and sha256sum or shasum.
set -euo pipefail

version=5.2.1
sha256=e21cc5caa0226ef30bd8549c50b9ef926615f2a4ee6b4e486353477a55f598cf

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source=$root/caddymodule/dashboard
target=$source/vendor/lightweight-charts.js
work=$root/.cache/chart

say() { printf '%s\n' "fetch-chart: $*"; }
die() { printf '%s\n' "fetch-chart: $*" >&2; exit 1; }

digest() {
  if command -v sha256sum >/dev/null; then
    sha256sum "$1" | cut -d' ' -f1
  elif command -v shasum >/dev/null; then
    shasum -a 256 "$1" | cut -d' ' -f1
  else
    die "neither sha256sum nor shasum is installed: the library cannot be checked"
  fi
}

if [ -f "$target" ] && [ "$(digest "$target")" = "$sha256" ]; then
  touch "$target" # newer than the lock file, so that make does not ask again
  say "lightweight-charts $version is in place"
  exit 0
fi
command -v npm >/dev/null || die "npm is missing: apt-get install npm, or build with plain 'go build': the page then loads the library from its pinned address"

mkdir -p "$work"
# The cache ignores itself, so that it needs no line in the repository's .gitignore.
printf '*\n' >"$root/.cache/.gitignore"
cp "$source/package.json" "$source/package-lock.json" "$work/"

say "fetching lightweight-charts $version"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
  die "npm could not install from the lock file: read its message above; is the registry of your npm settings reachable?"

file=$work/node_modules/lightweight-charts/dist/lightweight-charts.standalone.production.js
[ -f "$file" ] || die "npm ended well, but the package has no dist/$(basename "$file"): remove $work and run this again"
got=$(digest "$file")
[ "$got" = "$sha256" ] || die "the library's sha256 is $got instead of $sha256: it is not the file that was reviewed, nothing was copied"

# A copy and a rename: a build that runs at the same time never embeds half a file.
cp "$file" "$target.new"
chmod 0644 "$target.new"
mv "$target.new" "$target"
say "lightweight-charts $version is in caddymodule/dashboard/vendor, $(wc -c <"$target" | tr -d ' ') bytes"
