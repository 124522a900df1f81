package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
)

// WebSocketFeed listens to the trades of a venue. Of several nodes with one Redis
// one has the connection; what was missed is asked for over HTTP where the venue
// has it, and told as missing where not.
//
// ### Placeholders
//
// Placeholders of url, backfill, symbols, headers and proxies are expanded once,
// when the config is loaded.
//
// Placeholder | Description
// ------------|-------------
// `{env.*}` | an environment variable
// `{file.*}` | the content of a file
type WebSocketFeed struct {
	LiveFeed
	// Subscribe are messages that are sent first. Default: those of the format.
	Subscribe []string `json:"subscribe,omitempty"`
	// Backfill is the address where holes are filled from, or `off`; placeholders are expanded. Default: that of the format.
	Backfill string `json:"backfill,omitempty"`
	// Ping is how often the connection is tried. Default: 2s.
	Ping *caddy.Duration `json:"ping,omitempty"`
	// MaxFrame bounds a message, in bytes. Default: 1048576.
	MaxFrame int64 `json:"max_frame,omitempty"`

	backfill string
}

// CaddyModule returns the Caddy module information.
func (WebSocketFeed) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.feeds.websocket", New: func() caddy.Module { return new(WebSocketFeed) }}
}

// UnmarshalCaddyfile reads
//
//	feed websocket {
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
//		subscribe <message>...
//		backfill <url>
//		ping <duration>
//		max_frame <size>
//	}
func (f *WebSocketFeed) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := onlyName(d); err != nil {
		return err
	}
	return parseBlock(d, "websocket", append(f.words(),
		words("subscribe", &f.Subscribe),
		text("backfill", &f.Backfill),
		positive("ping", &f.Ping),
		size("max_frame", &f.MaxFrame, 1<<10),
	))
}

// Provision expands placeholders and checks the configuration. Nothing is dialled.
func (f *WebSocketFeed) Provision(caddy.Context) (err error) {
	if err := f.provision(); err != nil {
		return err
	}
	if f.Backfill != "off" {
		if f.backfill, err = expand(caddy.NewReplacer(), "backfill", f.Backfill); err != nil {
			return err
		}
	}
	_, err = f.BuildFeed(feedEnv{clock: clock.Real()})
	return err
}

// SourceName implements Feed.
func (f *WebSocketFeed) SourceName() string { return f.named("websocket") }

// Fingerprint implements Feed.
func (f *WebSocketFeed) Fingerprint() string { return fmt.Sprintf("%q", f.backfill) + f.fingerprint(f) }

// BuildFeed implements Feed.
func (f *WebSocketFeed) BuildFeed(env feedEnv) (pipeline.Feed, error) {
	w, err := feed.NewWebSocket(feed.WebSocketConfig{
		Live: f.live(env, f.SourceName(), f.backfill), URL: f.url, Subscribe: f.Subscribe, NoBackfill: f.Backfill == "off",
		PingEvery: orUnset(f.Ping), MaxFrame: f.MaxFrame,
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}
