package transfer

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Reader is where an export reads.
type Reader interface {
	// Klines hands out final klines with all revisions that are there, in any
	// order. A kline is valid until the next.
	// restate, if not nil, is told of indicator values that a restated bar changed
	// in bars behind it, with the position of the record.
	Klines(ctx context.Context, cfg *ExportConfig, put func(*history.Kline) error, restate func(r *wire.RestatedRecord, so, sk int64) error) error
	// Trades hands out trades in any order.
	Trades(ctx context.Context, cfg *ExportConfig, put func(*history.Trade) error) error
}

// Export reads everything, sorts it on the disk, and writes each row once:
// klines by symbol, interval and open time, of each the newest revision; trades
// by symbol, event time and place. It returns the number of rows.
func Export(ctx context.Context, cfg ExportConfig, r Reader, w io.Writer) (int64, error) {
	if err := cfg.Check(); err != nil {
		return 0, err
	}
	e := &exporter{cfg: &cfg, sorter: newSorter(cfg.TempDir)}
	defer e.sorter.close()
	if cfg.Kind == Trades {
		return e.trades(ctx, r, w)
	}
	return e.klines(ctx, r, w)
}

// exporter is one export under way.
type exporter struct {
	cfg    *ExportConfig
	sorter *sorter
	key    []byte // scratch, as value is
	value  []byte
	// found are the instances seen that go out, with the number of their outputs.
	found map[string]int
	bars  bool            // some go out
	itvs  map[string]bool // the intervals of all that were read
	other map[string]bool // the instances of these that do not
}

// appendOrdered appends n so that bytes compare as numbers.
func appendOrdered(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)^1<<63) // #nosec G115 -- the bits
}
