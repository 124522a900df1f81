package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/history/clickhouse"
)

// clickhouseLinger is how long rows wait for company: each insert makes a part
// that the server has to merge.
const clickhouseLinger = 5 * time.Second

// ClickHouseHistory writes klines, and trades if asked, into ClickHouse over
// HTTP. Read them with FINAL: a batch sent again is the same rows until the
// server merges them.
//
// ### Placeholders
//
// Placeholders are expanded once, when the config is loaded.
//
// Placeholder | Description
// ------------|-------------
// `{env.*}` | an environment variable
// `{file.*}` | the content of a file
type ClickHouseHistory struct {
	HistoryServer
	// Tables are what is written: trades, klines. Default: klines.
	Tables []string `json:"tables,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (ClickHouseHistory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.history.clickhouse", New: func() caddy.Module { return new(ClickHouseHistory) }}
}

// UnmarshalCaddyfile reads
//
//	history clickhouse {
//		address <host:port>
//		database <name>
//		username <name>
//		password <secret>
//		tables trades klines
//		sink_name <name>
//		tls {
//			ca <file>
//			cert <file>
//			key <file>
//		}
//	}
func (h *ClickHouseHistory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return h.parse(d, "clickhouse", tables(&h.Tables))
}

// Provision expands placeholders and reads secrets and files.
func (h *ClickHouseHistory) Provision(caddy.Context) error { return h.provision("8123") }

// Validate checks what is chosen from lists.
func (h *ClickHouseHistory) Validate() error {
	_, err := streamsOf(h.Tables)
	return err
}

// Sink implements History.
func (h *ClickHouseHistory) Sink() string { return nameOr(h.SinkName, "clickhouse") }

// Fingerprint implements History.
func (h *ClickHouseHistory) Fingerprint() string { return fingerprint(h, h.addr) }

// BuildHistory implements History.
func (h *ClickHouseHistory) BuildHistory(env historyEnv) (pipeline.History, error) {
	streams, err := streamsOf(h.Tables, history.Klines)
	if err != nil {
		return nil, err
	}
	cfg := h.config(env)
	return history.New(history.Config{
		Name: h.Sink(), Streams: streams, Linger: clickhouseLinger, Clock: env.clock, Observer: env.observer, Log: env.log,
		Open: func(s history.Stream) history.Sink {
			one := cfg
			one.Stream = s
			return clickhouse.New(one)
		},
	}), nil
}

// config is the server, without a stream.
func (h *ClickHouseHistory) config(env historyEnv) clickhouse.Config {
	return clickhouse.Config{
		Addr: h.addr, Database: h.Database, Credentials: lentCredentials(env.lender, loanOf(h)), TLS: h.tls(env.lender, loanOf(h)),
	}
}
