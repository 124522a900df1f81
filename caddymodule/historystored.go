package caddymodule

import (
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/history/clickhouse"
	"github.com/caddy-kline/caddy-kline/pipeline/history/postgres"
	"github.com/caddy-kline/caddy-kline/pipeline/transfer"
)

// openSink implements stored. Nothing is removed by its age: that is the
// business of the node.
func (h *PostgresHistory) openSink(env historyEnv, s history.Stream) history.Sink {
	cfg := h.config(env)
	cfg.Stream = s
	return postgres.New(cfg)
}

// openReader implements stored.
func (h *PostgresHistory) openReader(env historyEnv) transfer.Reader {
	return &transfer.HistoryReader{From: postgres.NewScanner(h.config(env))}
}

func (h *PostgresHistory) where() string {
	return h.addr + "/" + nameOr(h.Database, "kline") + "/" + nameOr(h.Schema, "kline")
}

// openSink implements stored.
func (h *ClickHouseHistory) openSink(env historyEnv, s history.Stream) history.Sink {
	cfg := h.config(env)
	cfg.Stream = s
	return clickhouse.New(cfg)
}

// openReader implements stored.
func (h *ClickHouseHistory) openReader(env historyEnv) transfer.Reader {
	return &transfer.HistoryReader{From: clickhouse.New(h.config(env))}
}

func (h *ClickHouseHistory) where() string { return h.addr + "/" + nameOr(h.Database, "kline") }

var (
	_ stored = (*PostgresHistory)(nil)
	_ stored = (*ClickHouseHistory)(nil)
)
