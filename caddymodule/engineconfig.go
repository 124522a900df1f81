package caddymodule

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// config is what the engine is built from, without what the engine adds itself.
func (a *App) config() (pipeline.Config, error) {
	cfg := pipeline.Config{
		WatermarkDelay:  orZero(a.WatermarkDelay),
		IdleDelay:       orZero(a.IdleDelay),
		MaxFuture:       orZero(a.MaxFuture),
		AllowedLateness: orZero(a.AllowedLateness),
		MaxSymbols:      a.MaxSymbols,
		ViewBars:        a.ViewBars,
		ViewMemory:      a.ViewMemory,
		DataDir:         filepath.Join(caddy.AppDataDir(), "kline"),
	}
	if a.IdleTimeout != nil {
		cfg.IdleTimeout = time.Duration(*a.IdleTimeout)
		if cfg.IdleTimeout == 0 {
			cfg.IdleTimeout = -1 // off: in the pipeline's configuration 0 is "not set"
		}
	}
	if a.MaxAge != nil {
		cfg.MaxAge = time.Duration(*a.MaxAge)
	}
	var err error
	if cfg.Intervals, err = a.intervals(); err != nil {
		return cfg, err
	}
	if cfg.Symbols, err = a.symbolRules(); err != nil {
		return cfg, err
	}
	if cfg.Node, err = expand(caddy.NewReplacer(), "node", a.Node); err != nil {
		return cfg, err
	}
	return cfg, checkNode(cfg.Node)
}

// checkNode refuses names that brokers do not take for a member of a group: they say so
// with each attempt to join, and without the word.
func checkNode(name string) error {
	if name != "" && (!topicName.MatchString(name) || name == "." || name == "..") {
		return fmt.Errorf("checking node: %q is no name: letters, digits, dot, underscore and hyphen, at most 200 and not dots alone", cut(name))
	}
	return nil
}

// checkSource refuses names of feeds that would be another's: `ingest/ann` is a user of
// kline_ingest. They stand in headers, in metrics and on terminals.
func checkSource(name string) error {
	if name != "" && (!topicName.MatchString(name) || len(name) > wire.MaxSourceBytes) {
		return fmt.Errorf("checking source_name: %q is no name: letters, digits, dot, underscore and hyphen, at most %d", cut(name), wire.MaxSourceBytes)
	}
	return nil
}

// orZero gives a duration that was set to zero a value that the pipeline does
// not take for "not set": it counts in milliseconds, so 1 ns is zero there.
func orZero(d *caddy.Duration) time.Duration {
	switch {
	case d == nil:
		return 0
	case *d == 0:
		return 1
	}
	return time.Duration(*d)
}
