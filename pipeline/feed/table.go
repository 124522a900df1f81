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

// maxRow bounds a row of CSV in bytes, and tableBuffer is how much is read ahead.
const (
	maxRow      = 1 << 20
	tableBuffer = 1 << 16
)

// errLongRow ends a row that has no end.
var errLongRow = fmt.Errorf("%w: longer than %d bytes (a quote that is never closed?)", errRow, maxRow)

// rowBytes is the text of a table, of which each row may take a part: with a quote that
// is never closed the rest of the file would be one field, in memory.
type rowBytes struct {
	in   io.Reader
	left int
}

// Read implements io.Reader.
func (r *rowBytes) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errLongRow
	}
	n, err := r.in.Read(p)
	r.left -= n
	return n, err
}

// table reads CSV whose first line names the columns.
type table struct {
	in      *csv.Reader
	text    *rowBytes
	last    int // line of the last row
	decoder *wire.Decoder
	column  [wire.NumFields]int // index of each field, -1 none
	texts   [wire.NumFields][]byte
}

func newTable(m *wire.Mapping, in io.Reader) (*table, error) {
	text := &rowBytes{in: in}
	t := &table{in: csv.NewReader(bufio.NewReaderSize(text, tableBuffer)), text: text, last: 1, decoder: wire.NewDecoder(m)}
	t.in.ReuseRecord = true
	header, err := t.row()
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

// row reads the next row, the first one too.
func (t *table) row() ([]string, error) {
	t.text.left = maxRow + tableBuffer
	return t.in.Read()
}

func (t *table) next(trade *core.Trade) (line int, err error) {
	record, err := t.row()
	if errors.Is(err, io.EOF) {
		return 0, io.EOF
	}
	if errors.Is(err, errLongRow) {
		return t.last + 1, err
	}
	if err != nil {
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			line = parse.Line
		}
		return line, csvError(err)
	}
	line, _ = t.in.FieldPos(0)
	t.last = line
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
