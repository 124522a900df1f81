package vet

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// maxFileBars bounds a file of bars: two years of minutes.
const maxFileBars = 1 << 20

// column is a column of a file of bars and where it goes.
type column struct {
	names    []string // in lower case
	required bool
	set      func(b *wasmhost.Bar, text string) error
}

func number(at func(*wasmhost.Bar) *float64) func(*wasmhost.Bar, string) error {
	return func(b *wasmhost.Bar, text string) error {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%q is no finite number", short(text))
		}
		*at(b) = v
		return nil
	}
}

func columns() []column {
	return []column{
		{[]string{"open_time", "time", "timestamp", "date", "t"}, false, setTime},
		{[]string{"open", "o"}, true, number(func(b *wasmhost.Bar) *float64 { return &b.Open })},
		{[]string{"high", "h"}, true, number(func(b *wasmhost.Bar) *float64 { return &b.High })},
		{[]string{"low", "l"}, true, number(func(b *wasmhost.Bar) *float64 { return &b.Low })},
		{[]string{"close", "c"}, true, number(func(b *wasmhost.Bar) *float64 { return &b.Close })},
		{[]string{"volume", "v"}, false, number(func(b *wasmhost.Bar) *float64 { return &b.Volume })},
		{[]string{"quote_volume"}, false, number(func(b *wasmhost.Bar) *float64 { return &b.QuoteVolume })},
		{[]string{"taker_buy_volume"}, false, func(b *wasmhost.Bar, text string) error {
			b.Flags |= wasmhost.FlagHasTaker
			return number(func(b *wasmhost.Bar) *float64 { return &b.TakerBuyVolume })(b, text)
		}},
		{[]string{"trades", "count"}, false, func(b *wasmhost.Bar, text string) error {
			n, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				return fmt.Errorf("%q is no number of trades", short(text))
			}
			b.Trades = uint32(n)
			return nil
		}},
	}
}

// setTime reads milliseconds, seconds or RFC 3339. Nine and ten digits are
// seconds, from 1973 to 2286: as milliseconds they would be early in 1970.
func setTime(b *wasmhost.Bar, text string) error {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n >= 100_000_000 && n < 10_000_000_000 {
			n *= 1000
		}
		b.OpenTime = n
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			b.OpenTime = at.UnixMilli()
			return nil
		}
	}
	return fmt.Errorf("%q is no time: write milliseconds, seconds or 2026-11-21T11:00:00Z", short(text))
}

// short cuts foreign text.
func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// ReadBars reads bars from CSV with a line of column names: open, high, low
// and close are needed; open_time (milliseconds, seconds or RFC 3339), volume,
// quote_volume, taker_buy_volume and trades are taken; others are left alone.
// Without times, bars are a minute apart.
func ReadBars(r io.Reader) ([]wasmhost.Bar, error) {
	bars, _, _, err := readTable(r)
	if err != nil {
		return nil, fmt.Errorf("reading bars: %w", err)
	}
	return bars, nil
}

// readTable reads bars and the columns that are none of theirs.
func readTable(r io.Reader) (bars []wasmhost.Bar, extra []string, cells [][]string, err error) {
	c := csv.NewReader(r)
	c.TrimLeadingSpace, c.ReuseRecord, c.Comment = true, true, '#'
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, nil, errors.New("the file is empty: it begins with a line of column names such as open_time,open,high,low,close,volume")
	}
	if err != nil {
		return nil, nil, nil, err
	}
	setters, extra, err := match(head)
	if err != nil {
		return nil, nil, nil, err
	}
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return bars, extra, cells, nil
		}
		if err != nil {
			return nil, nil, nil, err
		}
		line, _ := c.FieldPos(0)
		if len(bars) == maxFileBars {
			return nil, nil, nil, fmt.Errorf("line %d: there are more than %d bars", line, maxFileBars)
		}
		b := wasmhost.Bar{OpenTime: int64(len(bars)) * 60_000}
		var rest []string
		for i, text := range record {
			if setters[i] == nil {
				rest = append(rest, text)
			} else if err := setters[i](&b, strings.TrimSpace(text)); err != nil {
				return nil, nil, nil, fmt.Errorf("line %d, column %d: %w", line, i+1, err)
			}
		}
		bars, cells = append(bars, b), append(cells, rest)
	}
}

// match finds the columns of bars in a line of names.
func match(head []string) (setters []func(*wasmhost.Bar, string) error, extra []string, err error) {
	setters = make([]func(*wasmhost.Bar, string) error, len(head))
	known := columns()
	found := make([]bool, len(known))
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		k := slices.IndexFunc(known, func(c column) bool { return slices.Contains(c.names, name) })
		if k < 0 {
			extra = append(extra, name)
			continue
		}
		if found[k] {
			return nil, nil, fmt.Errorf("column %q stands twice", name)
		}
		found[k], setters[i] = true, known[k].set
	}
	for k, c := range known {
		if c.required && !found[k] {
			return nil, nil, fmt.Errorf("column %q is missing: the first line has the names of the columns, such as open_time,open,high,low,close,volume", c.names[0])
		}
	}
	return setters, extra, nil
}
