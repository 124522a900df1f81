package caddymodule

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/history/postgres"
)

// PostgresHistory writes raw trades and final klines into PostgreSQL, each row
// once: the position in the topic is part of the transaction of the rows.
//
// ### Placeholders
//
// Placeholders are expanded once, when the config is loaded.
//
// Placeholder | Description
// ------------|-------------
// `{env.*}` | an environment variable
// `{file.*}` | the content of a file
type PostgresHistory struct {
	HistoryServer
	// Schema holds the tables and nothing else; it is made if it is missing. Default: kline.
	Schema string `json:"schema,omitempty"`
	// Tables are what is written: trades, klines. Default: both.
	Tables []string `json:"tables,omitempty"`
	// Partition is the length of a partition of the table of trades: day or month. Default: day.
	Partition string `json:"partition,omitempty"`
	// KeepTrades is how old trades may grow before their partition is dropped. Default: for ever.
	KeepTrades *caddy.Duration `json:"keep_trades,omitempty"`
	// KeepKlines is how old klines may grow before their partition is dropped. Default: for ever.
	KeepKlines *caddy.Duration `json:"keep_klines,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (PostgresHistory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.history.postgres", New: func() caddy.Module { return new(PostgresHistory) }}
}

// UnmarshalCaddyfile reads
//
//	history postgres {
//		address <host:port>
//		database <name>
//		username <name>
//		password <secret>
//		schema <name>
//		tables trades klines
//		partition day|month
//		keep_trades <duration>
//		keep_klines <duration>
//		sink_name <name>
//		tls {
//			ca <file>
//			cert <file>
//			key <file>
//		}
//	}
func (h *PostgresHistory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return h.parse(d, "postgres",
		named("schema", &h.Schema),
		tables(&h.Tables),
		choice("partition", &h.Partition, "day", "month"),
		positive("keep_trades", &h.KeepTrades),
		positive("keep_klines", &h.KeepKlines),
	)
}

// Provision expands placeholders and reads secrets and files.
func (h *PostgresHistory) Provision(caddy.Context) error { return h.provision("5432") }

// Validate checks what is chosen from lists.
func (h *PostgresHistory) Validate() error {
	if _, err := streamsOf(h.Tables); err != nil {
		return err
	}
	if h.Partition != "" && h.Partition != "day" && h.Partition != "month" {
		return fmt.Errorf("checking partition: unknown value %q (allowed: day, month)", cut(h.Partition))
	}
	for _, keep := range []*caddy.Duration{h.KeepTrades, h.KeepKlines} {
		if keep != nil && *keep <= 0 {
			return errors.New("checking keep_trades and keep_klines: not above 0")
		}
	}
	return checkName("schema", h.Schema)
}

// Sink implements History.
func (h *PostgresHistory) Sink() string { return nameOr(h.SinkName, "postgres") }

// Fingerprint implements History.
func (h *PostgresHistory) Fingerprint() string { return fingerprint(h, h.addr) }

// BuildHistory implements History.
func (h *PostgresHistory) BuildHistory(env historyEnv) (pipeline.History, error) {
	streams, err := streamsOf(h.Tables, history.Trades, history.Klines)
	if err != nil {
		return nil, err
	}
	cfg := h.config(env)
	keep := map[history.Stream]*caddy.Duration{history.Trades: h.KeepTrades, history.Klines: h.KeepKlines}
	return history.New(history.Config{
		Name: h.Sink(), Streams: streams, Clock: env.clock, Observer: env.observer, Log: env.log,
		Open: func(s history.Stream) history.Sink {
			one := cfg
			one.Stream = s
			if k := keep[s]; k != nil {
				one.Keep = time.Duration(*k)
			}
			return postgres.New(one)
		},
	}), nil
}

// config is the server, without a stream.
func (h *PostgresHistory) config(env historyEnv) postgres.Config {
	cfg := postgres.Config{
		Addr: h.addr, Database: h.Database, Schema: h.Schema, Credentials: lentCredentials(env.lender, loanOf(h)),
		TLS: h.tls(env.lender, loanOf(h)), Clock: env.clock, Log: env.log,
	}
	if h.Partition == "month" {
		cfg.Period = postgres.Month
	}
	return cfg
}

func nameOr(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}
