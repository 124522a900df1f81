package pipeline

import (
	"context"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

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
	letters letters
	journal journal
	sources sourceNames
	last    lastRecord
	seen    int64 // by the snapshot: records behind its last one begin here at the earliest
	silent  silence

	queue       *queue
	ticker      clock.Ticker
	pub         *publisher
	forming     forming
	current     currentBars
	idle        idleWatch
	sourceTimes sourceClock
	check       checkpointer
	status      partitionGauge

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
