#!/usr/bin/env bash
# Fetches QuestDB, one jar without dependencies, with Maven: DIR/questdb-VERSION.jar, about 30 MB.
#
#   scripts/fetch-questdb.sh [DIR]        DIR defaults to .cache/questdb of the repository
#
# A second run with the jar in place does nothing. Needs Maven, and Java 17 or newer to run what it fetches.
set -euo pipefail

# Pinned: the last line whose class files Java 17 reads.
version=9.3.4

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${1:-$root/.cache/questdb}

say() { printf '%s\n' "fetch-questdb: $*"; }
die() { printf '%s\n' "fetch-questdb: $*" >&2; exit 1; }

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
jar=$dir/questdb-$version.jar

# The cache ignores itself, so that it needs no line in the repository's .gitignore.
case $dir in "$root"/.cache/*) printf '*\n' >"$root/.cache/.gitignore" ;; esac

if [ -f "$jar" ]; then
  say "QuestDB $version is in $dir already"
  exit 0
fi
command -v mvn >/dev/null || die "Maven is missing: run scripts/install-test-deps.sh maven"

cat >"$dir/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>kline.test</groupId><artifactId>questdb-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.questdb</groupId><artifactId>questdb</artifactId><version>$version</version></dependency>
  </dependencies></project>
POM

say "fetching QuestDB $version into $dir"
rm -rf "$dir/lib"
(cd "$dir" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DincludeArtifactIds=questdb -DoutputDirectory=lib) ||
  die "Maven could not fetch the jar: read its message above; is Maven Central, or the mirror of your settings.xml, reachable?"
[ -f "$dir/lib/questdb-$version.jar" ] || die "Maven ended well, but lib/questdb-$version.jar is not there: remove $dir and run this again"

# Moved last: an interrupted run is repeated whole.
mv "$dir/lib/questdb-$version.jar" "$jar"
rmdir "$dir/lib" 2>/dev/null || true
say "$(du -sh "$jar" | cut -f1)"
