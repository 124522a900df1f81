package feed

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// table reads CSV whose first line names the columns.
type table struct {
	in      *csv.Reader
	decoder *wire.Decoder
	column  [wire.NumFields]int // index of each field, -1 none
	texts   [wire.NumFields][]byte
}

func newTable(m *wire.Mapping, in io.Reader) (*table, error) {
	t := &table{in: csv.NewReader(bufio.NewReaderSize(in, 1<<16)), decoder: wire.NewDecoder(m)}
	t.in.ReuseRecord = true
	header, err := t.in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty (the first line names the columns: ts,price,size and, where present, symbol, id, side, seq)")
	}
	if err != nil {
		return nil, csvError(err)
	}
	header = slices.Clone(header)
	header[0] = strings.TrimPrefix(header[0], "\ufeff") // spreadsheets write one
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	return t, t.place(m, header)
}

// place finds the column of every field.
func (t *table) place(m *wire.Mapping, header []string) error {
	for f := range wire.NumFields {
		name := f.String()
		if len(m.Paths[f]) > 0 {
			name = m.Paths[f].String()
		}
		t.column[f] = slices.Index(header, name)
		if i := t.column[f]; i >= 0 && slices.Index(header[i+1:], name) >= 0 {
			return fmt.Errorf("two columns are called %q", cut(name))
		}
		required := f == wire.FieldTS || f == wire.FieldPrice || f == wire.FieldSize || f == wire.FieldSymbol && m.Symbol == ""
		if !required || t.column[f] >= 0 {
			continue
		}
		err := fmt.Errorf("no column %q among %q (the first line names the columns)", cut(name), cut(strings.Join(header, ",")))
		if f == wire.FieldSymbol {
			err = fmt.Errorf("%w; add the word symbol <name> to the feed, or --symbol to the command, if all trades are of one symbol", err)
		}
		return err
	}
	return nil
}

func (t *table) next(trade *core.Trade) (line int, err error) {
	record, err := t.in.Read()
	if errors.Is(err, io.EOF) {
		return 0, io.EOF
	}
	if err != nil {
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			line = parse.Line
		}
		return line, csvError(err)
	}
	line, _ = t.in.FieldPos(0)
	for f, i := range t.column {
		t.texts[f] = t.texts[f][:0]
		if i >= 0 {
			// JSON would carry a replacement character, and two ids would be one.
			if !utf8.ValidString(record[i]) {
				return line, fmt.Errorf("%w: field %q is not UTF-8", errRow, wire.Field(f))
			}
			t.texts[f] = append(t.texts[f], strings.TrimSpace(record[i])...)
		}
	}
	*trade = t.decoder.Row(&t.texts)
	return line, nil
}

// csvError leaves out line and column of encoding/csv: the line is named once.
func csvError(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("%w: %w", errRow, parse.Err)
	}
	return err
}
