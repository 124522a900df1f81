package history

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

const (
	// writeTimeout bounds one batch.
	writeTimeout = 60 * time.Second
	// minRows is the smallest batch that failures shrink to.
	minRows = 250
)

// flush writes what was collected.
func (t *turn) flush(ctx context.Context) error {
	if len(t.moves) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	b := t.pending
	for p, to := range t.moves {
		b.Moves = append(b.Moves, Move{P: p, From: t.have[p], To: to})
	}
	if err := t.refuseBroken(ctx); err != nil {
		return err
	}
	if err := t.sink.Write(ctx, b); err != nil {
		// What is too much for a slow server must become less, or the same
		// timeout would end every turn.
		t.limit = max(t.limit/2, min(minRows, t.f.cfg.MaxRows))
		return fmt.Errorf("writing %d rows: %w", b.Rows(), err)
	}
	t.limit = min(t.limit*2, t.f.cfg.MaxRows)
	t.f.cfg.Observer.HistoryRows(t.sinkName, b.Rows())
	t.status.wrote(b.Rows())
	for p, to := range t.moves {
		t.have[p] = to
		delete(t.again, p)
		t.report(p)
	}
	t.clear()
	return nil
}

func (t *turn) refuseBroken(ctx context.Context) error {
	if len(t.broken) == 0 {
		return nil
	}
	letters := make([]kafka.TradeRecord, len(t.broken))
	for i := range t.broken {
		letters[i] = deadLetter(t.sinkName, t.topic, &t.broken[i].at, t.broken[i].cause)
	}
	if err := t.engine.DeadLetter(ctx, letters); err != nil {
		return fmt.Errorf("%w: %w", errDeadLetter, err)
	}
	t.f.cfg.Observer.HistoryRefused(t.sinkName, len(letters))
	t.status.refused(len(letters))
	t.broken = nil
	return nil
}

// clear begins a new batch. The rows' memory is used again.
func (t *turn) clear() {
	b := &Batch{Topic: t.position}
	if old := t.pending; old != nil {
		clear(old.Trades)
		clear(old.Klines)
		b.Trades, b.Klines, b.Moves = old.Trades[:0], old.Klines[:0], old.Moves[:0]
	}
	b.Refuse = func(ctx context.Context, refused []Refusal) error { return t.refuse(ctx, b, refused) }
	t.pending, t.bytes, t.broken = b, 0, nil
	clear(t.moves)
}
