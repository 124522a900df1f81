package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// parseApp reads the global option
//
//	kline {
//		source <name> {
//			...
//		}
//		store <name> {
//			...
//		}
//		feed <name> <arguments...> {
//			...
//		}
//		history <name> {
//			...
//		}
//		intervals <name>...
//		watermark_delay <duration>
//		idle_timeout <duration>
//		idle_delay <duration>
//		max_future <duration>
//		max_age <duration>
//		allowed_lateness <duration>
//		symbols {
//			<pattern> {
//				scale auto
//				order trade_id|seq|arrival
//			}
//		}
//		max_symbols <number>
//		view_bars <number>
//		view_memory <size>
//		node <name>
//		indicators {
//			compute <instance>...
//			sync_interval <duration>
//			trusted_keys <tenant> <public key>...
//			signatures off|warn|require
//			isolation check
//		}
//		drain_timeout <duration>
//	}
//
// A second block is an error: the adapter would let it replace the first.
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if err := onlyName(d); err != nil {
		return nil, err
	}
	if existing != nil {
		return nil, d.Errf("kline is already configured")
	}
	a := new(App)
	if err := parseBlock(d, "kline", a.options()); err != nil {
		return nil, err
	}
	if a.SourceRaw == nil {
		return nil, d.Errf("kline has no source: add `source embedded` or `source kafka { ... }`")
	}
	return httpcaddyfile.App{Name: "kline", Value: caddyconfig.JSON(a, nil)}, nil
}

// options are the words of the block.
func (a *App) options() []word {
	return []word{
		{name: "source", read: a.readSource},
		{name: "store", read: a.readStore},
		{name: "feed", repeat: true, read: a.readFeed},
		{name: "history", repeat: true, read: a.readHistory},
		{name: "intervals", read: a.readIntervals},
		duration("watermark_delay", &a.WatermarkDelay),
		durationIn("idle_timeout", &a.IdleTimeout, 0, maxIdle),
		duration("idle_delay", &a.IdleDelay),
		duration("max_future", &a.MaxFuture),
		duration("max_age", &a.MaxAge),
		duration("allowed_lateness", &a.AllowedLateness),
		{name: "symbols", read: a.parseSymbols},
		count("max_symbols", &a.MaxSymbols, 1, maxSymbolsLimit),
		count("view_bars", &a.ViewBars, 1, maxViewBars),
		size("view_memory", &a.ViewMemory, minViewMemory),
		text("node", &a.Node),
		{name: "indicators", read: a.readIndicators},
		durationIn("drain_timeout", &a.DrainTimeout, 0, maxDrain),
	}
}

func (a *App) readSource(d *caddyfile.Dispenser) (err error) {
	a.SourceRaw, err = parseGuest(d, "kline.sources", "source")
	return err
}

func (a *App) readStore(d *caddyfile.Dispenser) (err error) {
	a.StoreRaw, err = parseGuest(d, "kline.stores", "store")
	return err
}

func (a *App) readFeed(d *caddyfile.Dispenser) error {
	raw, err := parseGuest(d, "kline.feeds", "feed")
	if err == nil {
		a.FeedsRaw = append(a.FeedsRaw, raw)
	}
	return err
}

func (a *App) readHistory(d *caddyfile.Dispenser) error {
	raw, err := parseGuest(d, "kline.history", "history")
	if err == nil {
		a.HistoryRaw = append(a.HistoryRaw, raw)
	}
	return err
}

// readIntervals also says what is wrong with a name, since here file and line
// are known.
func (a *App) readIntervals(d *caddyfile.Dispenser) error {
	if err := words("intervals", &a.Intervals).read(d); err != nil {
		return err
	}
	if _, err := parseIntervals(a.Intervals); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) readIndicators(d *caddyfile.Dispenser) error {
	if err := alone(d); err != nil {
		return err
	}
	a.Indicators = new(Indicators)
	err := parseBlock(d, "indicators", []word{
		{name: "compute", read: a.Indicators.readCompute},
		durationIn("sync_interval", &a.Indicators.SyncInterval, minSync, maxSync),
		{name: "trusted_keys", repeat: true, read: a.Indicators.readTrustedKeys},
		choice("signatures", &a.Indicators.Signatures, string(registry.ModeOff), string(registry.ModeWarn), string(registry.ModeRequire)),
		choice("isolation", &a.Indicators.Isolation, isolationCheck),
	})
	if err != nil {
		return err
	}
	if _, err := a.Indicators.trusted(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// readCompute also says what is wrong with an instance, since here file and line
// are known.
func (i *Indicators) readCompute(d *caddyfile.Dispenser) error {
	if err := words("compute", &i.Compute).read(d); err != nil {
		return err
	}
	if err := checkCompute(i.Compute); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// parseKlines reads the directive
//
//	klines [<matcher>] {
//		max_limit <number>
//		rate <per second> <burst>
//		allow_origin <origin>...
//	}
func parseKlines(h httpcaddyfile.Helper) (*Klines, error) {
	k := new(Klines)
	if err := onlyName(h.Dispenser); err != nil {
		return nil, err
	}
	return k, parseBlock(h.Dispenser, "klines", []word{
		count("max_limit", &k.MaxLimit, 1, maxRows),
		{name: "rate", read: func(d *caddyfile.Dispenser) error { return readRate(d, &k.Rate) }},
		{name: "allow_origin", read: readOrigins(&k.AllowOrigins)},
	})
}

// parseStream reads the directive
//
//	kline_stream [<matcher>] {
//		heartbeat <duration>
//		max_duration <duration>
//		dispatch_timeout <duration>
//		buffer <frames>
//		replay <frames>
//		max_streams <number>
//		max_streams_per_user <number>
//		max_streams_per_ip <number>
//		allow_origin <origin>...
//	}
func parseStream(h httpcaddyfile.Helper) (*Stream, error) {
	s := new(Stream)
	if err := onlyName(h.Dispenser); err != nil {
		return nil, err
	}
	return s, parseBlock(h.Dispenser, "kline_stream", []word{
		durationFrom("heartbeat", &s.Heartbeat, minHeartbeat),
		durationFrom("max_duration", &s.MaxDuration, minDuration),
		durationFrom("dispatch_timeout", &s.DispatchTimeout, minDispatch),
		count("buffer", &s.Buffer, serve.MinBuffer, serve.MaxBuffer),
		count("replay", &s.Replay, 1, serve.MaxReplay),
		count("max_streams", &s.MaxStreams, 1, maxStreamsLimit),
		count("max_streams_per_user", &s.MaxStreamsPerUser, 1, maxStreamsLimit),
		count("max_streams_per_ip", &s.MaxStreamsPerIP, 1, maxStreamsLimit),
		{name: "allow_origin", read: readOrigins(&s.AllowOrigins)},
	})
}

func readOrigins(dst *[]string) func(d *caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if err := words("allow_origin", dst).read(d); err != nil {
			return err
		}
		if err := origins(*dst).check(); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}
