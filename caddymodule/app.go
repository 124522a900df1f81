package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// defaultDrain is shorter than the 10 s that container runtimes give by default.
const defaultDrain = 8 * time.Second

// App turns a topic of trades into klines and indicator values, and keeps them
// ready for the handlers klines, kline_stream and kline_dashboard.
//
// What it computes is kept by an engine that outlives reloads: a reload that
// changes only limits, feeds, secrets or timeouts keeps consuming where it was
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
	// IdleTimeout is the silence of a source after which bars are closed by the clock; 0 turns this off. Default: 2s.
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
	// DrainTimeout is the time over which streams are ended at exit; keep it below the stop timeout of whatever runs this process. Default: 8s.
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

// SymbolRule is how symbols of a pattern are treated.
type SymbolRule struct {
	// Pattern is a symbol, or the beginning of one followed by `*`. Default: none, required.
	Pattern string `json:"pattern,omitempty"`
	// PriceScale is the number of decimals of prices, 0 to 18. Default: auto.
	PriceScale *int `json:"price_scale,omitempty"`
	// SizeScale is the number of decimals of sizes, 0 to 18. Default: auto.
	SizeScale *int `json:"size_scale,omitempty"`
	// Order says what orders trades of one moment: "trade_id", "seq" or "arrival". Default: auto.
	Order string `json:"order,omitempty"`
}

// Indicators says which indicators are computed.
type Indicators struct {
	// Compute are the instances written beside every bar, for example ema(20). Default: sma(20) ema(20) rsi(14) macd(12,26,9).
	Compute []string `json:"compute,omitempty"`
	// SyncInterval is how often a node looks for modules that others have uploaded, 1s or more. Default: 5s.
	SyncInterval *caddy.Duration `json:"sync_interval,omitempty"`
	// TrustedKeys are the public keys whose signatures modules need, by tenant. Default: none.
	TrustedKeys []TrustedKeys `json:"trusted_keys,omitempty"`
	// Signatures says what becomes of a module without a signature of a trusted key: "off", "warn" or "require". Default: require for tenants with trusted_keys, off for others.
	Signatures string `json:"signatures,omitempty"`
	// Isolation "check" examines each upload in a process of its own, which has no secrets, no network and bounded memory and time. Default: off.
	Isolation string `json:"isolation,omitempty"`
}

// generation numbers the configs of this process in the order of their
// provisioning. It is the third package variable that changes, by one counter.
var generation atomic.Uint64

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

// watchExit subscribes to the event that precedes every Stop. Stop itself comes
// too late: apps stop in random order, and http may wait for our streams first.
func (a *App) watchExit(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading events: %w", err)
	}
	events, ok := app.(*caddyevents.App)
	if !ok {
		return fmt.Errorf("loading events: unexpected type %T", app)
	}
	if err := events.On("stopping", stopping{a.engine}); err != nil {
		return fmt.Errorf("subscribing to stopping: %w", err)
	}
	return nil
}

func (a *App) loadGuests(ctx caddy.Context) error {
	if a.SourceRaw == nil {
		return errors.New("checking kline: no source given, add `source embedded` or `source kafka { ... }`")
	}
	mod, err := ctx.LoadModule(a, "SourceRaw")
	if err != nil {
		return fmt.Errorf("loading source: %w", err)
	}
	if a.source, err = asGuest[Source](mod, "Source"); err != nil {
		return err
	}
	if a.StoreRaw == nil {
		mod, err = ctx.LoadModuleByID("kline.stores.memory", nil)
	} else {
		mod, err = ctx.LoadModule(a, "StoreRaw")
	}
	if err != nil {
		return fmt.Errorf("loading store: %w", err)
	}
	if a.store, err = asGuest[Store](mod, "Store"); err != nil {
		return err
	}
	if err := a.loadHistories(ctx); err != nil {
		return err
	}
	return a.loadFeeds(ctx)
}

func (a *App) loadFeeds(ctx caddy.Context) error {
	if len(a.FeedsRaw) == 0 {
		return nil
	}
	mods, err := ctx.LoadModule(a, "FeedsRaw")
	if err != nil {
		return fmt.Errorf("loading feeds: %w", err)
	}
	names := make(map[string]bool)
	for _, mod := range mods.([]any) {
		f, err := asGuest[Feed](mod, "Feed")
		if err != nil {
			return err
		}
		if names[f.SourceName()] {
			return fmt.Errorf("checking feeds: two are named %q, give one a source_name", cut(f.SourceName()))
		}
		names[f.SourceName()] = true
		a.feeds = append(a.feeds, f)
	}
	return nil
}

// attachment is what this config lends to the engine between Start and Cleanup.
func (a *App) attachment(ctx caddy.Context) (att *attachment, err error) {
	att = &attachment{
		gen:    generation.Add(1),
		logger: ctx.Logger(),
		drain:  defaultDrain,
		loans:  map[string]*loan{"source": a.source.lends(), "store": a.store.lends()},
		feeds:  a.feeds,
		view:   viewLimits{bars: a.ViewBars, memory: a.ViewMemory},

		storage: ctx.Storage(),
	}
	att.histories = a.histories
	for _, h := range a.histories {
		att.loans[loanOf(h)] = h.lends()
	}
	if a.DrainTimeout != nil {
		att.drain = time.Duration(*a.DrainTimeout)
	}
	if a.Indicators != nil && a.Indicators.SyncInterval != nil {
		att.sync = time.Duration(*a.Indicators.SyncInterval)
	}
	if att.trust, err = a.Indicators.trusted(); err != nil {
		return nil, err
	}
	att.isolate, err = a.Indicators.isolated()
	return att, err
}

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
	cfg.Node, err = expand(caddy.NewReplacer(), "node", a.Node)
	return cfg, err
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
	switch {
	case a.MaxSymbols < 0 || a.MaxSymbols > maxSymbolsLimit:
		return fmt.Errorf("checking max_symbols: %d is not in 1 to %d", a.MaxSymbols, maxSymbolsLimit)
	case a.ViewBars < 0 || a.ViewBars > maxViewBars:
		return fmt.Errorf("checking view_bars: %d is not in 1 to %d", a.ViewBars, maxViewBars)
	case a.ViewMemory < 0:
		return fmt.Errorf("checking view_memory: %d is negative", a.ViewMemory)
	}
	return nil
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

// stopping raises the drain signal. The event also comes before every reload
// and at the end of one config; only an exit ends streams.
type stopping struct{ engine *engine }

// Handle implements caddyevents.Handler.
func (s stopping) Handle(context.Context, caddy.Event) error {
	if caddy.Exiting() {
		s.engine.drain()
	}
	return nil
}

// intervals parses and orders the configured names.
func (a *App) intervals() ([]core.Interval, error) {
	names := a.Intervals
	if len(names) == 0 {
		names = defaultIntervals()
	}
	return parseIntervals(names)
}
