package feed

import (
	"errors"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Trades reads the trades of a file as a replay would send them: by the same
// rules, with the ids that the file has, or with their numbers from 1 where it
// has none.
type Trades struct {
	in      *rows
	fileIDs bool
}

// OpenTrades opens the file of cfg. Errors name file and line.
func OpenTrades(cfg ReplayConfig) (*Trades, error) {
	if cfg.SourceName == "" {
		cfg.SourceName = "replay"
	}
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	in, err := openRows(&cfg)
	if err != nil {
		return nil, err
	}
	return &Trades{in: in}, nil
}

// Next reads one trade, io.EOF behind the last one. It is valid until the next
// call.
func (t *Trades) Next(to *core.Trade) error {
	if _, err := t.in.next(to); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return err
	}
	if t.in.n == 1 {
		t.fileIDs = to.ID.Kind != core.IDNone
	}
	if !t.fileIDs {
		to.ID = core.TradeID{Kind: core.IDInt, Num: t.in.n}
	}
	return nil
}

// Close closes the file.
func (t *Trades) Close() { t.in.close() }
