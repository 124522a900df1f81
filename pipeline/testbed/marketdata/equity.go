package marketdata

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the day of a file begins at midnight in New York, on machines without zone files too
)

// Print is one US equity trade print with what [Trade] does not carry.
type Print struct {
	Trade
	Venue      string
	Bits       uint64 // sale conditions
	Suspicious bool
}

// Bar is one bar of the vendor.
type Bar struct {
	Open       int64 // open time, ms since 1970 UTC
	O, H, L, C string
	Volume     int64
}

// Equity reads SYMBOL_YYYYMMDD_trades.zip and calls each for every print, in the order of the file, which is that of the venue.
// The id is "<symbol>_<day>:<line>", for example spy_20131008:1.
func Equity(path string, each func(Print) error) error {
	symbol, midnight, name, err := equityDay(path)
	if err != nil {
		return err
	}
	return zipLines(path, func(number int, line string) error {
		print, err := parsePrint(line, midnight)
		if err != nil {
			return fmt.Errorf("reading line %d of %s: %w", number, filepath.Base(path), err)
		}
		print.Symbol = symbol
		print.TextID = name + ":" + strconv.Itoa(number)
		return each(print)
	})
}

// EquityBars reads SYMBOL_YYYYMMDD_minute_bars.zip or .._second_bars.zip.
func EquityBars(path string) ([]Bar, error) {
	_, midnight, _, err := equityDay(path)
	if err != nil {
		return nil, err
	}
	var bars []Bar
	err = zipLines(path, func(number int, line string) error {
		fields := strings.Split(line, ",")
		if len(fields) != 6 {
			return fmt.Errorf("reading line %d of %s: %d fields, want 6", number, filepath.Base(path), len(fields))
		}
		var n [6]int64
		for i, field := range fields {
			if n[i], err = strconv.ParseInt(field, 10, 64); err != nil {
				return fmt.Errorf("reading line %d of %s: %w", number, filepath.Base(path), err)
			}
		}
		bars = append(bars, Bar{midnight + n[0], tenThousandth(n[1]), tenThousandth(n[2]), tenThousandth(n[3]), tenThousandth(n[4]), n[5]})
		return nil
	})
	return bars, err
}

// parsePrint reads "ms since midnight, price x 10000, size, venue, condition bits in hex, suspicious".
func parsePrint(line string, midnight int64) (Print, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 6 {
		return Print{}, fmt.Errorf("%d fields, want 6", len(fields))
	}
	ms, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return Print{}, fmt.Errorf("reading the time: %w", err)
	}
	price, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return Print{}, fmt.Errorf("reading the price: %w", err)
	}
	conditions, err := strconv.ParseUint(fields[4], 16, 64)
	if err != nil {
		return Print{}, fmt.Errorf("reading the conditions: %w", err)
	}
	print := Print{Venue: fields[3], Bits: conditions, Suspicious: fields[5] == "1"}
	print.TS, print.Price, print.Size = midnight+ms, tenThousandth(price), fields[2]
	for rest := conditions; rest != 0; rest &= rest - 1 {
		print.Conditions = append(print.Conditions, strconv.FormatUint(1<<bits.TrailingZeros64(rest), 16))
	}
	return print, nil
}

// equityDay reads symbol and day from the name of a file, and finds midnight in New York.
func equityDay(path string) (symbol string, midnight int64, name string, err error) {
	parts := strings.SplitN(filepath.Base(path), "_", 3)
	if len(parts) != 3 {
		return "", 0, "", fmt.Errorf("reading the file name %q: want symbol_day_kind.zip", filepath.Base(path))
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		return "", 0, "", fmt.Errorf("loading the zone of New York: %w", err)
	}
	day, err := time.ParseInLocation("20060102", parts[1], zone)
	if err != nil {
		return "", 0, "", fmt.Errorf("reading the day of %q: %w", filepath.Base(path), err)
	}
	return strings.ToUpper(parts[0]), day.UnixMilli(), parts[0] + "_" + parts[1], nil
}

// tenThousandth writes n / 10000 as the shortest exact decimal.
func tenThousandth(n int64) string {
	text := fmt.Sprintf("%d.%04d", n/10_000, n%10_000)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// zipLines calls each for the lines of the only file in a zip, counted from 1.
func zipLines(path string, each func(number int, line string) error) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("opening %s: %w", filepath.Base(path), err)
	}
	defer archive.Close()
	if len(archive.File) != 1 {
		return fmt.Errorf("opening %s: %d files in it, want 1", filepath.Base(path), len(archive.File))
	}
	inside, err := archive.File[0].Open()
	if err != nil {
		return fmt.Errorf("opening %s: %w", filepath.Base(path), err)
	}
	defer inside.Close()
	return lines(inside, each)
}

func lines(in io.Reader, each func(number int, line string) error) error {
	scanner := bufio.NewScanner(in)
	for number := 1; scanner.Scan(); number++ {
		if line := strings.TrimSpace(scanner.Text()); line != "" {
			if err := each(number, line); err != nil {
				return err
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("reading lines: %w", err)
	}
	return nil
}
