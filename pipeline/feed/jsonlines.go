package feed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// jsonLines reads one record a line; a record may hold an array of trades.
// Empty lines hold none.
type jsonLines struct {
	in      *bufio.Scanner
	decoder *wire.Decoder
	line    int
	trades  []core.Trade // of the current line
	at      int          // next of trades
}

func newJSONLines(m *wire.Mapping, in io.Reader) *jsonLines {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 1<<16), wire.MaxRecordBytes+2) // a line ending may follow
	return &jsonLines{in: s, decoder: wire.NewDecoder(m)}
}

func (j *jsonLines) next(t *core.Trade) (line int, err error) {
	for j.at == len(j.trades) {
		if err := j.read(); err != nil {
			return j.line, err
		}
	}
	*t = j.trades[j.at]
	j.at++
	return j.line, nil
}

// read decodes the next line, which may be empty.
func (j *jsonLines) read() error {
	j.trades, j.at = j.trades[:0], 0
	if !j.in.Scan() {
		err := j.in.Err()
		if err == nil {
			return io.EOF
		}
		j.line++
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("%w: longer than %d bytes", errRow, wire.MaxRecordBytes)
		}
		return err
	}
	j.line++
	text := j.in.Bytes()
	if j.line == 1 {
		text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors write one
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil
	}
	var err error
	j.trades, err = j.decoder.Decode(text, j.trades)
	return err
}
