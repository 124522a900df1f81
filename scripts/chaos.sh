#!/usr/bin/env bash
# Breaks a cluster while trades flow and compares everything it published with the trades: see pipeline/testbed/chaos.
#
#   scripts/chaos.sh [-duration 4m] [-seed N] [-delivery transactional|idempotent] ...      (chaos -h lists all)
#
# Needs bin/caddy (make build) and the programs of scripts/install-test-deps.sh kcat redis kafka.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export KLINE_BIN=${KLINE_BIN:-$root/bin/caddy}
export KLINE_KAFKA=${KLINE_KAFKA:-$root/.cache/kafka/lib}
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
(cd "$root/pipeline/testbed" && go build -o "$tool/chaos" ./cmd/chaos)
"$tool/chaos" "$@"
