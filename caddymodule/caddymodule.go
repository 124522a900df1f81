// Package caddymodule is caddy-kline as Caddy sees it: the words of the
// Caddyfile, the life of the engine between reloads, the HTTP handlers, the
// metrics and the command line. It is the only package that knows Caddy.
//
// The central type is App. Each loaded configuration has one, and all that
// describe the same input share one engine, which lives in a pool from the
// first Provision to the last Cleanup. A config lends the engine its settings
// between Start and Cleanup; handlers keep the engine, never the config.
//
// It computes nothing. What happens to trades is in package pipeline, what
// indicators do in package wasmhost; here is only what needs a type of Caddy.
package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

func init() {
	for _, m := range []caddy.Module{
		App{}, KafkaSource{}, EmbeddedSource{}, MemoryStore{}, RedisStore{}, ReplayFeed{}, HTTPFeed{}, WebSocketFeed{},
		PostgresHistory{}, ClickHouseHistory{}, LineHistory{},
		Klines{}, Stream{}, Uploads{}, Ingest{}, Dashboard{}, AdminAPI{},
	} {
		caddy.RegisterModule(m)
	}
	httpcaddyfile.RegisterGlobalOption("kline", parseApp)
	handler("klines", parseKlines)
	handler("kline_stream", parseStream)
	handler("kline_indicators", parseUploads)
	handler("kline_ingest", parseIngest)
	handler("kline_dashboard", parseDashboard)
	caddycmd.RegisterCommand(command())
}

// handler registers a directive. Behind metrics it is a responder: whatever
// guards a site, guards it.
func handler[T caddyhttp.MiddlewareHandler](name string, parse func(httpcaddyfile.Helper) (T, error)) {
	httpcaddyfile.RegisterHandlerDirective(name, func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return parse(h)
	})
	httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.After, "metrics")
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
	_ caddy.Destructor   = (*engine)(nil)

	_ Source                = (*KafkaSource)(nil)
	_ caddy.Provisioner     = (*KafkaSource)(nil)
	_ caddy.Validator       = (*KafkaSource)(nil)
	_ caddyfile.Unmarshaler = (*KafkaSource)(nil)
	_ Source                = (*EmbeddedSource)(nil)
	_ caddy.Provisioner     = (*EmbeddedSource)(nil)
	_ caddy.Validator       = (*EmbeddedSource)(nil)
	_ caddyfile.Unmarshaler = (*EmbeddedSource)(nil)

	_ Store                 = (*MemoryStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryStore)(nil)
	_ Store                 = (*RedisStore)(nil)
	_ caddy.Provisioner     = (*RedisStore)(nil)
	_ caddy.Validator       = (*RedisStore)(nil)
	_ caddyfile.Unmarshaler = (*RedisStore)(nil)

	_ Feed                  = (*ReplayFeed)(nil)
	_ caddy.Provisioner     = (*ReplayFeed)(nil)
	_ caddyfile.Unmarshaler = (*ReplayFeed)(nil)
	_ Feed                  = (*HTTPFeed)(nil)
	_ caddy.Provisioner     = (*HTTPFeed)(nil)
	_ caddyfile.Unmarshaler = (*HTTPFeed)(nil)
	_ Feed                  = (*WebSocketFeed)(nil)
	_ caddy.Provisioner     = (*WebSocketFeed)(nil)
	_ caddyfile.Unmarshaler = (*WebSocketFeed)(nil)

	_ History               = (*PostgresHistory)(nil)
	_ caddy.Provisioner     = (*PostgresHistory)(nil)
	_ caddy.Validator       = (*PostgresHistory)(nil)
	_ caddyfile.Unmarshaler = (*PostgresHistory)(nil)
	_ History               = (*ClickHouseHistory)(nil)
	_ caddy.Provisioner     = (*ClickHouseHistory)(nil)
	_ caddy.Validator       = (*ClickHouseHistory)(nil)
	_ caddyfile.Unmarshaler = (*ClickHouseHistory)(nil)
	_ History               = (*LineHistory)(nil)
	_ caddy.Provisioner     = (*LineHistory)(nil)
	_ caddy.Validator       = (*LineHistory)(nil)
	_ caddyfile.Unmarshaler = (*LineHistory)(nil)

	_ caddyhttp.MiddlewareHandler = (*Klines)(nil)
	_ caddy.Provisioner           = (*Klines)(nil)
	_ caddy.Validator             = (*Klines)(nil)
	_ caddyhttp.MiddlewareHandler = (*Stream)(nil)
	_ caddy.Provisioner           = (*Stream)(nil)
	_ caddy.Validator             = (*Stream)(nil)
	_ caddy.CleanerUpper          = (*Stream)(nil)
	_ caddyhttp.MiddlewareHandler = (*Uploads)(nil)
	_ caddy.Provisioner           = (*Uploads)(nil)
	_ caddy.Validator             = (*Uploads)(nil)
	_ caddy.CleanerUpper          = (*Uploads)(nil)
	_ caddyhttp.MiddlewareHandler = (*Ingest)(nil)
	_ caddy.Provisioner           = (*Ingest)(nil)
	_ caddy.Validator             = (*Ingest)(nil)
	_ caddyhttp.MiddlewareHandler = (*Dashboard)(nil)
	_ caddy.Provisioner           = (*Dashboard)(nil)
	_ caddy.Validator             = (*Dashboard)(nil)

	_ caddy.AdminRouter = (*AdminAPI)(nil)
	_ caddy.Provisioner = (*AdminAPI)(nil)

	_ pipeline.Observer   = (*metrics)(nil)
	_ history.Observer    = (*metrics)(nil)
	_ pipeline.Logger     = relay{}
	_ pipeline.Indicators = (*hostIndicators)(nil)
	_ lender              = (*attachments)(nil)
	_ registry.Storage    = (*lentStorage)(nil)
)
