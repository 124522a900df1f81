package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	// punctuationPeriod is how often a waiting worker looks at the clock.
	punctuationPeriod = 100 * time.Millisecond
	// formingPeriod is the least time between two rounds of forming bars: a
	// screen shows no more, and a busy symbol would cost a preview per trade.
	formingPeriod = 20 * time.Millisecond
)

// worker owns all state of one partition. Everything in it is touched by its
// own goroutine only, but for the queue, the wake channels and the status.
type worker struct {
	p    int32
	cfg  *Config
	log  partitionLog
	name string // of the input topic: the source of trades without header src

	eng     *core.Engine
	dec     *wire.Decoder // of the configured format
	generic *wire.Decoder // of records that name their format, such as our feeds'
	vals    *valueSet
	txn     bool // decisions go into the transaction of what they cause
	out     core.Outputs
	trades  []core.Trade
	redone  [][]restated
	ord     ordinals
	journal journal
	sources sourceNames
	last    lastRecord
	silent  silence

	queue   *queue
	ticker  clock.Ticker
	pub     *publisher
	forming forming
	current currentBars
	idle    idleWatch
	check   checkpointer
	status  partitionGauge

	quit chan struct{} // closed: finish the running batch, write the last unit
	drop chan struct{} // closed: the partition has failed, write nothing more
	ctx  context.Context
}

// partitionLog is the part of a Kafka client that a worker writes to. Any
// error ends the incarnation that the worker belongs to.
type partitionLog interface {
	Publish(ctx context.Context, u *kafka.Unit) error
	Decide(ctx context.Context, p int32, r kafka.JournalRecord) (offset int64, err error)
	// AtEnd tells whether and when the log of p ended at offset. It does not
	// block: the answer comes with a later call.
	AtEnd(p int32, offset int64) (asOf time.Time, ok bool)
}

// lastRecord is the newest input record that was read: a decision names it, so
// that a replay can tell that it stands on the same log.
type lastRecord struct {
	offset int64
	sum    uint32
}

func lastOf(r *kafka.Rec) lastRecord {
	return lastRecord{offset: r.Offset, sum: crc32.Checksum(r.Value, castagnoli)}
}

// run is the worker's goroutine. It returns nil when it was told to stop and
// its last unit is written, or what ends the incarnation.
func (w *worker) run() error {
	w.ticker = w.cfg.Clock.NewTicker(punctuationPeriod)
	defer w.ticker.Stop()
	if err := w.begin(); err != nil {
		return err
	}
	for {
		// A stop comes before waiting batches: they are read again by whoever
		// owns the partition next.
		select {
		case <-w.quit:
			return w.finish()
		default:
		}
		select {
		case <-w.quit:
			return w.finish()
		case <-w.drop:
			return errReleased
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		case err := <-w.pub.failed:
			return err
		case <-w.pub.idleC:
			// What was collected while the last unit was under way.
			if err := w.offer(); err != nil {
				return err
			}
		case <-w.queue.wake:
			if err := w.next(); err != nil {
				return err
			}
		case <-w.forming.due():
			if err := w.showForming(); err != nil {
				return err
			}
		case <-w.forming.asked:
			w.forming.arm()
		case <-w.ticker.C():
			if err := w.punctuate(); err != nil {
				return err
			}
		}
	}
}

// begin does what a restored partition has to do before its first record.
func (w *worker) begin() error {
	if w.txn && w.check.to < 0 {
		// What is committed from here on says how far it got, not from where:
		// without a first snapshot nobody could go on behind it.
		if err := w.checkpointNow(); err != nil {
			return err
		}
	}
	if err := w.actPending(); err != nil {
		return err
	}
	return w.adopt()
}

// adopt notes in the journal that the rules have changed, once everything under
// the old ones is behind us.
func (w *worker) adopt() error {
	if !w.check.changed || w.replaying() {
		return nil
	}
	w.check.changed = false
	if err := w.succeed(); err != nil {
		return err
	}
	return w.decide(core.Op{Kind: core.OpConfig, Config: w.check.config})
}

// succeed goes over to the rules that follow those of the snapshot.
func (w *worker) succeed() error {
	next := w.check.successor
	if next == nil {
		return nil
	}
	w.check.successor = nil
	return w.become(*next)
}

// release gives back what the worker holds: batches, its publisher's goroutine,
// the host's slots.
func (w *worker) release() {
	w.queue.close()
	w.pub.stop()
	w.vals.close()
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
		if len(w.out.Items) >= unitLimit {
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
	switch kind {
	case kindHeartbeat:
		err = w.heartbeat(r, &rec)
	case kindUnknown:
		err = w.eng.Undecodable(&rec, core.ReasonDecode, "k", &w.out)
	case kindGeneric:
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
	// The step bounds the sources it knows; names that it refuses must not pile
	// up here either.
	if w.eng.Counters().BadHeartbeats == refused {
		w.idle.heard(hb.Source, w.cfg.Clock.Now())
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

// emit gives the outputs of recs their positions and values and hands them to
// the publisher.
func (w *worker) emit(recs []kafka.Rec) error {
	failpoint.Hit(failpoint.AfterApply)
	return w.emitWith(func(so int64) origin {
		for len(recs) > 1 && recs[0].Offset < so {
			recs = recs[1:]
		}
		return origin{rec: &recs[0], timestamp: recs[0].Timestamp, silent: so < w.silent.until.To}
	})
}

// origin is what an output was caused by: a record, or a decision with the
// timestamp of its journal record.
type origin struct {
	rec       *kafka.Rec // nil for a decision
	timestamp int64
	silent    bool // the output stands on its topic already
}

// emitWith emits the collected outputs; cause is asked for each, in the order of
// their positions.
func (w *worker) emitWith(cause func(so int64) origin) error {
	defer w.out.Reset()
	if len(w.out.Items) == 0 {
		return nil
	}
	if err := w.compute(); err != nil {
		return err
	}
	w.status.alive(w.cfg.Clock.Now())
	w.silent.unit.reset(w.p)
	for _, it := range w.out.Items {
		so := w.positionOf(it)
		from := cause(so)
		u, err := w.unitFor(from)
		if err != nil {
			return err
		}
		if it.Diverted {
			u.diverted(&w.out.Diverted[it.Index], from.rec, w.p, w.ord.take(so))
			continue
		}
		w.emitKline(u, it.Index, from)
	}
	return w.offer()
}

// unitFor is where the next output goes. One batch may close more bars than a
// unit should hold; every output has its own position, so a unit may end between
// any two.
func (w *worker) unitFor(from origin) (*unit, error) {
	if from.silent {
		return &w.silent.unit, nil
	}
	if w.pub.full() {
		if err := w.pub.send(w.ctx, midway); err != nil {
			return nil, err
		}
		w.status.alive(w.cfg.Clock.Now())
	}
	return w.pub.open(), nil
}

// offer hands over what is complete.
func (w *worker) offer() error {
	if u := w.pub.filling; u != nil {
		u.Meta = kafka.CommitMeta{WM: w.status.watermark(), Low: w.check.low}
	}
	return w.pub.offer(w.ctx, w.eng.Next())
}

func (w *worker) positionOf(it core.Item) int64 {
	if it.Diverted {
		return w.out.Diverted[it.Index].So
	}
	return w.out.Klines[it.Index].So
}

func (w *worker) emitKline(u *unit, i int, from origin) {
	k := &w.out.Klines[i]
	u.kline(k, w.vals.of(i), w.ord.take(k.So), from.timestamp)
	kind := "closed"
	if k.Rev > 0 {
		kind = "restated"
	}
	w.count(k, kind, 1, from)
	for j := range w.redone[i] {
		r := &w.redone[i][j]
		n := u.values(k, &w.vals.instances[r.Instance], r, &w.ord, from.timestamp)
		w.count(k, "values", n, from)
	}
}

func (w *worker) count(k *core.Kline, kind string, n int, from origin) {
	if !from.silent {
		w.cfg.Observer.Klines(k.Interval, kind, n)
	}
}

// compute runs the indicators over the closed and restated bars, in order.
func (w *worker) compute() error {
	w.vals.begin(len(w.out.Klines))
	w.redone = w.redone[:0]
	for i := range w.out.Klines {
		k := &w.out.Klines[i]
		var again []restated
		var err error
		if k.Rev > 0 {
			again, err = w.vals.restate(i, k)
		} else {
			err = w.vals.add(i, k)
		}
		if err != nil {
			return err
		}
		w.redone = append(w.redone, again)
		if i%unitLimit == unitLimit-1 {
			w.status.alive(w.cfg.Clock.Now())
		}
	}
	return w.vals.flush()
}

// finish writes the last unit with a full checkpoint.
func (w *worker) finish() error {
	if err := w.checkpointNow(); err != nil {
		return err
	}
	return w.pub.drain(w.ctx, w.eng.Next())
}
