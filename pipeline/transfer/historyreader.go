package transfer

import (
	"context"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Scanner reads a table of a database, in any order. An empty symbol is all; to
// is exclusive, 0 no bound. Times are ms.
type Scanner interface {
	ScanKlines(ctx context.Context, symbol string, from, to int64, put func(*history.Kline) error) error
	ScanTrades(ctx context.Context, symbol string, from, to int64, put func(*history.Trade) error) error
}

// HistoryReader reads a history for an export. Values that a restated bar
// changed in bars behind it are not in it.
type HistoryReader struct{ From Scanner }

// Klines implements Reader.
func (h *HistoryReader) Klines(ctx context.Context, cfg *ExportConfig, put func(*history.Kline) error, _ func(*wire.RestatedRecord, int64, int64) error) error {
	done := int64(0)
	return each(cfg, func(symbol string) error {
		return h.From.ScanKlines(ctx, symbol, cfg.From, cfg.To, func(k *history.Kline) error {
			done++
			tell(cfg, done)
			return put(k)
		})
	})
}

// Trades implements Reader.
func (h *HistoryReader) Trades(ctx context.Context, cfg *ExportConfig, put func(*history.Trade) error) error {
	done := int64(0)
	return each(cfg, func(symbol string) error {
		return h.From.ScanTrades(ctx, symbol, cfg.From, cfg.To, func(t *history.Trade) error {
			done++
			tell(cfg, done)
			return put(t)
		})
	})
}

// each calls scan for each symbol, or once for all.
func each(cfg *ExportConfig, scan func(symbol string) error) error {
	if cfg.Symbols == nil {
		return scan("")
	}
	for _, s := range cfg.Symbols {
		if err := scan(s); err != nil {
			return err
		}
	}
	return nil
}

func tell(cfg *ExportConfig, done int64) {
	if cfg.Progress != nil && done%1024 == 0 {
		cfg.Progress(done, 0)
	}
}

var _ Reader = (*HistoryReader)(nil)
