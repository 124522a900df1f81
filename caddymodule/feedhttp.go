package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
)

// HTTPFeed polls a venue for the trades of its symbols. Of several nodes with one
// Redis each symbol has one that asks; a restart goes on behind the last trade in
// the topic.
//
// ### Placeholders
//
// Placeholders of url, symbols, headers and proxies are expanded once, when the
// config is loaded.
//
// Placeholder | Description
// ------------|-------------
// `{env.*}` | an environment variable
// `{file.*}` | the content of a file
type HTTPFeed struct {
	LiveFeed
	// Period is how often each symbol is asked for, give or take a tenth. Default: 1s.
	Period *caddy.Duration `json:"period,omitempty"`
	// Parallel is how many requests run at once. Default: 8.
	Parallel int `json:"parallel,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (HTTPFeed) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.feeds.http", New: func() caddy.Module { return new(HTTPFeed) }}
}

// UnmarshalCaddyfile reads
//
//	feed http {
//		url <url>
//		symbols <symbol>...
//		symbol_prefix <text>
//		format <preset> {
//			price <path>
//		}
//		contracts
//		header <name> <secret>
//		proxy <secret>...
//		timeout <duration>
//		max_body <size>
//		retries <number>
//		rate <per second> <burst>
//		follow_redirects
//		delay <duration>
//		delivery_timeout <duration>
//		spill <size>
//		lease <lease>
//		source_name <name>
//		heartbeats on|off
//		period <duration>
//		parallel <number>
//	}
func (f *HTTPFeed) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := onlyName(d); err != nil {
		return err
	}
	return parseBlock(d, "http", append(f.words(),
		positive("period", &f.Period),
		count("parallel", &f.Parallel, 1, 256),
	))
}

// Provision expands placeholders and checks the configuration. Nothing is asked.
func (f *HTTPFeed) Provision(caddy.Context) error {
	if err := f.provision(); err != nil {
		return err
	}
	_, err := f.BuildFeed(feedEnv{clock: clock.Real()})
	return err
}

// SourceName implements Feed.
func (f *HTTPFeed) SourceName() string { return f.named("http") }

// Fingerprint implements Feed.
func (f *HTTPFeed) Fingerprint() string { return f.fingerprint(f) }

// BuildFeed implements Feed.
func (f *HTTPFeed) BuildFeed(env feedEnv) (pipeline.Feed, error) {
	h, err := feed.NewHTTP(feed.HTTPConfig{Live: f.live(env, f.SourceName(), f.url), Period: orUnset(f.Period), Parallel: f.Parallel})
	if err != nil {
		return nil, err
	}
	return h, nil
}
