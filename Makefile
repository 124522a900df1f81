# caddy-kline: `make run` shows the chart, `make test` runs all that needs no big server.
# `make help` lists the targets.

M        := github.com/caddy-kline/caddy-kline
TAGS     := nobadger,nomysql,nopgx
GO       ?= go
TESTBED  := pipeline/testbed
CHART    := caddymodule/dashboard/vendor/lightweight-charts.js
LINT     := v2.15.0
FUZZTIME ?= 15s
TESTFLAGS ?=
# What works on bytes that one goroutine has is not looked at by the race detector: RATIONALE.md says why.
WAZERO   := github.com/tetratelabs/wazero/internal
WAZEVO   := $(WAZERO)/engine/wazevo
UNRACED  := $(WAZEVO)/backend/... $(WAZEVO)/frontend $(WAZEVO)/ssa $(WAZERO)/wasm/binary $(WAZERO)/leb128 \
            github.com/caddy-kline/caddy-kline/wasmhost/guard github.com/klauspost/compress/... compress/...
RACE     := -race $(foreach p,$(UNRACED),-gcflags=$(p)=-race=false)
SIM_SEEDS      ?= 100000
SIM_SEEDS_LONG ?= 1000000
# Seeds of whole nodes in virtual time.
NODE_SEEDS      := 500
NODE_SEEDS_LONG := 10000
NODES            = $(NODE_SEEDS)
SIM_FIRST      ?= 0
SEED           ?= 0

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

.PHONY: help run build chart check-tools test vet unit testbed test-embedded test-browser test-servers screenshot \
        sim sim-long sim-core sim-nodes chaos chaos-cluster chaos-embedded soak attacks mutants sdk bench fuzz wasm wasm-check xcaddy fault-matrix lint fmt stats clean deps-test

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

## ---- the main job -------------------------------------------------------

run: build ## build, start on embedded defaults, print the address
	@echo "==> http://localhost:8080 shows the chart; Ctrl-C stops cleanly, the next start goes on where this one ended"
	@exec bin/caddy run --config Caddyfile

build: check-tools chart ## build bin/caddy with the plugin and the embedded chart library
	@echo "==> building bin/caddy (the first build of Caddy takes about two minutes)"
	@mkdir -p bin
	@$(GO) build -trimpath -ldflags "-s -w" -tags $(TAGS) -o bin/caddy ./caddymodule/cmd/caddy

check-tools:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.26 or newer from your distribution or go.dev"; exit 1; }
	@command -v git >/dev/null || { echo "git is missing: apt-get install git"; exit 1; }

chart: $(CHART) ## fetch the chart library from npm at the locked version and check it

$(CHART): caddymodule/dashboard/package-lock.json scripts/fetch-chart.sh
	@scripts/fetch-chart.sh

## ---- tests --------------------------------------------------------------

deps-test: ## install the small programs that make test needs (kcat)
	@scripts/install-test-deps.sh kcat

test: vet unit testbed test-embedded ## everything that needs no big server

vet: chart ## go vet over both modules
	@echo "==> vet"
	@$(GO) vet -tags $(TAGS) ./...
	@cd $(TESTBED) && $(GO) vet ./...

unit: chart ## unit, property and golden tests, with the race detector wherever goroutines are
	@echo "==> unit tests with the race detector"
	@packages=$$(GO=$(GO) TAGS=$(TAGS) scripts/concurrent-packages.sh); $(GO) test $(TESTFLAGS) $(RACE) -tags $(TAGS) -timeout 30m $$packages
	@echo "==> unit tests of what runs on one goroutine"
	@packages=$$(GO=$(GO) TAGS=$(TAGS) scripts/concurrent-packages.sh -not); $(GO) test $(TESTFLAGS) -tags $(TAGS) -timeout 30m $$packages

testbed: deps-test ## the oracle and the readers of market data
	@echo "==> test bed: oracle, market data"
	@cd $(TESTBED) && $(GO) test $(TESTFLAGS) ./oracle ./marketdata ./load ./chaos ./cmd/...

test-embedded: build deps-test ## the built binary on embedded defaults: oracle, kill -9, SSE
	@echo "==> end to end on embedded defaults"
	@cd $(TESTBED) && KLINE_BIN=$(CURDIR)/bin/caddy $(GO) test $(TESTFLAGS) -count=1 -parallel 4 -timeout 20m ./e2e -run 'Embedded'

test-browser: build ## the page: its modules in Node.js, all of it in real Chromium
	@scripts/install-test-deps.sh chromium
	@echo "==> the modules of the page"
	@cd caddymodule/dashboard && node --test --test-reporter=dot test/*.test.js
	@echo "==> the page in Chromium"
	@cd $(TESTBED) && KLINE_BIN=$(CURDIR)/bin/caddy $(GO) test $(TESTFLAGS) -count=1 -timeout 10m ./browser

screenshot: build ## the picture of the README, taken anew by the browser test
	@scripts/install-test-deps.sh chromium
	@cd $(TESTBED) && KLINE_SCREENSHOT=$(CURDIR)/docs/screenshot.png KLINE_BIN=$(CURDIR)/bin/caddy $(GO) test -count=1 ./browser -run Screenshot

test-servers: build ## the same suite on a real Apache Kafka, redis-server, PostgreSQL, ClickHouse, QuestDB and InfluxDB
	@scripts/install-test-deps.sh kcat redis kafka postgres clickhouse questdb influxdb
	@echo "==> end to end on Apache Kafka, redis-server and the databases"
	@cd $(TESTBED) && KLINE_BIN=$(CURDIR)/bin/caddy $(GO) test $(TESTFLAGS) -count=1 -parallel 6 -timeout 45m ./e2e ./server -run 'Servers|Redis|Kafka|Postgres|Databases'

sim: SEEDS = $(SIM_SEEDS)
sim: sim-core sim-nodes ## deterministic schedules of crashes, lost replies, zombies: 100,000 of them (two minutes)

sim-long: SEEDS = $(SIM_SEEDS_LONG)
sim-long: NODES = $(NODE_SEEDS_LONG)
sim-long: sim-core sim-nodes ## 1,000,000 of them; SIM_FIRST=N begins at another seed

sim-core:
	@echo "==> core schedules: $(SEEDS) seeds from $(SIM_FIRST)"
	@GOGC=400 $(GO) test $(TESTFLAGS) -tags none -count=1 -timeout 60m ./pipeline/schedule -run 'TestSchedule$$' -v -seeds=$(SEEDS) -first=$(SIM_FIRST)

sim-nodes: ## whole nodes against brokers in virtual time: 500 seeds of kills, moves and faults (two minutes)
	@echo "==> whole nodes in virtual time: $(NODES) seeds"
	@$(GO) test $(TESTFLAGS) -tags synctests -count=1 -timeout 90m ./pipeline/sim -v -seeds=$(NODES)

chaos: chaos-cluster chaos-embedded ## kill nodes, brokers and Redis for 4 minutes while trades flow, then compare; SEED=N repeats a plan

chaos-cluster: build
	@scripts/install-test-deps.sh kcat redis kafka
	@echo "==> chaos: three nodes, three brokers, transactions"
	@scripts/chaos.sh -duration 3m -seed $(SEED)

chaos-embedded: build
	@scripts/install-test-deps.sh kcat redis kafka
	@echo "==> chaos: one node, embedded broker"
	@scripts/chaos.sh -duration 1m -seed $(SEED) -delivery idempotent -symbols 10 -rate 300

soak: build ## the same for 30 minutes
	@scripts/install-test-deps.sh kcat redis kafka
	@scripts/chaos.sh -duration 30m -seed $(SEED) -streams 60
	@scripts/chaos.sh -duration 10m -seed $(SEED) -delivery idempotent -symbols 10 -rate 300

sdk: ## indicator templates in Go, Rust, C, AssemblyScript build, pass vet, give the same bits
	@scripts/install-test-deps.sh clang rust asc
	@echo "==> indicator templates in four languages"
	@PATH="$(CURDIR)/.cache/npm/node_modules/.bin:$$PATH" $(GO) test $(TESTFLAGS) -tags sdktools -count=1 ./wasmhost/sdk

attacks: build ## every hostile module of the catalogue is uploaded to the built binary while trades flow: none has an effect
	@scripts/install-test-deps.sh kcat
	@echo "==> hostile uploads"
	@cd $(TESTBED) && KLINE_ATTACKS=all KLINE_BIN=$(CURDIR)/bin/caddy $(GO) test -v -count=1 -timeout 60m ./e2e -run 'EmbeddedHostileUploads'

mutants: ## take guarantees away one by one: the named test of each has to fail
	@scripts/install-test-deps.sh redis
	@echo "==> mutants"
	@cd $(TESTBED) && $(GO) run ./cmd/mutants -root ../.. -tags $(TAGS)

fuzz: ## every fuzz target for FUZZTIME (default 15s)
	@scripts/fuzz.sh $(FUZZTIME)

bench: build ## ratios against the limits of DESIGN.md, one "figure:" line each
	@scripts/bench.sh

## ---- generated things ---------------------------------------------------

wasm: ## rebuild the built-in indicator module
	@indicators-wasm/build.sh

wasm-check: wasm ## fail if the committed module is not what the sources give
	@git diff --exit-code --stat -- indicators-wasm/builtin.wasm || { echo "indicators-wasm/builtin.wasm differs from its sources: commit the result of 'make wasm'"; exit 1; }

xcaddy: ## build bin/caddy-xcaddy from xcaddy.json, as a plugin user would
	@$(GO) mod download
	@echo "==> building bin/caddy-xcaddy from xcaddy.json"
	@mkdir -p bin
	@# xcaddy builds in a module of its own. It takes what 'go mod download' has checked against our go.sum, so
	@# that it needs no network, and nobody is asked for the path of our own module; hence no checksum database.
	@GOSUMDB=off GOPROXY=file://$$($(GO) env GOMODCACHE)/cache/download $(GO) run -tags $(TAGS) ./caddymodule/cmd/xcaddyjson xcaddy.json bin/caddy-xcaddy

fault-matrix: ## write docs/fault-matrix.md anew from the names of the tests
	@cd $(TESTBED) && $(GO) run ./cmd/faultmatrix -root ../..

## ---- upkeep -------------------------------------------------------------

lint: ## golangci-lint at the pinned version
	@scripts/lint.sh $(LINT)

fmt: ## gofmt and caddy fmt
	@gofmt -w $$(git ls-files '*.go')

stats: ## size of files and functions, tests per code: a trend, not a gate
	@scripts/stats.sh

clean: ## remove what the build made
	@rm -rf bin .cache
