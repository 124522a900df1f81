package history

import (
	"context"
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

const (
	// piecesAhead is how many pieces of the log are read while the database works.
	piecesAhead = 4
	// tradesPiece and klinesPiece bound the records of a piece, tradesFetch and
	// klinesFetch a fetch of a partition in bytes as they are stored. A kline is ten
	// times as long as a trade, and as rows both take a multiple. After an outage of
	// several databases all streams of each have what they may have.
	tradesPiece, klinesPiece = 4000, 1000
	tradesFetch, klinesFetch = 128 << 10, 256 << 10
)

// piece is a span of the log with its rows. They are read beside the database,
// which is the slower half.
type piece struct {
	kafka.Span
	rows   Batch
	broken []brokenRecord
	bytes  int
	// overtaken, in the last piece of a turn, is the error with which retention
	// ended the reading.
	overtaken error
}

// pieceOf reads the rows of a span.
func (t *turn) pieceOf(s kafka.Span) piece {
	c := piece{Span: s}
	if t.stream == Trades {
		c.rows.Trades = make([]Trade, 0, len(s.Records))
	} else {
		c.rows.Klines = make([]Kline, 0, len(s.Records))
	}
	for i := range s.Records {
		rec := &s.Records[i]
		if err := t.reader.read(s.P, rec, &c.rows); err != nil {
			c.broken = append(c.broken, brokenRecord{Origin{P: s.P, Offset: rec.Offset, Value: rec.Value}, err})
		}
		c.bytes += len(rec.Value)
	}
	c.Records = nil // the rows hold what is needed
	return c
}

// read follows the topic. A position that the log does not have means that the
// topic was made again: all of it is written again, over what is there.
func (t *turn) read(ctx context.Context, owned []int32, pieces chan<- piece) error {
	from := map[int32]int64{}
	for _, p := range owned {
		from[p] = kafka.FromStart
		if have := t.have[p]; have >= 0 && !t.again[p] {
			from[p] = have
		}
	}
	cfg := kafka.FollowConfig{
		Cluster: t.engine.Cluster, Topic: t.topic, Partitions: t.engine.Partitions, Only: owned,
		From: from, MaxRecords: min(t.limit, klinesPiece), MaxFetch: klinesFetch,
	}
	if t.stream == Trades {
		cfg.MaxRecords, cfg.MaxFetch = min(t.limit, tradesPiece), tradesFetch
	}
	err := kafka.Follow(ctx, cfg, func(s kafka.Span) error {
		select {
		case pieces <- t.pieceOf(s):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if errors.Is(err, kafka.ErrOutOfRange) {
		// What was read before is nowhere else any more: the writer gets the error
		// behind it, and ends the turn when it is written.
		select {
		case pieces <- piece{overtaken: err}:
			<-ctx.Done()
		case <-ctx.Done():
		}
		return context.Cause(ctx)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// brokenRecord is one that claims to be a row and cannot be read.
type brokenRecord struct {
	at    Origin
	cause error
}
