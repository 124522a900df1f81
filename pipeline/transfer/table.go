package transfer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// cellKind is how a column is written.
type cellKind uint8

const (
	cellText    cellKind = iota
	cellDecimal          // exact text; a JSON string, as on the topics
	cellInt
	cellTime  // ms since 1970 UTC
	cellID    // an integer or a text
	cellFloat // an indicator's value
)

// column of a table. Name is that of the topic and of REST.
type column struct {
	name string
	kind cellKind
}

// cells are the texts of one row; nil is no value.
type cells [][]byte

// table writes rows in one format.
type table interface {
	row(c cells) error
	// end writes what remains.
	end() error
}

// newTable begins a table.
func newTable(w io.Writer, columns []column, cfg *ExportConfig) (table, error) {
	switch cfg.Format {
	case FormatParquet:
		return newParquet(w, columns, cfg.Decimals)
	case FormatCSV, FormatJSONL:
		t := &textTable{columns: columns, json: cfg.Format == FormatJSONL}
		if cfg.Gzip {
			t.z = gzip.NewWriter(w) // without name and time: the same rows are the same bytes
			w = t.z
		}
		t.w = bufio.NewWriterSize(w, 1<<16)
		return t, t.header()
	}
	return nil, fmt.Errorf("reading --format: unknown value %q (allowed: csv, jsonl, parquet)", cut(cfg.Format))
}

// textTable is CSV or JSON lines.
type textTable struct {
	columns []column
	json    bool
	w       *bufio.Writer
	z       *gzip.Writer // nil without compression
	line    []byte
}

func (t *textTable) header() error {
	if t.json {
		return nil
	}
	names := make(cells, len(t.columns))
	for i, c := range t.columns {
		names[i] = []byte(c.name)
	}
	return t.row(names)
}

func (t *textTable) row(c cells) error {
	t.line = t.line[:0]
	if t.json {
		t.object(c)
	} else {
		for i, text := range c {
			if i > 0 {
				t.line = append(t.line, ',')
			}
			t.line = appendCSV(t.line, text)
		}
	}
	_, err := t.w.Write(append(t.line, '\n'))
	return err
}

// object appends the row as JSON; what has no value is left out.
func (t *textTable) object(c cells) {
	sep := byte('{')
	for i, text := range c {
		if text == nil {
			continue
		}
		t.line = appendJSON(append(t.line, sep), []byte(t.columns[i].name))
		t.line = append(t.line, ':')
		sep = ','
		switch t.columns[i].kind {
		case cellInt, cellTime, cellFloat:
			t.line = append(t.line, text...)
		case cellID:
			// Only what an integer prints as: 007 and +5 are no JSON, and 007 is not the id 7.
			if core.NewTradeID(text).Kind == core.IDInt {
				t.line = append(t.line, text...)
				continue
			}
			t.line = appendJSON(t.line, text)
		default:
			t.line = appendJSON(t.line, text)
		}
	}
	t.line = append(t.line, '}')
}

func (t *textTable) end() error {
	if err := t.w.Flush(); err != nil || t.z == nil {
		return err
	}
	return t.z.Close()
}

// appendCSV quotes where RFC 4180 asks for it, and white space at an end: readers
// take it away from around fields without quotes.
func appendCSV(dst, text []byte) []byte {
	if !bytes.ContainsAny(text, "\",\r\n") && len(bytes.TrimSpace(text)) == len(text) {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	dst = append(dst, bytes.ReplaceAll(text, []byte(`"`), []byte(`""`))...)
	return append(dst, '"')
}

func appendJSON(dst, text []byte) []byte {
	for _, c := range text {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			b, err := json.Marshal(string(text))
			if err != nil { // a text always marshals
				return append(dst, `""`...)
			}
			return append(dst, b...)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}
