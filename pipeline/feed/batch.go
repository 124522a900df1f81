package feed

import (
	"context"
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// maxBatch is the most trades in one write. A restart relies on it: what a
	// crash can have torn is one batch.
	maxBatch = 500
	// batchTime is how long trades are collected.
	batchTime = 20 * time.Millisecond
)

// batch collects the trades of one write.
type batch struct {
	records []Record
	text    []byte // keys and values of records
	newest  int64  // event time, ms
	stamp   []byte // receive time of the current millisecond, text
	stampMS int64
}

// add appends a trade that the feed has had since now, and writes the batch
// when it is full.
func (r *Replay) add(ctx context.Context, t *core.Trade, now time.Time) error {
	b := &r.batch
	if b.records == nil {
		// New memory for every batch: the writer may still hold the old one.
		b.records = make([]Record, 0, maxBatch)
		b.text = make([]byte, 0, maxBatch*128)
	}
	if ms := now.UnixMilli(); ms != b.stampMS || b.stamp == nil {
		b.stampMS, b.stamp = ms, strconv.AppendInt(nil, ms, 10)
	}
	key := len(b.text)
	b.text = append(b.text, t.Symbol...)
	value := len(b.text)
	b.text = wire.AppendTrade(b.text, t)
	b.records = append(b.records, Record{
		Key: b.text[key:value:value], Value: b.text[value:len(b.text):len(b.text)],
		Headers: []Header{
			{Key: wire.HeaderContentType, Value: []byte(wire.ContentTrade)},
			{Key: wire.HeaderSource, Value: []byte(r.cfg.SourceName)},
			{Key: wire.HeaderReceived, Value: b.stamp},
		},
		Timestamp: b.stampMS, Partition: Keyed,
	})
	b.newest = max(b.newest, t.EventNS/nanosPerMilli)
	if len(b.records) < maxBatch {
		return nil
	}
	return r.flush(ctx)
}

// flush writes what has been collected and gives a sign of life if one is due.
func (r *Replay) flush(ctx context.Context) error {
	b := &r.batch
	if len(b.records) > 0 {
		if err := r.write(ctx, b.records); err != nil {
			return err
		}
		r.cfg.Observer.FeedTrades(r.cfg.SourceName, len(b.records))
		r.pulse.newest = max(r.pulse.newest, b.newest)
		b.records, b.text, b.newest = nil, nil, 0
	}
	return r.beat(ctx, r.cfg.Clock.Now(), r.pulse.newest-r.survey.disorder)
}

// Pauses between attempts.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// write repeats until the records are acknowledged or ctx ends. The same bytes
// go out again, so what had arrived after all is a duplicate by its id.
func (r *Replay) write(ctx context.Context, recs []Record) error {
	return r.retry(ctx, "write", func() error { return r.out.Write(ctx, recs) })
}

// retry repeats f until it succeeds or ctx ends.
func (r *Replay) retry(ctx context.Context, reason string, f func() error) error {
	pause := firstPause
	for failures := 0; ; failures++ {
		err := f()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			if failures > 0 {
				r.cfg.Log.Info("feed replay goes on", "source", r.cfg.SourceName, "failures", failures)
			}
			return nil
		}
		r.cfg.Observer.FeedError(r.cfg.SourceName, reason)
		if failures == 0 {
			r.cfg.Log.Warn("feed replay waits", "source", r.cfg.SourceName, "at", reason, "error", err)
		}
		if err := r.sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}
