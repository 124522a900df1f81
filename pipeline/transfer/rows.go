package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Formats of a file. FormatAuto decides by the first characters.
const (
	FormatAuto  = "auto"
	FormatCSV   = "csv"
	FormatJSONL = "jsonl"
	FormatJSON  = "json" // one array
)

// row is one row of a file. Its slices are valid until the next.
type row struct {
	n      int64 // number in the file, over all members, from 1
	line   int64 // in its member
	text   []byte
	fields [][]byte // of CSV and of JSON arrays, nil for JSON objects
	layout *layout  // of fields
	member string
}

// rows reads a file row by row.
type rows struct {
	cfg    *Config
	name   string // of the file, for errors
	in     *stream
	text   rowText // of the current member, nil before the first
	format string  // of the current member
	cutter cutter
	layout *layout
	row    row
	// sum is over all rows so far: what an earlier run has sent must be what
	// stands in the file now.
	sum   *xxhash.Digest
	waits []byte // a first line that was no header
	at    int64  // its number
}

func openRows(cfg *Config, path string) (*rows, error) {
	in, err := openStream(path)
	if err != nil {
		return nil, err
	}
	return &rows{cfg: cfg, name: filepath.Base(path), in: in, cutter: cutter{comma: cfg.Comma}, sum: newSum()}, nil
}

func newSum() *xxhash.Digest { return xxhash.New() }

// hashText is a sum of rows as states have it.
func hashText(sum uint64) string { return strconv.FormatUint(sum, 16) }

func (r *rows) close() { r.in.close() }

// next reads one row; io.EOF ends. A *BadRowError is about that row alone.
func (r *rows) next() (*row, error) {
	for {
		if r.text == nil {
			if err := r.member(); errors.Is(err, io.EOF) {
				return nil, io.EOF
			} else if err != nil {
				return nil, r.wrap(err)
			}
		}
		text, line, err := r.line()
		if errors.Is(err, io.EOF) {
			r.text = nil
			continue
		}
		if err != nil && !errors.Is(err, errLong) {
			return nil, r.wrapAt(line, err)
		}
		r.row = row{n: r.row.n + 1, line: line, text: text, layout: r.layout, member: r.in.name}
		_, _ = r.sum.Write(text) // it never fails
		_, _ = r.sum.Write([]byte{'\n'})
		if err == nil {
			err = r.split()
		}
		if err != nil {
			return &r.row, r.bad(&r.row, err)
		}
		return &r.row, nil
	}
}

// skip reads n rows, bad ones too, and returns how many there were; io.EOF tells
// that there are no more.
func (r *rows) skip(n int64) (int64, error) {
	for read := range n {
		_, err := r.next()
		if bad := (*BadRowError)(nil); err != nil && !errors.As(err, &bad) {
			return read, err
		}
	}
	return n, nil
}

// line is the next one, or the first line that turned out to be no header.
func (r *rows) line() ([]byte, int64, error) {
	if r.waits != nil {
		text := r.waits
		r.waits = nil
		return text, r.at, nil
	}
	return r.text.next()
}

// bad names the place of what is wrong with a row.
func (r *rows) bad(at *row, err error) *BadRowError {
	b := &BadRowError{File: r.name, Member: at.member, Line: at.line, Reason: err.Error(), Text: string(at.text)}
	if f := (*fault)(nil); errors.As(err, &f) {
		b.Field, b.Reason = f.field, f.reason
	}
	return b
}

func (r *rows) wrap(err error) error {
	if r.in.name != "" {
		return fmt.Errorf("reading %s:%s: %w", shown(r.name), shown(r.in.name), err)
	}
	return fmt.Errorf("reading %s: %w", r.name, err)
}

func (r *rows) wrapAt(line int64, err error) error {
	if r.in.name != "" {
		return fmt.Errorf("reading %s:%s at line %d: %w", shown(r.name), shown(r.in.name), line, err)
	}
	return fmt.Errorf("reading %s at line %d: %w", r.name, line, err)
}

// member opens the next member, finds out its format and reads its header.
func (r *rows) member() error {
	in, err := r.in.next()
	if err != nil {
		return err
	}
	first, err := newLines(in)
	if err != nil {
		return err
	}
	r.format = r.cfg.Format
	if r.format == FormatAuto {
		head, err := first.in.Peek(512)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		r.format = formatOf(head)
	}
	r.layout = nil
	if r.format == FormatJSON {
		r.text, err = newElements(first.in)
		if err == nil {
			r.layout = r.arrays()
		}
		return err
	}
	r.text = first
	if r.format == FormatJSONL {
		r.layout = r.arrays()
		return nil
	}
	return r.header()
}

// formatOf tells CSV from JSON lines and from one JSON array by the beginning.
func formatOf(head []byte) string {
	head = bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(head) > 0 && head[0] == '{':
		return FormatJSONL
	case len(head) == 0 || head[0] != '[':
		return FormatCSV
	}
	// An array of numbers is a row, one of arrays or objects holds rows.
	if inner := bytes.TrimLeft(head[1:], " \t\r\n"); len(inner) > 0 && (inner[0] == '[' || inner[0] == '{' || inner[0] == ']') {
		return FormatJSON
	}
	return FormatJSONL
}

// arrays is the layout of rows that are JSON arrays, nil without places.
func (r *rows) arrays() *layout {
	if places := r.cfg.places(); places != nil {
		return placed(r.cfg.vocabulary(), places)
	}
	return nil
}

// header reads the first line of a CSV and finds the columns.
func (r *rows) header() error {
	text, line, err := r.text.next()
	if errors.Is(err, io.EOF) {
		return nil // an empty member
	}
	if err != nil {
		return err
	}
	fields, err := r.cutter.csv(text)
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	if places := r.cfg.places(); places != nil {
		r.layout = placed(r.cfg.vocabulary(), places)
		if r.layout.numeric(fields) || looksLikeData(fields) {
			r.waits, r.at = bytes.Clone(text), line
		}
	} else {
		if looksLikeData(fields) {
			return fmt.Errorf("line %d is no header but data (%q): name the columns with --columns, such as --columns ts,price,size, or the venue with --venue", line, cut(string(text)))
		}
		columns := r.cfg.headers()
		if r.layout, err = headed(r.cfg.vocabulary(), &columns, fields); err != nil {
			return err
		}
	}
	return r.layout.missing(r.given)
}

// given tells which fields have a value from elsewhere.
func (r *rows) given(name string) bool {
	t := r.cfg.named(r.in.name, r.name)
	return (name == "symbol" || name == "sym") && t.symbol != "" || name == "itv" && t.interval != ""
}

// looksLikeData reports whether most fields of a line are numbers.
func looksLikeData(fields [][]byte) bool {
	n := 0
	for _, f := range fields {
		if len(f) > 0 && (f[0] >= '0' && f[0] <= '9' || f[0] == '-' || f[0] == '.') {
			n++
		}
	}
	return 2*n >= len(fields)
}

// split cuts the row into fields. A JSON object has none.
func (r *rows) split() error {
	var err error
	switch {
	case r.format == FormatCSV:
		if r.row.fields, err = r.cutter.csv(r.row.text); err == nil && r.layout != nil {
			err = r.layout.fits(r.row.fields, r.unended())
		}
	case len(r.row.text) > 0 && r.row.text[0] == '[' && r.layout != nil:
		r.row.fields, err = r.cutter.array(r.row.text)
	case r.cfg.Frame != "":
		r.row.text, err = unwrap(r.row.text, r.cfg.Frame)
	}
	return err
}

// unended reports whether the row has no line end, as the last one of a file that is
// cut off, or still written.
func (r *rows) unended() bool {
	l, ok := r.text.(*lines)
	return ok && l.unended
}

// unwrap takes a member out of a JSON object.
func unwrap(text []byte, key string) ([]byte, error) {
	var outer map[string]json.RawMessage
	if json.Unmarshal(text, &outer) != nil || outer[key] == nil {
		return text, faulty(key, "the line is no JSON object with this key (--frame)")
	}
	return outer[key], nil
}
