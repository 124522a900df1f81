package history

import (
	"fmt"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// reader turns records into rows. It is not safe for concurrent use.
type reader struct {
	stream  Stream
	decoder *wire.Decoder
	trades  []core.Trade // reused
}

func newReader(s Stream, m *wire.Mapping) *reader {
	return &reader{stream: s, decoder: wire.NewDecoder(m)}
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
	var err error
	if r.trades, err = r.decoder.Decode(rec.Value, r.trades[:0]); err != nil {
		return
	}
	source, _ := rec.Header(wire.HeaderSource)
	for i := range r.trades {
		if r.trades[i].Reject != core.ReasonNone {
			continue
		}
		b.Trades = append(b.Trades, Trade{
			Trade: r.trades[i], Source: string(source),
			Origin: Origin{P: p, Offset: rec.Offset, Index: i, Value: rec.Value},
		})
	}
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
