package marketdata

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Binance reads binance_SYMBOL_.._trades.csv.gz: id, ms, price, amount, buyer_is_maker.
func Binance(path string, each func(Trade) error) error {
	return gunzip(path, func(in *gzip.Reader) error {
		return lines(in, func(number int, line string) error {
			if number == 1 {
				return nil // header
			}
			trade, err := parseBinance(line)
			if err != nil {
				return fmt.Errorf("reading line %d of %s: %w", number, filepath.Base(path), err)
			}
			trade.Symbol = binanceSymbol(path)
			return each(trade)
		})
	})
}

func parseBinance(line string) (Trade, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 5 {
		return Trade{}, fmt.Errorf("%d fields, want 5", len(fields))
	}
	id, errID := strconv.ParseInt(fields[0], 10, 64)
	ms, errMS := strconv.ParseInt(fields[1], 10, 64)
	if err := errors.Join(errID, errMS); err != nil {
		return Trade{}, err
	}
	side := "buy"
	if fields[4] == "1" {
		side = "sell" // the buyer's order was in the book, so the taker sold
	}
	return Trade{Price: fields[2], Size: fields[3], TS: ms, ID: id, Side: side}, nil
}

// BinanceAggregate reads binance_SYMBOL_.._trades.json.gz: an array of [ms, "id", null, taker side, price, amount, cost]. The ids are
// integers in quotes; they are handed on as integers, because they ascend.
func BinanceAggregate(path string, each func(Trade) error) error {
	return gunzip(path, func(in *gzip.Reader) error {
		decoder := json.NewDecoder(in)
		decoder.UseNumber()
		var rows [][]any
		if err := decoder.Decode(&rows); err != nil {
			return fmt.Errorf("reading %s: %w", filepath.Base(path), err)
		}
		for i, row := range rows {
			trade, err := parseAggregate(row)
			if err != nil {
				return fmt.Errorf("reading row %d of %s: %w", i, filepath.Base(path), err)
			}
			trade.Symbol = binanceSymbol(path)
			if err := each(trade); err != nil {
				return err
			}
		}
		return nil
	})
}

func parseAggregate(row []any) (Trade, error) {
	if len(row) != 7 {
		return Trade{}, fmt.Errorf("%d columns, want 7", len(row))
	}
	ms, errMS := strconv.ParseInt(fmt.Sprint(row[0]), 10, 64)
	id, errID := strconv.ParseInt(fmt.Sprint(row[1]), 10, 64)
	if err := errors.Join(errMS, errID); err != nil {
		return Trade{}, err
	}
	side, isText := row[3].(string)
	price, isPrice := row[4].(json.Number)
	size, isSize := row[5].(json.Number)
	if !isText || !isPrice || !isSize {
		return Trade{}, fmt.Errorf("side, price and amount are %v, %v, %v", row[3], row[4], row[5])
	}
	return Trade{Price: price.String(), Size: size.String(), TS: ms, ID: id, Side: side}, nil
}

func binanceSymbol(path string) string {
	_, rest, _ := strings.Cut(filepath.Base(path), "_")
	symbol, _, _ := strings.Cut(rest, "_")
	return symbol
}

func gunzip(path string, read func(*gzip.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening %s: %w", filepath.Base(path), err)
	}
	defer file.Close()
	in, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("opening %s: %w", filepath.Base(path), err)
	}
	return read(in)
}
