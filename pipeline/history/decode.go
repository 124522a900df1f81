package history

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// reader turns records into rows. It is not safe for concurrent use.
type reader struct {
	stream   Stream
	dialects *wire.Dialects
	trades   []core.Trade // reused
}

func newReader(s Stream, m *wire.Mapping) *reader {
	return &reader{stream: s, dialects: wire.NewDialects(m)}
}

// read appends the rows of a record to b. The error is about a record that
// claims to be a row and cannot be read.
func (r *reader) read(p int32, rec *kafka.Rec, b *Batch) error {
	if r.stream == Klines {
		return readKline(p, rec, b)
	}
	r.readTrades(p, rec, b)
	return nil
}

// readTrades leaves out what the engine has put into the dead-letter topic
// itself: records that hold no trade, and trades that lack a field.
func (r *reader) readTrades(p int32, rec *kafka.Rec, b *Batch) {
	if _, other := rec.Header(wire.HeaderKind); other || rec.Value == nil {
		return
	}
	content, _ := rec.Header(wire.HeaderContentType)
	var err error
	if r.trades, err = r.dialects.Of(content).Decode(rec.Value, r.trades[:0]); err != nil {
		return
	}
	header, _ := rec.Header(wire.HeaderSource)
	source := sourceText(header)
	for i := range r.trades {
		if r.trades[i].Reject != core.ReasonNone {
			continue
		}
		b.Trades = append(b.Trades, Trade{
			Trade: r.trades[i], Source: source,
			Origin: Origin{P: p, Offset: rec.Offset, Index: i, Value: rec.Value},
		})
	}
}

// sourceText is a source as every database can hold it: a header is bytes of any
// kind, and a table of text refuses each row that has others than UTF-8, or a zero.
func sourceText(header []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(header), "\ufffd"), "\x00", "\ufffd")
}

// readKline leaves out gaps and restated values, which are no bars, and records
// without a position, which are not ours.
func readKline(p int32, rec *kafka.Rec, b *Batch) error {
	so, ok1 := number(rec, wire.HeaderOffset)
	sk, ok2 := number(rec, wire.HeaderOrdinal)
	if _, other := rec.Header(wire.HeaderKind); other || rec.Value == nil || !ok1 || !ok2 {
		return nil
	}
	b.Klines = append(b.Klines, Kline{So: so, Sk: sk, Origin: Origin{P: p, Offset: rec.Offset, Value: rec.Value}})
	k := &b.Klines[len(b.Klines)-1]
	err := wire.DecodeKline(rec.Value, &k.KlineRecord)
	if err != nil || !k.Final {
		b.Klines = b.Klines[:len(b.Klines)-1]
	}
	if err != nil {
		return fmt.Errorf("reading a kline: %w", err)
	}
	return nil
}

func number(rec *kafka.Rec, header string) (int64, bool) {
	v, ok := rec.Header(header)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && n >= 0
}
