#!/usr/bin/env bash
# Fetches the Apache Kafka server jars with Maven: DIR/pom.xml, DIR/lib/*.jar, about 44 MB.
#
#   scripts/fetch-kafka.sh [DIR]        DIR defaults to .cache/kafka of the repository
#
# A second run with the jars in place does nothing. Needs Maven, and Java 17 or newer to run what it fetches.
set -euo pipefail

# Pinned: 4.4.0 names a dependency that was not published (kafka-tools-api:4.4.0) and does not resolve.
version=4.3.1
log4j=2.25.4

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${1:-$root/.cache/kafka}

say() { printf '%s\n' "fetch-kafka: $*"; }
die() { printf '%s\n' "fetch-kafka: $*" >&2; exit 1; }

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
stamp=$dir/lib/.complete

# The cache ignores itself, so that it needs no line in the repository's .gitignore.
case $dir in "$root"/.cache/*) printf '*\n' >"$root/.cache/.gitignore" ;; esac

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$version $log4j" ]; then
  say "Apache Kafka $version is in $dir/lib already"
  exit 0
fi
command -v mvn >/dev/null || die "Maven is missing: run scripts/install-test-deps.sh maven"

cat >"$dir/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>kline.test</groupId><artifactId>kafka-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$log4j</version></dependency>
  </dependencies></project>
POM

say "fetching Apache Kafka $version into $dir/lib"
rm -rf "$dir/lib"
(cd "$dir" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib) ||
  die "Maven could not fetch the jars: read its message above; is Maven Central, or the mirror of your settings.xml, reachable?"
[ -f "$dir/lib/kafka_2.13-$version.jar" ] || die "Maven ended well, but lib/kafka_2.13-$version.jar is not there: remove $dir and run this again"

# The stamp comes last: an interrupted run is repeated whole instead of leaving half a class path that fails to start.
printf '%s\n' "$version $log4j" >"$stamp"
say "$(find "$dir/lib" -name '*.jar' | wc -l | tr -d ' ') jars, $(du -sh "$dir/lib" | cut -f1)"
