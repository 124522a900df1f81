package feed

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// rows reads the trades of a file in their order. A trade is valid until the
// next call.
type rows struct {
	name   string // for errors: file name without folders
	file   io.Closer
	source rowSource
	n      int64 // trades read
}

// rowSource is one format. next returns io.EOF behind the last trade; line is
// that of the trade, from 1, or where reading failed.
type rowSource interface {
	next(t *core.Trade) (line int, err error)
}

// errRow is a fault in the text of a line, whose number the caller adds.
var errRow = errors.New("unusable line")

// openRows opens the file of cfg, which must be complete.
func openRows(cfg *ReplayConfig) (*rows, error) {
	f, err := os.Open(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("opening replay file: %w", err)
	}
	r, err := newRows(cfg, filepath.Base(cfg.File), f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

func newRows(cfg *ReplayConfig, name string, in io.Reader) (*rows, error) {
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("reading %s: not a gzip file: %w", name, err)
		}
		in = z
	}
	r := &rows{name: name}
	if cfg.Format == FormatJSONL {
		r.source = newJSONLines(cfg.Mapping, in)
		return r, nil
	}
	table, err := newTable(cfg.Mapping, in)
	if err != nil {
		return nil, fmt.Errorf("reading %s:1: %w", name, err)
	}
	r.source = table
	return r, nil
}

// next reads one trade; io.EOF ends. Errors name file and line.
func (r *rows) next(t *core.Trade) (line int, err error) {
	line, err = r.source.next(t)
	switch {
	case err == io.EOF: //nolint:errorlint // never wrapped by a source
		return line, io.EOF
	case err == nil && t.Reject != core.ReasonNone:
		err = fmt.Errorf("%w: reason %s, field %q", errRow, t.Reject, cut(t.Field))
	}
	if err != nil {
		return line, fmt.Errorf("reading %s:%d: %w", r.name, line, err)
	}
	r.n++
	return line, nil
}

func (r *rows) close() {
	if r.file != nil {
		// Opened for reading: a failing close loses nothing.
		_ = r.file.Close()
	}
}
