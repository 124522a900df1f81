package pipeline

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

const (
	// checkpointPeriod is the least time between two checkpoints. Between them
	// outputs are acknowledged and records read; a crash replays that much and
	// publishes the same bytes again under the same positions.
	checkpointPeriod = time.Second
	// checkpointShare keeps checkpoints of large partitions rare: the time
	// from one to the next is at least that many times what one costs.
	checkpointShare = 40
	// checkpointPatience is how many times overdue a checkpoint may be before
	// it stops waiting for a moment without a unit under way. Under constant
	// output there is none, and the replay after a crash would grow for ever.
	checkpointPatience = 3
)

// checkpointer decides when the state of a partition is written, and keeps the
// buffer that it is written from.
type checkpointer struct {
	config string // hash of what changes results
	rules  []byte // what of it is needed to go on as before
	// changed: the snapshot that was restored was made by other rules; successor
	// are those to go on by, nil if they are followed already.
	changed   bool
	successor *rules
	to        int64 // `next` of the last checkpoint
	n         int64 // the last decision in it
	low       int64 // its lowest offset that feeds an open bar
	at        time.Time
	cost      time.Duration
	body      []byte
	limit     int       // bytes of a state
	told      time.Time // when it was last said that there are more
}

// due tells whether a checkpoint is to be written now; busy, that a unit is
// under way, for which it waits a while.
func (c *checkpointer) due(now time.Time, next, n int64, busy bool) bool {
	if next == c.to && n == c.n {
		return false
	}
	wait := max(checkpointPeriod, checkpointShare*c.cost)
	if busy {
		wait *= checkpointPatience
	}
	return now.Sub(c.at) >= wait
}

// checkpointIfDue writes a checkpoint between two units.
func (w *worker) checkpointIfDue() error {
	if !w.check.due(w.cfg.Clock.Now(), w.eng.Next(), w.journal.n, !w.pub.idle()) {
		return nil
	}
	return w.checkpointNow()
}

// checkpointNow hands a checkpoint of the current state to the publisher,
// behind all outputs that the state contains. The drain comes first because the
// publisher may still read the buffer of the last one.
//
// While the partition is replayed there is none. With decisions of a predecessor
// that wait for their place: a checkpoint can say up to where the journal has
// acted, but not that a record has and one before it has not.
func (w *worker) checkpointNow() error {
	if err := w.pub.drain(w.ctx, w.eng.Next()); err != nil {
		return err
	}
	if w.replaying() || w.eng.Next() == w.check.to && w.journal.n == w.check.n {
		return nil
	}
	began := w.cfg.Clock.Now()
	w.check.body = w.snapshot(w.check.body[:0])
	if len(w.check.body) > w.check.limit {
		return w.tooLarge(began)
	}
	cp := &kafka.Checkpoint{
		From: w.check.to, To: w.eng.Next(), JN: w.journal.next, Cfg: w.check.config, Body: w.check.body,
		Meta: kafka.CommitMeta{WM: w.status.watermark(), Low: w.eng.LowOffset()},
	}
	w.check.to, w.check.n, w.check.low = cp.To, w.journal.n, cp.Meta.Low
	w.pub.open().Checkpoint = cp
	err := w.pub.send(w.ctx, cp.To)
	now := w.cfg.Clock.Now()
	w.check.at, w.check.cost = now, now.Sub(began)
	w.cfg.Observer.Checkpoint(w.p, len(w.check.body), w.check.cost)
	w.cfg.Observer.State(w.p, w.eng.Symbols(), len(w.check.body))
	return err
}

// tooLargePeriod is how often it is said that a state fits into no checkpoint.
const tooLargePeriod = time.Minute

// tooLarge goes on without a checkpoint: one that nobody can read would end in a
// partition that has lost its state, where the one before it only costs a replay.
func (w *worker) tooLarge(began time.Time) error {
	now := w.cfg.Clock.Now()
	w.check.at, w.check.cost = now, now.Sub(began)
	if now.Sub(w.check.told) >= tooLargePeriod {
		w.check.told = now
		w.cfg.Log.Error("the state of a partition is larger than a checkpoint can be: none is written, and a restart replays everything since the last one. "+
			"Spread the symbols over more partitions, or configure fewer intervals, indicators or a shorter allowed_lateness",
			"partition", w.p, "bytes", len(w.check.body), "limit", w.check.limit, "symbols", w.eng.Symbols())
	}
	w.check.body = nil
	return nil
}

// snapshot appends the whole state of the partition.
func (w *worker) snapshot(dst []byte) []byte {
	dst = appendSection(dst, sectionWorker, func(b []byte) []byte {
		for _, v := range [...]int64{w.journal.n, w.last.offset, int64(w.last.sum), w.ord.so, w.ord.next, w.status.position()} {
			b = appendI64(b, v)
		}
		return b
	})
	dst = appendSection(dst, sectionRules, func(b []byte) []byte { return append(b, w.check.rules...) })
	dst = appendSection(dst, sectionCore, w.eng.Snapshot)
	if w.cfg.Indicators == nil {
		return dst
	}
	return appendSection(dst, sectionValues, func(b []byte) []byte { return w.vals.snapshot(b, w.eng.SymbolName) })
}

// restore replaces the state by that of a checkpoint.
func (w *worker) restore(cp *kafka.Checkpoint) error {
	if err := w.load(cp.Body); err != nil {
		return fmt.Errorf("restoring partition %d: %w", w.p, err)
	}
	if w.eng.Next() != cp.To {
		return fmt.Errorf("restoring partition %d: the state ends at offset %d, its record at %d", w.p, w.eng.Next(), cp.To)
	}
	w.check.to, w.check.n = cp.To, w.journal.n
	w.silent.until = cp.Published
	return nil
}

// load reads the sections of a snapshot.
func (w *worker) load(body []byte) error {
	return readSections(body, map[uint16]func([]byte) error{
		sectionRules:  skipSection,
		sectionWorker: w.restoreWorker,
		sectionCore:   w.eng.Restore,
		sectionValues: func(b []byte) error {
			if w.cfg.Indicators == nil {
				return nil
			}
			return w.vals.restore(b, w.eng.SymbolID)
		},
	})
}

func (w *worker) restoreWorker(b []byte) error {
	if len(b) < 5*8 {
		return errShort
	}
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8*i:])) }
	w.journal.n = at(0)
	w.last = lastRecord{offset: at(1), sum: uint32(at(2))}
	w.ord = ordinals{so: at(3), next: at(4)}
	if len(b) >= 6*8 { // snapshots of before do not say it
		w.seen = at(5)
	}
	return nil
}
