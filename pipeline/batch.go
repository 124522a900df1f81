package pipeline

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// lastRecord is the newest input record that was read: a decision names it, so
// that a replay can tell that it stands on the same log.
type lastRecord struct {
	offset int64
	sum    uint32
}

func lastOf(r *kafka.Rec) lastRecord {
	return lastRecord{offset: r.Offset, sum: crc32.Checksum(r.Value, castagnoli)}
}

func (w *worker) next() error {
	b := w.queue.take()
	if b == nil {
		return nil
	}
	defer b.Release()
	if err := w.batch(b); err != nil {
		return fmt.Errorf("processing offsets from %d of partition %d: %w", w.eng.Next(), w.p, err)
	}
	return nil
}

// batch applies the records of one batch and emits what they caused.
func (w *worker) batch(b *kafka.Batch) error {
	if err := w.judgeSources(b); err != nil {
		return err
	}
	from := 0
	for i := range b.Records {
		if w.journal.due(b.Records[i].Offset) {
			if err := w.emit(b.Records[from:i]); err != nil {
				return err
			}
			from = i
			if i > 0 {
				w.read(&b.Records[i-1])
			}
			if err := w.actPendingUpTo(b.Records[i].Offset); err != nil {
				return err
			}
		}
		if w.check.changed && !w.replaying() {
			if err := w.emit(b.Records[from:i]); err != nil {
				return err
			}
			from = i
			if i > 0 {
				w.read(&b.Records[i-1])
			}
			if err := w.adopt(); err != nil {
				return err
			}
		}
		w.apply(&b.Records[i])
		if len(w.out.Items) >= w.pub.limit {
			// One batch of sparse trades may close a bar of every interval
			// per record: units stay bounded, whatever the batch.
			if err := w.emit(b.Records[from : i+1]); err != nil {
				return err
			}
			from = i + 1
		}
	}
	if n := len(b.Records); n > 0 {
		w.read(&b.Records[n-1])
	}
	if err := w.emit(b.Records[from:]); err != nil {
		return err
	}
	if err := w.actPending(); err != nil {
		return err
	}
	if err := w.adopt(); err != nil {
		return err
	}
	w.status.fetched(b, w.eng.Next(), w.cfg.Clock.Now())
	w.forming.touched()
	return w.checkpointIfDue()
}

// read remembers the newest record. One that the client read twice is not it.
func (w *worker) read(r *kafka.Rec) {
	if r.Offset > w.last.offset {
		w.last = lastOf(r)
	}
}

// apply decodes one record and steps the core. Data never stops a partition:
// what cannot be used ends in `dlq` with a reason.
func (w *worker) apply(r *kafka.Rec) {
	rec := core.Record{Offset: r.Offset, Timestamp: r.Timestamp, Source: w.name}
	kind := w.sources.headers(r, &rec)
	var err error
	switch {
	case r.Oversized:
		err = w.eng.Undecodable(&rec, core.ReasonTooLarge, "", &w.out)
	case kind == kindHeartbeat:
		err = w.heartbeat(r, &rec)
	case kind == kindUnknown:
		err = w.eng.Undecodable(&rec, core.ReasonDecode, "k", &w.out)
	case kind == kindGeneric:
		err = w.tradesOf(w.generic, r, &rec)
	default:
		err = w.tradesOf(w.dec, r, &rec)
	}
	if err != nil {
		// Below next: the client went back. The step has dropped the record
		// and counted the rewind; applying it again would double its trades.
		w.cfg.Log.Warn("record below the position was dropped", "partition", w.p, "offset", r.Offset, "error", err)
	}
	w.forming.mark(w.out.Touched)
	w.current.mark(w.out.Touched)
	w.out.Touched = w.out.Touched[:0]
}

func (w *worker) tradesOf(dec *wire.Decoder, r *kafka.Rec, rec *core.Record) error {
	var err error
	w.trades, err = dec.Decode(r.Value, w.trades[:0])
	if err != nil {
		reason, field := rejected(err)
		return w.eng.Undecodable(rec, reason, field, &w.out)
	}
	return w.eng.Trades(rec, w.trades, &w.out)
}

func (w *worker) heartbeat(r *kafka.Rec, rec *core.Record) error {
	hb, err := wire.DecodeHeartbeat(r.Value)
	if err != nil {
		reason, field := rejected(err)
		return w.eng.Undecodable(rec, reason, field, &w.out)
	}
	if hb.Source == "" {
		hb.Source = rec.Source
	}
	refused := w.eng.Counters().BadHeartbeats
	if err := w.eng.Heartbeat(rec, hb, &w.out); err != nil {
		return err
	}
	// The step bounds the sources it knows; names that it refuses or forgets must
	// not pile up here either.
	if w.eng.Counters().BadHeartbeats == refused {
		w.idle.heard(hb.Source, w.cfg.Clock.Now(), w.eng.Knows)
	}
	return nil
}

// rejected is the decoder's verdict on a whole record.
func rejected(err error) (core.Reason, string) {
	var r *wire.RejectError
	if errors.As(err, &r) {
		return r.Reason, r.Field
	}
	return core.ReasonDecode, ""
}
