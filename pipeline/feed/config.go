package feed

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Formats of a replayed file.
const (
	// FormatCSV has a header line that names the columns ts, price, size and,
	// where present, symbol, id, side, seq.
	FormatCSV = "csv"
	// FormatJSONL has one trade JSON a line.
	FormatJSONL = "jsonl"
)

// ReplayConfig describes a Replay.
type ReplayConfig struct {
	// File is the path; a name that ends in .gz is decompressed. Required.
	File string
	// Format is FormatCSV or FormatJSONL. Default: by the suffix of File.
	Format string
	// Mapping names the columns or JSON fields, the time unit and whose side it
	// is. Default: the generic trade, milliseconds.
	Mapping *wire.Mapping
	// Speed. Default: 1.
	Speed Speed
	// Loop plays the file again and again, ids shifted per loop; needs RebaseNow.
	Loop bool
	// RebaseNow makes the event time of a trade the moment at which it is due.
	// Otherwise event times stay as in the file.
	RebaseNow bool
	// Preload is the length of the file's first part that goes out at once,
	// event times ending now, if the topic holds no trade of its symbols; needs
	// RebaseNow. Default: 0, off.
	Preload time.Duration
	// Symbol is the symbol of trades that have none.
	Symbol string
	// SourceName is the `src` of trades and heartbeats. Required, unique.
	SourceName string
	// NoHeartbeats stops the heartbeats, for a topic shared with consumers that
	// would stumble over them.
	NoHeartbeats bool

	// Clock paces. Default: the machine's clock.
	Clock clock.Clock
	// Observer counts. Default: nobody.
	Observer Observer
	// Log takes messages. Default: nobody.
	Log Logger
}

// complete fills in defaults and refuses what does not fit together.
func (c *ReplayConfig) complete() error {
	if c.File == "" {
		return errors.New("configuring feed replay: no file is named (feed replay <file>)")
	}
	if c.SourceName == "" || len(c.SourceName) > wire.MaxSourceBytes {
		return fmt.Errorf("configuring feed replay: source_name must have 1 to %d bytes", wire.MaxSourceBytes)
	}
	if err := c.completeFormat(); err != nil {
		return err
	}
	switch {
	case c.Loop && !c.RebaseNow:
		return errors.New("configuring feed replay: loop needs `rebase now`: with the event times of the file every trade of the second loop would be too late")
	case c.Preload != 0 && !c.RebaseNow:
		return errors.New("configuring feed replay: preload needs `rebase now`: it moves event times so that they end now")
	case c.Preload < 0:
		return errors.New("configuring feed replay: preload must not be negative")
	}
	return c.completeRest()
}

func (c *ReplayConfig) completeFormat() error {
	if c.Format == "" {
		name := strings.TrimSuffix(c.File, ".gz")
		for suffix, format := range map[string]string{".csv": FormatCSV, ".jsonl": FormatJSONL, ".ndjson": FormatJSONL} {
			if strings.HasSuffix(name, suffix) {
				c.Format = format
			}
		}
	}
	switch c.Format {
	case FormatCSV, FormatJSONL:
		return nil
	case "":
		return fmt.Errorf("configuring feed replay: the name %q does not tell the format (add format csv or format jsonl)", cut(c.File))
	}
	return fmt.Errorf("configuring feed replay: unrecognized format %q (allowed: csv, jsonl)", cut(c.Format))
}

func (c *ReplayConfig) completeRest() error {
	m := wire.Mapping{}
	if c.Mapping != nil {
		m = *c.Mapping
	}
	if c.Symbol != "" {
		m.Symbol = c.Symbol
	}
	if err := m.Validate(); err != nil {
		return fmt.Errorf("configuring feed replay: %w", err)
	}
	c.Mapping = &m
	if c.Speed == 0 {
		c.Speed = 1
	}
	if !(c.Speed > 0) {
		return errors.New("configuring feed replay: speed must be above 0")
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Observer == nil {
		c.Observer = silent{}
	}
	if c.Log == nil {
		c.Log = silent{}
	}
	return nil
}
