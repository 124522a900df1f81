package replay

import (
	"context"
	"errors"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// fileInput makes records of the trades of a file: partition 0, one trade each,
// with the event time as Kafka timestamp, and behind the last one a heartbeat
// of the newest event time.
type fileInput struct {
	in     *feed.Trades
	next   int64
	newest int64
	ended  bool
	record Record
}

// OpenFile prepares a file.
func OpenFile(cfg feed.ReplayConfig) (Input, error) {
	in, err := feed.OpenTrades(cfg)
	if err != nil {
		return nil, err
	}
	return &fileInput{in: in}, nil
}

func (*fileInput) Partitions() int32                     { return 1 }
func (*fileInput) Decisions(int32) []kafka.JournalRecord { return nil }
func (*fileInput) Start(int32) int64                     { return 0 }
func (f *fileInput) Close()                              { f.in.Close() }

func (f *fileInput) Next(context.Context) (*Record, error) {
	var t core.Trade
	err := f.in.Next(&t)
	switch {
	case errors.Is(err, io.EOF) && !f.ended && f.next > 0:
		f.ended = true
		f.record = Record{Rec: kafka.Rec{
			Offset: f.next, Timestamp: f.newest, Value: wire.AppendHeartbeat(nil, core.Heartbeat{Source: source, TS: f.newest, Up: true}),
			Headers: []kafka.Header{{Key: wire.HeaderKind, Value: []byte(wire.KindHeartbeat)}, {Key: wire.HeaderSource, Value: []byte(source)}},
		}}
		return &f.record, nil
	case err != nil:
		return nil, err
	}
	ms := t.EventNS / 1_000_000
	f.newest = max(f.newest, ms)
	f.record = Record{Rec: kafka.Rec{
		Offset: f.next, Timestamp: ms, Key: append([]byte(nil), t.Symbol...), Value: wire.AppendTrade(nil, &t),
		Headers: []kafka.Header{{Key: wire.HeaderContentType, Value: []byte(wire.ContentTrade)}, {Key: wire.HeaderSource, Value: []byte(source)}},
	}}
	f.next++
	return &f.record, nil
}

// source is the name of the feed that a file is played as.
const source = "replay"
