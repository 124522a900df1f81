package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// identity is what two configurations must share to share an engine: all that
// decides which bytes are written, and to where. Settings that may change
// under a running engine are not in it, and neither are credentials, since the
// key is logged.
type identity struct {
	Source, Store     string
	SourceID, StoreID any
	Intervals         []string
	Symbols           []core.SymbolRule
	Compute           []string
	Node              string
	MaxSymbols        int
	WatermarkDelay    time.Duration
	IdleTimeout       time.Duration
	IdleDelay         time.Duration
	MaxFuture         time.Duration
	MaxAge            time.Duration
	AllowedLateness   time.Duration
}

func (a *App) identity(cfg pipeline.Config) identity {
	id := identity{
		SourceID: a.source.Identity(), StoreID: a.store.Identity(),
		Symbols: cfg.Symbols, Compute: a.compute(), Node: cfg.Node, MaxSymbols: a.MaxSymbols,
		WatermarkDelay: cfg.WatermarkDelay, IdleTimeout: cfg.IdleTimeout, IdleDelay: cfg.IdleDelay,
		MaxFuture: cfg.MaxFuture, MaxAge: cfg.MaxAge, AllowedLateness: cfg.AllowedLateness,
	}
	if m, ok := a.source.(caddy.Module); ok {
		id.Source = string(m.CaddyModule().ID)
	}
	if m, ok := a.store.(caddy.Module); ok {
		id.Store = string(m.CaddyModule().ID)
	}
	for _, itv := range cfg.Intervals {
		id.Intervals = append(id.Intervals, itv.Name())
	}
	return id
}

// key is the name of the engine in the pool.
func (id identity) key() (string, error) {
	b, err := json.Marshal(id)
	if err != nil {
		return "", fmt.Errorf("hashing the identity of the engine: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// compute are the instances that are always computed.
func (a *App) compute() []string {
	if a.Indicators == nil || len(a.Indicators.Compute) == 0 {
		return []string{"sma(20)", "ema(20)", "rsi(14)", "macd(12,26,9)"}
	}
	return slices.Clone(a.Indicators.Compute)
}
