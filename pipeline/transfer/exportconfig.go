package transfer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// ExportConfig says what goes out and how.
type ExportConfig struct {
	// Kind is Trades, or Bars for klines.
	Kind Kind
	// Symbols and Intervals are those that go out; nil is all.
	Symbols, Intervals []string
	// Configured are the intervals that the engine makes bars of: one of Intervals
	// that is neither among them nor in any bar is refused.
	Configured []string
	// Rules are those of the engine about symbols: trades whose price it refuses
	// do not go out.
	Rules []core.SymbolRule
	// From and To bound the event time of trades and the open time of bars, ms,
	// To exclusive; 0 is no bound.
	From, To int64
	// Indicators are the instances whose values go out beside bars; "all" is
	// every one that is found.
	Indicators []string
	// Outputs names the outputs of an instance, nil where they are not known.
	Outputs func(instance string) []string
	// Format is csv, jsonl or parquet.
	Format string
	// Gzip compresses csv and jsonl; parquet is compressed as it is.
	Gzip bool
	// Decimals are DECIMAL(38,18) (decimal) or texts (string) in Parquet.
	// Default: decimal.
	Decimals string
	// TempDir is where rows are sorted. Default: the system's.
	TempDir string
	// Progress is told how many records were read of how many; all is 0 where
	// that is not known.
	Progress func(done, all int64)
}

// Check refuses what does not fit together.
func (c *ExportConfig) Check() error {
	switch {
	case !slices.Contains([]string{FormatCSV, FormatJSONL, FormatParquet}, c.Format):
		return fmt.Errorf("reading --format: unknown value %q (allowed: csv, jsonl, parquet)", cut(c.Format))
	case c.Gzip && c.Format == FormatParquet:
		return errors.New("--gzip is for csv and jsonl: Parquet is compressed as it is")
	case c.Decimals != "" && c.Decimals != "decimal" && c.Decimals != "string":
		return fmt.Errorf("reading --decimals: unknown value %q (allowed: decimal, string)", cut(c.Decimals))
	case c.To != 0 && c.To <= c.From:
		return errors.New("reading --from and --to: the range is empty")
	}
	for _, s := range c.Symbols {
		if !core.ValidSymbol([]byte(s)) {
			return fmt.Errorf("reading --symbol: %q is no symbol", cut(s))
		}
	}
	for _, name := range c.Intervals {
		if _, err := core.ParseInterval(name); err != nil {
			return fmt.Errorf("reading --interval: %w", err)
		}
	}
	return nil
}

// wantsBar tells whether a bar that opens at ms goes out.
func (c *ExportConfig) wantsBar(symbol, interval string, ms int64) bool {
	return c.wants(symbol, ms) && (c.Intervals == nil || slices.Contains(c.Intervals, interval))
}

// wantsValues tells whether the values of an instance go out.
func (c *ExportConfig) wantsValues(instance string) bool {
	return c.wantsAll() || slices.Contains(c.Indicators, instance)
}

// wantsAll tells whether the values of all instances go out.
func (c *ExportConfig) wantsAll() bool { return len(c.Indicators) == 1 && c.Indicators[0] == "all" }

// wants tells whether a row goes out. ms is its time.
func (c *ExportConfig) wants(symbol string, ms int64) bool {
	return (c.Symbols == nil || slices.Contains(c.Symbols, symbol)) && (c.From == 0 || ms >= c.From) && (c.To == 0 || ms < c.To)
}
