#!/usr/bin/env bash
# Proves that a binary lists the modules of this repository and serves the
# sample Caddyfile.
#
#   scripts/check-xcaddy.sh BINARY
set -euo pipefail
bin=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "check-xcaddy: $*"; }
die() { printf '%s\n' "check-xcaddy: $*" >&2; exit 1; }

listed=$("$bin" list-modules)
for m in kline kline.sources.embedded kline.sources.kafka kline.stores.memory kline.stores.redis kline.feeds.replay \
  http.handlers.klines http.handlers.kline_stream http.handlers.kline_indicators http.handlers.kline_dashboard admin.api.kline; do
  grep -qx "$m" <<<"$listed" || die "$bin does not list $m"
done
say "all modules are listed"

home=$(mktemp -d)
port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])' 2>/dev/null || echo "$((20000 + RANDOM % 20000))"; }
http=$(port)
broker=$(port)
admin=$(port)
sed -e "s,:8080,http://127.0.0.1:$http," -e "s|source embedded\$|source embedded {\n\t\t\tlisten 127.0.0.1:$broker\n\t\t}|" \
  -e "0,/{/s//{\n\tadmin 127.0.0.1:$admin/" Caddyfile >"$home/Caddyfile"
# The sample names its data by a path relative to the repository: the binary is
# started here, its own data goes elsewhere.
XDG_DATA_HOME=$home/data XDG_CONFIG_HOME=$home/config "$bin" run --config "$home/Caddyfile" --adapter caddyfile >"$home/log" 2>&1 &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true; rm -rf "$home"' EXIT
for _ in $(seq 1 600); do
  kill -0 $pid 2>/dev/null || { tail -5 "$home/log" >&2; die "the binary ended early"; }
  body=$(curl -fsS "http://127.0.0.1:$http/v1/klines?sym=BTCUSD&itv=1m&limit=2" 2>/dev/null || true)
  case $body in *'"final":true'*) say "the sample serves klines"; break ;; esac
  sleep 0.2
done
case ${body:-} in *'"final":true'*) ;; *) tail -5 "$home/log" >&2; die "no closed kline after two minutes: $body" ;; esac
# Read whole before it is looked at: a grep that has seen enough would break the
# pipe under curl, and that counts as a failure.
page=$(curl -fsS "http://127.0.0.1:$http/") || die "the dashboard was not served"
grep -qi '<html' <<<"$page" || die "what is served as the dashboard is no page: ${page:0:200}"
kill -TERM $pid
wait $pid || die "the binary ended with code $?"
say "it served the dashboard and stopped cleanly"
