package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/history/line"
)

// lineLinger is how long rows wait for company.
const lineLinger = time.Second

// LineHistory writes klines in the line protocol over HTTP, to QuestDB or
// InfluxDB.
//
// ### Placeholders
//
// Placeholders are expanded once, when the config is loaded.
//
// Placeholder | Description
// ------------|-------------
// `{env.*}` | an environment variable
// `{file.*}` | the content of a file
type LineHistory struct {
	HistoryServer
	// Dialect is questdb or influxdb. Default: questdb.
	Dialect string `json:"dialect,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (LineHistory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.history.line", New: func() caddy.Module { return new(LineHistory) }}
}

// UnmarshalCaddyfile reads
//
//	history line {
//		address <host:port>
//		dialect questdb|influxdb
//		database <name>
//		username <name>
//		password <secret>
//		sink_name <name>
//		tls {
//			ca <file>
//			cert <file>
//			key <file>
//		}
//	}
func (h *LineHistory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return h.parse(d, "line", choice("dialect", &h.Dialect, "questdb", "influxdb"))
}

// Provision expands placeholders and reads secrets and files.
func (h *LineHistory) Provision(caddy.Context) error {
	port := "9000"
	if h.Dialect == "influxdb" {
		port = "8086"
	}
	return h.provision(port)
}

// Validate checks what is chosen from lists.
func (h *LineHistory) Validate() error {
	if h.Dialect != "" && h.Dialect != "questdb" && h.Dialect != "influxdb" {
		return fmt.Errorf("checking dialect: unknown value %q (allowed: questdb, influxdb)", cut(h.Dialect))
	}
	return nil
}

// Sink implements History.
func (h *LineHistory) Sink() string { return nameOr(h.SinkName, "line") }

// Fingerprint implements History.
func (h *LineHistory) Fingerprint() string { return fingerprint(h, h.addr) }

// BuildHistory implements History.
func (h *LineHistory) BuildHistory(env historyEnv) (pipeline.History, error) {
	cfg := line.Config{
		Addr: h.addr, Database: h.Database, Credentials: lentCredentials(env.lender, loanOf(h)), TLS: h.tls(env.lender, loanOf(h)),
	}
	if h.Dialect == "influxdb" {
		cfg.Dialect = line.InfluxDB
	}
	return history.New(history.Config{
		Name: h.Sink(), Streams: []history.Stream{history.Klines}, Linger: lineLinger,
		Clock: env.clock, Observer: env.observer, Log: env.log,
		Open: func(history.Stream) history.Sink { return line.New(cfg) },
	}), nil
}
