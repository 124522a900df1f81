package transfer

import (
	"context"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// batchRows is how many rows are delivered at once, and so how many a crash
	// repeats at most: two batches, well within what the engine remembers of ids.
	batchRows = 5000
	// batchBytes bounds a batch of long rows.
	batchBytes = 4 << 20
)

// Batch is what is delivered at once: records of trades, or bars.
type Batch struct {
	Records []kafka.TradeRecord
	// Klines are bars; Offset of their Origin is the line of the row.
	Klines []history.Kline

	// rows is the number of the last row, sum the hash up to it.
	rows    int64
	sum     uint64
	entries int64
	bad     []*BadRowError
	text    []byte // keys, values and headers of Records
}

func (b *Batch) full(limit int64, before int64) bool {
	return b.rows-before >= limit || len(b.text) >= batchBytes
}

// Target takes batches.
type Target interface {
	// Name says where the rows go, for the state file: what one topic has
	// acknowledged, another has not.
	Name() string
	// Write returns when the batch is acknowledged. After an error nobody knows
	// which rows are there; they may be written again.
	Write(ctx context.Context, b *Batch) error
}

// TradeHeaders are the headers that all records of a run share.
type TradeHeaders struct {
	// Source is the name of the feed, Venue where the trades are from.
	Source, Venue string
}

// add appends a record of a trade. now is the receive time, ms.
func (b *Batch) add(t *core.Trade, h *TradeHeaders, now int64) {
	at := len(b.text)
	cut := func() []byte {
		piece := b.text[at:len(b.text):len(b.text)]
		at = len(b.text)
		return piece
	}
	b.text = append(b.text, t.Symbol...)
	key := cut()
	b.text = wire.AppendTrade(b.text, t)
	value := cut()
	b.text = strconv.AppendInt(b.text, now, 10)
	received := cut()
	b.text = append(append(append(append(b.text, h.Source...), '|'), t.Symbol...), '|')
	if t.ID.Kind == core.IDInt {
		b.text = strconv.AppendInt(b.text, t.ID.Num, 10)
	} else {
		b.text = append(b.text, t.ID.Text...)
	}
	b.Records = append(b.Records, kafka.TradeRecord{
		Key: key, Value: value, Timestamp: now,
		Headers: []kafka.Header{
			{Key: wire.HeaderContentType, Value: []byte(wire.ContentTrade)},
			{Key: wire.HeaderSource, Value: []byte(h.Source)},
			{Key: wire.HeaderReceived, Value: received},
			{Key: wire.HeaderVenue, Value: []byte(h.Venue)},
			{Key: wire.HeaderMessageID, Value: cut()},
		},
	})
}
