package history

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// reasonSink is why a record of a history lies in the dead-letter topic. Such
// records stand outside of the reader rule: they have no position.
const reasonSink = "sink"

// errDeadLetter: without the dead letter the row would be skipped in silence.
var errDeadLetter = errors.New("writing to the dead-letter topic")

// maxLetter bounds the value of a dead letter, maxCause the text of the cause,
// in bytes.
const (
	maxLetter = 64 << 10
	maxCause  = 200
)

// Headers of a dead letter that only a history writes. They name the record
// that was refused and who refused it.
const (
	headerTopic = "topic"
	headerFrom  = "off"
	headerSink  = "sink"
	headerCause = "cause"
)

// deadLetter is the record for a row that was refused. It goes to the partition
// of the row.
func deadLetter(sink, topic string, at *Origin, cause error) kafka.TradeRecord {
	value := at.Value
	if len(value) > maxLetter {
		value = value[:maxLetter]
	}
	text := cause.Error()
	if len(text) > maxCause {
		text = text[:maxCause]
	}
	header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
	return kafka.TradeRecord{
		Explicit: true, Partition: at.P, Value: value,
		Headers: []kafka.Header{
			header(wire.HeaderReason, reasonSink), header(headerSink, sink), header(headerTopic, topic),
			header(wire.HeaderPartition, strconv.Itoa(int(at.P))), header(headerFrom, strconv.FormatInt(at.Offset, 10)),
			header(wire.HeaderIndex, strconv.Itoa(at.Index)), header(headerCause, text),
		},
	}
}

// refuse writes the dead letters of a batch and counts them.
func (t *turn) refuse(ctx context.Context, b *Batch, refused []Refusal) error {
	if len(refused) == 0 {
		return nil
	}
	letters := make([]kafka.TradeRecord, len(refused))
	for i, r := range refused {
		var at *Origin
		if t.stream == Trades {
			at = &b.Trades[r.Row].Origin
		} else {
			at = &b.Klines[r.Row].Origin
		}
		letters[i] = deadLetter(t.sinkName, t.topic, at, r.Cause)
		t.f.cfg.Log.Error("the database refuses a row for its content: it goes to the dead-letter topic",
			"sink", t.sinkName, "partition", at.P, "offset", at.Offset, "index", at.Index, "error", r.Cause)
	}
	if err := t.engine.DeadLetter(ctx, letters); err != nil {
		return fmt.Errorf("%w: %w", errDeadLetter, err)
	}
	t.f.cfg.Observer.HistoryRefused(t.sinkName, len(refused))
	t.status.refused(len(refused))
	return nil
}
