package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// stretch is a part of a partition of klines: [from, to).
type stretch struct{ from, to int64 }

// past is what of klines stands before the tail that is followed, by partition.
// Nothing, if the tail is all there is.
func (e *Engine) past(ctx context.Context, layout kafka.Layout) (map[int32]stretch, error) {
	tail := max(e.tail/int64(layout.N), 1)
	edges, err := e.klinesEdges(ctx, layout.N)
	if err != nil {
		return nil, err
	}
	past := map[int32]stretch{}
	for p, edge := range edges {
		if edge.End-tail > edge.Start {
			past[p] = stretch{from: edge.Start, to: edge.End - tail}
		}
	}
	return past, nil
}

// klinesEdges are the ends of the n partitions of klines. They are asked for at
// once: while a broker is away each question is one that may meet it.
func (e *Engine) klinesEdges(ctx context.Context, n int32) (map[int32]kafka.Edges, error) {
	topic := e.topics.Name(kafka.Klines)
	edges, err := kafka.EdgesOf(ctx, e.cluster, topic)
	if err != nil {
		return nil, err
	}
	for p := range n {
		if _, known := edges[p]; !known { // a broker that has just started may know only some
			return nil, fmt.Errorf("asking for the ends of %s: the brokers know nothing of partition %d", topic, p)
		}
	}
	return edges, nil
}

// errPast is why older bars are missing on this node for a while.
var errPast = errors.New("older klines are being read from the log, newest first")

// piecesPerTail makes the pieces of the past smaller than the tail: one is held
// beside the view until it is absorbed.
const piecesPerTail = 4

// pastReader has the past read beside everything else.
type pastReader struct {
	cancel context.CancelFunc
	handle *safego.Handle
}

func (r *pastReader) stop() {
	r.cancel()
	r.handle.Wait()
}

// readPast absorbs the past into the view, newest piece first.
func (e *Engine) readPast(ctx context.Context, past map[int32]stretch, layout kafka.Layout) *pastReader {
	ctx, cancel := context.WithCancel(ctx)
	return &pastReader{cancel: cancel, handle: safego.Go("older klines", func(err error) {
		e.cfg.Observer.Panicked("older klines")
		e.degrade("history", err)
	}, func() { e.absorbPast(ctx, past, layout) })}
}

func (e *Engine) absorbPast(ctx context.Context, past map[int32]stretch, layout kafka.Layout) {
	select {
	case <-e.hub.WhenReady():
	case <-ctx.Done():
		return
	}
	e.degrade("history", errPast)
	defer e.heal("history")
	wait := backoff{}
	for len(past) > 0 {
		old := e.hub.Sibling()
		old.Bind(layout.Mapping, layout.N)
		left, err := e.readPiece(ctx, past, max(e.tail/piecesPerTail/int64(layout.N), 1), old)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			e.cfg.Log.Warn("reading older klines failed, trying again", "error", err)
			e.pause(ctx, wait.next())
			continue
		}
		wait = backoff{}
		e.hub.Absorb(old)
		past = left
	}
	e.hub.Partial(false)
}

// readPiece reads the newest piece of every stretch into old, and returns what
// is left of them.
func (e *Engine) readPiece(ctx context.Context, past map[int32]stretch, size int64, old *serve.Hub) (map[int32]stretch, error) {
	topic := e.topics.Name(kafka.Klines)
	left := map[int32]stretch{}
	for p, s := range past {
		start, _, err := kafka.Bounds(ctx, e.cluster, topic, p)
		if err != nil {
			return nil, err
		}
		// Retention goes on while we read: what it took is no past any more.
		s.from = max(s.from, start)
		from := max(s.from, s.to-size)
		var recs []serve.Record
		err = kafka.ReadRange(ctx, e.cluster, topic, p, from, max(from, s.to), func(r kafka.Rec) bool {
			if rec, ok := serveRecord(p, &r); ok {
				recs = append(recs, rec)
			}
			if len(recs) >= 2000 {
				old.Apply(p, recs)
				recs = recs[:0]
			}
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("reading klines[%d] from %d: %w", p, from, err)
		}
		old.Apply(p, recs)
		if from > s.from {
			left[p] = stretch{from: s.from, to: from}
		}
	}
	return left, nil
}
