#!/usr/bin/env bash
# Installs the programs that the test bed starts as real processes. Each name is looked for first and left alone when it is there.
#
#   scripts/install-test-deps.sh kcat redis kafka postgres clickhouse questdb influxdb chromium java maven
#   (any subset; no name = kcat redis kafka)
#
#   kcat      Kafka client in C: the oracle reads topics with it
#   redis     redis-server, the binary only: the Debian service is neither started now nor at the next boot
#   postgres    PostgreSQL, likewise without its service and without a cluster of its own
#   clickhouse  clickhouse-server, likewise
#   questdb     java + maven + the QuestDB jar in .cache/questdb (scripts/fetch-questdb.sh)
#   influxdb    influxd 1.x, likewise
#   java      a Java runtime, 17 or newer
#   maven     Maven, which fetches jars
#   kafka     java + maven + the Apache Kafka jars in .cache/kafka (scripts/fetch-kafka.sh)
#   chromium  headless browser of the dashboard tests
#   clang     clang and wasm-ld: the C template of an indicator
#   rust      rustc with the target wasm32-unknown-unknown: the Rust template
#   asc       Node.js and the AssemblyScript compiler in .cache/npm: the AssemblyScript template
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

say() { printf '%s\n' "install-test-deps: $*"; }
die() { printf '%s\n' "install-test-deps: $*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "needs root to run '$*': run this script as root or install sudo"
  fi
}

# java_major prints the major version of the java in PATH, or 0.
java_major() {
  command -v java >/dev/null || { echo 0; return; }
  local line
  line=$(java -version 2>&1 | awk -F'"' '/version/ && !seen {print $2; seen = 1}')
  case $line in
    '') echo 0 ;;
    1.*) line=${line#1.}; echo "${line%%.*}" ;;
    *) line=${line%%.*}; echo "${line%%-*}" ;;
  esac
}

apt_ready=
apt_install() {
  if ! command -v apt-get >/dev/null; then
    die "no apt-get on this system: install $1 with your package manager (Debian calls the package '$2') and run this again"
  fi
  if [ -z "$apt_ready" ] && ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
    say "no package lists yet: apt-get update"
    as_root apt-get update -q
  fi
  apt_ready=1
  say "installing $2"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$2" ||
    die "apt-get could not install $2: if the lists are old run 'apt-get update' and try again"
}

# A package with a service starts it while it is being installed. The suites start their own servers on their own
# ports, and a service that came with a test run would stay behind for ever: policy-rc.d keeps it from starting, and
# disable keeps it away at the next boot. A service that was installed before is never touched.
install_service() { # what package service
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
    made=1
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt_install "$1" "$2"
  if [ -n "$made" ]; then
    as_root rm -f "$policy"
    trap - EXIT
  fi
  # Both work on the links alone, where no init system is running as well.
  if command -v systemctl >/dev/null; then
    as_root systemctl disable "$3" >/dev/null 2>&1 || die "could not disable the $3 service: run 'systemctl disable $3'"
  elif command -v update-rc.d >/dev/null; then
    as_root update-rc.d "$3" disable >/dev/null
  fi
}

# postgres_bin prints the folder of the newest PostgreSQL's programs; Debian keeps them out of PATH.
postgres_bin() {
  local newest
  newest=$(find /usr/lib/postgresql -maxdepth 3 -name initdb 2>/dev/null | sort -V | tail -n 1)
  [ -n "$newest" ] || newest=$(command -v initdb || true)
  [ -z "$newest" ] || dirname "$newest"
}

# The package would also make a cluster for its service; ours are made by the tests, each in a folder of its own.
install_postgres() {
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    as_root sh -c "printf 'create_main_cluster = false\n' > /etc/postgresql-common/createcluster.conf"
  fi
  install_service PostgreSQL postgresql postgresql
}

need_java() {
  if [ "$(java_major)" -ge 17 ]; then return; fi
  apt_install 'a Java runtime, 17 or newer,' default-jre-headless
  [ "$(java_major)" -ge 17 ] || die "java is version $(java_major), the Kafka jars need 17 or newer: install a newer one and put it first in PATH"
}

need_maven() {
  command -v mvn >/dev/null || apt_install Maven maven
}

# A toolchain of rustup takes the target from there. Without one, or where it
# cannot be fetched, the distribution's compiler and target do: `make sdk` looks
# into .cache/npm first.
need_rust() {
  local bin=$root/.cache/npm/node_modules/.bin
  if command -v rustup >/dev/null; then
    rustup target add wasm32-unknown-unknown >/dev/null 2>&1 && return
    say "rustup could not add the target wasm32-unknown-unknown, taking the distribution's compiler"
    [ -x /usr/bin/rustc ] || apt_install Rust rustc
    mkdir -p "$bin" && ln -sf /usr/bin/rustc "$bin/rustc"
    export PATH=$bin:$PATH
  fi
  command -v rustc >/dev/null || apt_install Rust rustc
  ls "$(rustc --print target-libdir --target wasm32-unknown-unknown)"/libstd-*.rlib >/dev/null 2>&1 || apt_install 'the Rust target wasm32' libstd-rust-dev-wasm32
  command -v wasm-ld >/dev/null || apt_install wasm-ld lld
}

need_asc() {
  command -v node >/dev/null || apt_install Node.js nodejs
  command -v npm >/dev/null || apt_install npm npm
  [ -x "$root/.cache/npm/node_modules/.bin/asc" ] ||
    npm install --silent --no-audit --no-fund --prefix "$root/.cache/npm" assemblyscript@0.28.20 ||
    die "npm could not install assemblyscript: is the npm registry reachable?"
}

report() { say "$1: $2"; }

install_one() {
  case $1 in
    kcat)
      command -v kcat >/dev/null || apt_install kcat kcat
      report kcat "$(kcat -V 2>&1 | awk '/^Version/ {print $2; exit}')" ;;
    redis)
      command -v redis-server >/dev/null || install_service redis-server redis-server redis-server
      report redis "$(redis-server --version | awk '{print $3}')" ;;
    java)
      need_java
      report java "$(java_major)" ;;
    maven)
      need_maven
      report maven "$(mvn -v 2>/dev/null | awk 'NR == 1 {gsub(/\033\[[0-9;]*m/, ""); v = $3} END {print v}')" ;;
    kafka)
      need_java
      need_maven
      "$here/fetch-kafka.sh" "$root/.cache/kafka" ;;
    postgres)
      [ -n "$(postgres_bin)" ] || install_postgres
      report postgres "$("$(postgres_bin)/postgres" --version | awk '{print $3}')" ;;
    clickhouse)
      command -v clickhouse-server >/dev/null || install_service clickhouse-server clickhouse-server clickhouse-server
      report clickhouse "$(command -v clickhouse-server)" ;;
    influxdb)
      command -v influxd >/dev/null || install_service influxd influxdb influxdb
      report influxdb "$(influxd version 2>/dev/null | awk '{print $2}')" ;;
    questdb)
      need_java
      need_maven
      "$here/fetch-questdb.sh" "$root/.cache/questdb" ;;
    chromium)
      command -v chromium >/dev/null || apt_install chromium chromium
      report chromium "$(chromium --version 2>/dev/null | awk '{print $2}')" ;;
    clang)
      command -v clang >/dev/null || apt_install clang clang
      command -v wasm-ld >/dev/null || apt_install wasm-ld lld
      report clang "$(clang --version | awk 'NR == 1 {for (i = 1; i < NF; i++) if ($i == "version") print $(i + 1)}')" ;;
    rust)
      need_rust
      report rust "$(rustc --version | awk '{print $2}')" ;;
    asc)
      need_asc
      report asc "$("$root/.cache/npm/node_modules/.bin/asc" --version | awk '{print $2}')" ;;
    *)
      die "unknown name '$1' (allowed: kcat, redis, kafka, postgres, clickhouse, questdb, influxdb, chromium, java, maven, clang, rust, asc)" ;;
  esac
}

[ $# -gt 0 ] || set -- kcat redis kafka
for name in "$@"; do install_one "$name"; done
