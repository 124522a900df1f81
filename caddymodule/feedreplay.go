package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
)

// feedEnv is what an engine gives to its feeds.
type feedEnv struct {
	clock    clock.Clock
	observer feed.Observer
	log      pipeline.Logger
}

// ReplayFeed sends the trades of a file at the pace of their event times, for a
// demonstration or a test. After a restart it goes on behind the last trade of
// its symbols in the topic.
type ReplayFeed struct {
	// File is the path of a CSV or JSON lines file; `.gz` is read. Default: none, required.
	File string `json:"file,omitempty"`
	// Format is the shape of the file, with preset `csv` or `jsonl`. Default: by the suffix of the name.
	Format *adapter.Format `json:"format,omitempty"`
	// Speed is a factor, or `max`. Default: 1.
	Speed string `json:"speed,omitempty"`
	// Loop plays the file again and again; it needs rebase. Default: false.
	Loop bool `json:"loop,omitempty"`
	// Rebase is `now`: the event time of a trade is the moment of its sending. Default: event times stay as in the file.
	Rebase string `json:"rebase,omitempty"`
	// Preload is the length of the first part that is sent at once, event times ending now, where the topic has no trade of the symbol; it needs rebase. Default: 0.
	Preload *caddy.Duration `json:"preload,omitempty"`
	// Symbol is the symbol of trades that name none. Default: none.
	Symbol string `json:"symbol,omitempty"`
	// Source is the `src` of the feed's trades, unique among the feeds. Default: replay.
	Source string `json:"source_name,omitempty"`
	// Heartbeats tell the engine that the feed lives. Default: true.
	Heartbeats *bool `json:"heartbeats,omitempty"`

	file string
}

// CaddyModule returns the Caddy module information.
func (ReplayFeed) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.feeds.replay", New: func() caddy.Module { return new(ReplayFeed) }}
}

// UnmarshalCaddyfile reads
//
//	feed replay <file> {
//		format csv|jsonl {
//			price <path>
//			time_unit s|ms|us|ns|rfc3339
//			side_of taker|maker|none
//		}
//		speed <factor>|max
//		loop
//		rebase now
//		preload <duration>
//		symbol <name>
//		source_name <name>
//		heartbeats on|off
//	}
func (f *ReplayFeed) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&f.File) {
		return usage(d, "replay <file>")
	}
	return parseBlock(d, "replay", []word{
		{name: "format", read: func(d *caddyfile.Dispenser) error {
			return parseFormat(d, &f.Format, feed.FormatCSV, feed.FormatJSONL)
		}},
		{name: "speed", read: f.readSpeed},
		toggle("loop", &f.Loop),
		choice("rebase", &f.Rebase, "now"),
		duration("preload", &f.Preload),
		{name: "symbol", read: f.readSymbol},
		checked(text("source_name", &f.Source), func() error { return checkSource(f.Source) }),
		onOff("heartbeats", &f.Heartbeats),
	})
}

func (f *ReplayFeed) readSpeed(d *caddyfile.Dispenser) error {
	if !d.AllArgs(&f.Speed) {
		return usage(d, "speed <factor>|max")
	}
	if _, err := feed.ParseSpeed(f.Speed); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (f *ReplayFeed) readSymbol(d *caddyfile.Dispenser) error {
	if !d.AllArgs(&f.Symbol) {
		return usage(d, "symbol <name>")
	}
	if !symbolName.MatchString(f.Symbol) {
		return d.Errf("parsing symbol: %q is not a symbol", cut(f.Symbol))
	}
	return nil
}

// Provision expands placeholders in the name of the file and reads its first
// trade, so that a wrong name or shape refuses the config.
func (f *ReplayFeed) Provision(caddy.Context) (err error) {
	if f.file, err = expand(caddy.NewReplacer(), "file", f.File); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := f.config(feedEnv{clock: clock.Real()})
	if err != nil {
		return err
	}
	_, err = feed.NewReplay(cfg, nil)
	return err
}

// check looks at what is chosen from lists.
func (f *ReplayFeed) check() error {
	if f.Rebase != "" && f.Rebase != "now" {
		return fmt.Errorf("checking rebase: unknown value %q (allowed: now)", cut(f.Rebase))
	}
	if err := checkSource(f.Source); err != nil {
		return err
	}
	if f.Symbol != "" && !symbolName.MatchString(f.Symbol) {
		return fmt.Errorf("checking symbol: %q is not a symbol", cut(f.Symbol))
	}
	return checkFormat(f.Format, feed.FormatCSV, feed.FormatJSONL)
}

// SourceName implements Feed.
func (f *ReplayFeed) SourceName() string {
	if f.Source == "" {
		return "replay"
	}
	return f.Source
}

// Fingerprint implements Feed.
func (f *ReplayFeed) Fingerprint() string {
	b, err := json.Marshal(f)
	if err != nil { // texts, numbers and switches always marshal
		return f.file
	}
	return f.file + string(b)
}

// BuildFeed implements Feed.
func (f *ReplayFeed) BuildFeed(env feedEnv) (pipeline.Feed, error) {
	cfg, err := f.config(env)
	return replay{cfg}, err
}

// replay runs a feed.Replay, which is made anew at each run since only then
// the topic is known.
type replay struct{ cfg feed.ReplayConfig }

// Name implements pipeline.Feed.
func (r replay) Name() string { return r.cfg.SourceName }

// Run implements pipeline.Feed.
func (r replay) Run(ctx context.Context, out feed.Topic) error {
	f, err := feed.NewReplay(r.cfg, out)
	if err != nil {
		return err
	}
	return f.Run(ctx)
}

func (f *ReplayFeed) config(env feedEnv) (feed.ReplayConfig, error) {
	cfg := feed.ReplayConfig{
		File: f.file, Loop: f.Loop, RebaseNow: f.Rebase == "now", Symbol: f.Symbol,
		SourceName: f.SourceName(), NoHeartbeats: f.Heartbeats != nil && !*f.Heartbeats,
		Clock: env.clock, Observer: env.observer,
	}
	if env.log != nil {
		cfg.Log = env.log
	}
	if f.Preload != nil {
		cfg.Preload = time.Duration(*f.Preload)
	}
	var err error
	if f.Format != nil {
		cfg.Format = f.Format.Preset
		if cfg.Mapping, err = mappingOf(f.Format); err != nil {
			return cfg, err
		}
	}
	if f.Speed != "" {
		if cfg.Speed, err = feed.ParseSpeed(f.Speed); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}
