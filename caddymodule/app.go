package caddymodule

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// defaultDrain is shorter than the 10 s that container runtimes give by default.
const defaultDrain = 8 * time.Second

// App turns a topic of trades into klines and indicator values, and keeps them
// ready for the handlers klines, kline_stream and kline_dashboard.
//
// What it computes is kept by an engine that outlives reloads: a reload that
// changes only limits, feeds, secrets or drain_timeout keeps consuming where it was
// and cuts no stream.
type App struct {
	// Source is where trades are consumed: kafka or embedded. Default: none, required.
	SourceRaw json.RawMessage `json:"source,omitempty" caddy:"namespace=kline.sources inline_key=source"`
	// Store is the view for readers outside this process: memory or redis. Default: memory.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=kline.stores inline_key=store"`
	// Feeds produce trades into the topic. Default: none.
	FeedsRaw []json.RawMessage `json:"feeds,omitempty" caddy:"namespace=kline.feeds inline_key=feed"`
	// History are the databases that keep trades and klines. Default: none.
	HistoryRaw []json.RawMessage `json:"history,omitempty" caddy:"namespace=kline.history inline_key=history"`
	// Intervals are the lengths of the bars, for example 1m or 4h. Default: 1s 1m 5m 15m 1h 4h 1d 1w.
	Intervals []string `json:"intervals,omitempty"`
	// WatermarkDelay is the disorder expected in the topic. Default: 500ms.
	WatermarkDelay *caddy.Duration `json:"watermark_delay,omitempty"`
	// IdleTimeout is the silence of a source after which bars are closed by the clock; 0 turns this off, at most 720h. Default: 2s.
	IdleTimeout *caddy.Duration `json:"idle_timeout,omitempty"`
	// IdleDelay is how far behind the clock a silent source closes its bars. Default: 1s.
	IdleDelay *caddy.Duration `json:"idle_delay,omitempty"`
	// MaxFuture is how far ahead of the clock a trade may be. Default: 5s.
	MaxFuture *caddy.Duration `json:"max_future,omitempty"`
	// MaxAge is how old a trade may be; 0 is any age. Default: 0.
	MaxAge *caddy.Duration `json:"max_age,omitempty"`
	// AllowedLateness is how late a trade may change a closed bar. Default: 1m.
	AllowedLateness *caddy.Duration `json:"allowed_lateness,omitempty"`
	// Symbols are rules per symbol or pattern, the first match wins. Default: none.
	Symbols []SymbolRule `json:"symbols,omitempty"`
	// MaxSymbols bounds the symbols of a partition; trades of further ones are refused. Default: 10000.
	MaxSymbols int `json:"max_symbols,omitempty"`
	// ViewBars is the number of bars per series that are kept for readers; it takes effect when the engine is built. Default: 1000.
	ViewBars int `json:"view_bars,omitempty"`
	// ViewMemory bounds the bars of all series in bytes; it takes effect when the engine is built. Default: 134217728.
	ViewMemory int64 `json:"view_memory,omitempty"`
	// Node is the name of this process in the group. Default: random, kept in the data folder.
	Node string `json:"node,omitempty"`
	// Indicators are the indicators computed beside each bar. Default: sma(20) ema(20) rsi(14) macd(12,26,9).
	Indicators *Indicators `json:"indicators,omitempty"`
	// DrainTimeout is the time over which streams are ended at exit; keep it below the stop timeout of whatever runs this process. At most 1h. Default: 8s.
	DrainTimeout *caddy.Duration `json:"drain_timeout,omitempty"`

	source Source
	store  Store
	feeds  []Feed
	// histories are the databases that follow.
	histories []History
	att       *attachment
	engine    *engine
	acquired  bool // this value holds one reference to engine
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline", New: func() caddy.Module { return new(App) }}
}

// Provision expands placeholders, loads the guests and takes a reference to the
// engine of this configuration. Nothing is dialled, compiled or written:
// `caddy validate` and every rejected reload come this far, too.
func (a *App) Provision(ctx caddy.Context) error {
	if err := a.loadGuests(ctx); err != nil {
		return err
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	if a.att, err = a.attachment(ctx); err != nil {
		return err
	}
	key, err := a.identity(cfg).key()
	if err != nil {
		return err
	}
	plan := enginePlan{key: key, config: cfg, source: a.source, store: a.store, compute: a.compute(), first: a.att}
	e, err := engines.acquire(plan)
	if err != nil {
		return fmt.Errorf("preparing engine: %w", err)
	}
	a.engine, a.acquired = e, true
	if err := registerMetrics(ctx.GetMetricsRegistry(), e.metrics); err != nil {
		return err
	}
	return a.watchExit(ctx)
}

// The longest times that somebody may mean.
const (
	maxIdle  = 30 * 24 * time.Hour
	maxDrain = time.Hour
	maxSync  = time.Hour
)

// Validate checks bounds. It looks at fields and touches nothing.
func (a *App) Validate() error {
	for name, d := range map[string]*caddy.Duration{
		"watermark_delay": a.WatermarkDelay, "idle_timeout": a.IdleTimeout, "idle_delay": a.IdleDelay,
		"max_future": a.MaxFuture, "max_age": a.MaxAge, "allowed_lateness": a.AllowedLateness, "drain_timeout": a.DrainTimeout,
	} {
		if d != nil && *d < 0 {
			return fmt.Errorf("checking %s: %s is negative", name, time.Duration(*d))
		}
	}
	if i := a.Indicators; i != nil && i.SyncInterval != nil && time.Duration(*i.SyncInterval) < minSync {
		return fmt.Errorf("checking sync_interval: %s is less than %s", time.Duration(*i.SyncInterval), minSync)
	}
	if err := a.checkLengths(); err != nil {
		return err
	}
	switch {
	case a.MaxSymbols < 0 || a.MaxSymbols > maxSymbolsLimit:
		return fmt.Errorf("checking max_symbols: %d is not in 1 to %d", a.MaxSymbols, maxSymbolsLimit)
	case a.ViewBars < 0 || a.ViewBars > maxViewBars:
		return fmt.Errorf("checking view_bars: %d is not in 1 to %d", a.ViewBars, maxViewBars)
	case a.ViewMemory != 0 && a.ViewMemory < minViewMemory:
		return fmt.Errorf("checking view_memory: %d bytes are less than %d", a.ViewMemory, minViewMemory)
	}
	return nil
}

// checkLengths refuses times that nobody means: a process that is told to stop would
// stand for years, or see no module that was uploaded elsewhere.
func (a *App) checkLengths() error {
	for _, c := range []struct {
		name string
		d    *caddy.Duration
		most time.Duration
	}{{"idle_timeout", a.IdleTimeout, maxIdle}, {"drain_timeout", a.DrainTimeout, maxDrain}, {"sync_interval", a.syncInterval(), maxSync}} {
		if c.d != nil && time.Duration(*c.d) > c.most {
			return fmt.Errorf("checking %s: %s is more than %s", c.name, time.Duration(*c.d), c.most)
		}
	}
	return nil
}

func (a *App) syncInterval() *caddy.Duration {
	if a.Indicators == nil {
		return nil
	}
	return a.Indicators.SyncInterval
}

// Start lends this config's settings to the engine and starts it if it is not
// running. A broker or store that cannot be reached is no error: the same Caddy
// may serve other sites.
func (a *App) Start() error {
	a.engine.attach(a.att)
	return a.engine.start()
}

// Stop does nothing. Apps stop in random order, and a rejected config may be
// cleaned up without having been stopped: Cleanup is where things end.
func (*App) Stop() error { return nil }

// Cleanup takes the settings back and gives the engine up. It is called once
// for a config that ran, also for one whose Provision failed half way.
func (a *App) Cleanup() error {
	if !a.acquired {
		return nil // provisioning failed earlier, or called twice
	}
	a.acquired = false
	if caddy.Exiting() {
		engines.awaitStreams() // returns at once unless a drain was signalled
	}
	a.engine.detach(a.att)
	return engines.release(a.engine)
}
