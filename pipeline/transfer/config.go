package transfer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Kind is what a file holds.
type Kind uint8

// The kinds.
const (
	Trades Kind = iota
	Bars
)

// String is the word of the command line.
func (k Kind) String() string { return [...]string{"trades", "bars"}[k] }

// Config describes an Import. What it says about rows is part of their
// identity: a file that was begun with other words begins anew only if told so.
type Config struct {
	// Kind is what the files hold.
	Kind Kind
	// Format is one of the Formats. Default: auto.
	Format string
	// Columns says where fields stand. Default: by the header, or the venue's.
	Columns Columns
	// Venue is a preset of FileVenues, or for JSON of adapter.VenueNames.
	Venue string
	// Symbol and Interval are those of rows that have none.
	Symbol, Interval string
	// TimeUnit is s, ms, us, ns, rfc3339 or auto: the one unit in which the first
	// row's time lies between 2000 and 2100. A file has one unit. Default: auto.
	TimeUnit string
	// Date (2013-10-08) and Zone say from which midnight times count.
	Date, Zone string
	// PriceScale is how many places integer prices have behind the point.
	PriceScale int
	// Comma separates the columns of CSV. Default: a comma.
	Comma byte
	// Frame is the key of a JSON object under which the venue's frame stands.
	Frame string
	// Contracts takes the sizes of a venue's derivatives as they are.
	Contracts bool
	// Rules are those of the engine about symbols; of them counts here which may
	// have prices of 0 and below.
	Rules []core.SymbolRule

	// Target takes the rows. Required.
	Target Target
	// Guard, if not nil, ends the import at a trade that would be too late.
	Guard *Guard
	// MaxBad is how many bad rows of a file are left out. Default: 0, the first
	// ends the import.
	MaxBad int64
	// Bad, if not nil, is told of each bad row when the rows around it are done.
	Bad func([]*BadRowError) error
	// Rate is the most rows per second. Default: 0, no limit.
	Rate float64
	// Restart forgets what an earlier run has done.
	Restart bool
	// Progress is told now and then how far it is.
	Progress func(Progress)
	// Clock paces. Default: the machine's.
	Clock clock.Clock

	// rowsPerBatch is batchRows; tests take less.
	rowsPerBatch int64

	files venueFiles
	unit  wire.TimeUnit
	auto  bool
	zone  *time.Location
	itv   core.Interval // zero without Interval
}

// Progress is how far the import of a file is.
type Progress struct {
	// Rows are done, Bad of them were left out.
	Rows, Bad int64
	// Read of Size bytes of the file were read.
	Read, Size int64
}

// complete fills in defaults and refuses what does not fit together.
func (c *Config) complete() error {
	if c.Format == "" {
		c.Format = FormatAuto
	}
	if !slices.Contains([]string{FormatAuto, FormatCSV, FormatJSONL, FormatJSON}, c.Format) {
		return fmt.Errorf("reading --format: unknown value %q (allowed: csv, jsonl, json, auto)", cut(c.Format))
	}
	if c.Comma == 0 {
		c.Comma = ','
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.rowsPerBatch == 0 {
		c.rowsPerBatch = batchRows
	}
	if c.Target == nil {
		return errors.New("importing: no target")
	}
	if err := c.completeVenue(); err != nil {
		return err
	}
	if err := c.Columns.check(c.vocabulary()); err != nil {
		return err
	}
	if c.Symbol != "" && !core.ValidSymbol([]byte(c.Symbol)) {
		return fmt.Errorf("checking --symbol: %q is no symbol (a letter or digit, then up to 31 of letters, digits and . _ : / -)", cut(c.Symbol))
	}
	if c.Interval != "" {
		var err error
		if c.itv, err = parseInterval(c.Interval); err != nil {
			return err
		}
	}
	return c.completeTime()
}

func (c *Config) completeVenue() error {
	if c.Venue == "" {
		return nil
	}
	var known bool
	c.files, known = filesOf(c.Kind)[c.Venue]
	_, err := adapter.FindVenue(c.Venue)
	if !known && (c.Kind == Bars || err != nil) {
		names := FileVenues(c.Kind)
		if c.Kind == Trades {
			names = append(names, adapter.VenueNames()...)
		}
		slices.Sort(names)
		return fmt.Errorf("reading --venue: unknown value %q (allowed: %s)", cut(c.Venue), strings.Join(slices.Compact(names), ", "))
	}
	return nil
}

func (c *Config) completeTime() (err error) {
	c.unit, c.auto = c.files.unit, c.files.auto || c.Venue == ""
	switch c.TimeUnit {
	case "":
	case "auto":
		c.auto = true
	default:
		c.auto = false
		if c.unit, err = wire.ParseTimeUnit(c.TimeUnit); err != nil {
			return fmt.Errorf("reading --time-unit: %w", err)
		}
	}
	if c.PriceScale == 0 {
		c.PriceScale = c.files.shift
	}
	if c.PriceScale < 0 || c.PriceScale > core.MaxScale {
		return fmt.Errorf("reading --price-scale: %d is not between 0 and %d", c.PriceScale, core.MaxScale)
	}
	zone := c.Zone
	if zone == "" {
		zone = c.files.zone
	}
	if c.zone, err = time.LoadLocation(zone); err != nil {
		return fmt.Errorf("reading --zone: %q is no time zone that this machine knows: %w", cut(zone), err)
	}
	if c.Date != "" {
		if _, err := time.Parse(time.DateOnly, c.Date); err != nil {
			return fmt.Errorf("reading --date: %q is no day such as 2013-10-08", cut(c.Date))
		}
	}
	if c.midnight() && c.auto {
		c.auto, c.unit = false, wire.UnitMillis
	}
	return nil
}

// midnight tells that times count from midnight.
func (c *Config) midnight() bool { return c.Date != "" || c.files.midnight }

func (c *Config) vocabulary() *vocabulary {
	if c.Kind == Bars {
		return &barColumns
	}
	return &tradeColumns
}

// places are the columns in their order, nil where the header names them.
func (c *Config) places() []string {
	if c.Columns.Places != nil || c.Columns.Headers != nil {
		return c.Columns.Places
	}
	return c.files.places
}

// headers are the columns by header.
func (c *Config) headers() Columns {
	if c.Columns.Headers != nil {
		return c.Columns
	}
	return Columns{Headers: c.files.headers}
}

// settings is all that makes a row mean something else, as the words that are
// not the defaults.
func (c *Config) settings() string {
	pairs := slices.Clone(c.Columns.Places)
	for name, header := range c.Columns.Headers {
		pairs = append(pairs, name+"="+header)
	}
	if c.Columns.Headers != nil {
		slices.Sort(pairs)
	}
	out := []string{c.Kind.String()}
	for _, word := range []struct{ name, value, otherwise string }{
		{"format", c.Format, FormatAuto}, {"columns", strings.Join(pairs, ","), ""}, {"venue", c.Venue, ""}, {"symbol", c.Symbol, ""},
		{"interval", c.Interval, ""}, {"time-unit", c.TimeUnit, ""}, {"date", c.Date, ""}, {"zone", c.Zone, ""},
		{"price-scale", strconv.Itoa(c.PriceScale), strconv.Itoa(c.files.shift)}, {"delimiter", string(c.Comma), ","}, {"frame", c.Frame, ""},
		{"contracts", strconv.FormatBool(c.Contracts), "false"},
	} {
		if word.value != word.otherwise {
			out = append(out, "--"+word.name+" "+word.value)
		}
	}
	return strings.Join(out, " ")
}
