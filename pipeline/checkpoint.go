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
)

// checkpointer decides when the state of a partition is written, and keeps the
// buffer that it is written from.
type checkpointer struct {
	config string // hash of what changes results
	to     int64  // `next` of the last checkpoint
	jn     int64  // its journal offset
	at     time.Time
	cost   time.Duration
	body   []byte
}

func (c *checkpointer) due(now time.Time, next, jn int64) bool {
	if next == c.to && jn == c.jn {
		return false
	}
	return now.Sub(c.at) >= max(checkpointPeriod, checkpointShare*c.cost)
}

// checkpointIfDue writes a checkpoint between two units. While a unit is under
// way it waits: the buffer of the last checkpoint may still be in use.
func (w *worker) checkpointIfDue() error {
	now := w.cfg.Clock.Now()
	if !w.pub.idle() || !w.check.due(now, w.eng.Next(), w.journal.open()) {
		return nil
	}
	return w.checkpointNow()
}

// checkpointNow hands a checkpoint of the current state to the publisher,
// behind all outputs that the state contains.
func (w *worker) checkpointNow() error {
	if err := w.pub.drain(w.ctx); err != nil {
		return err
	}
	if w.eng.Next() == w.check.to && w.journal.open() == w.check.jn {
		return nil
	}
	began := w.cfg.Clock.Now()
	w.check.body = w.snapshot(w.check.body[:0])
	cp := &kafka.Checkpoint{
		From: w.check.to, To: w.eng.Next(), JN: w.journal.open(), Cfg: w.check.config, Body: w.check.body,
		Meta: kafka.CommitMeta{WM: w.status.watermark(), Low: w.eng.LowOffset()},
	}
	w.check.to, w.check.jn = cp.To, cp.JN
	w.pub.open().Checkpoint = cp
	err := w.pub.send(w.ctx)
	now := w.cfg.Clock.Now()
	w.check.at, w.check.cost = now, now.Sub(began)
	w.cfg.Observer.Checkpoint(w.p, len(w.check.body), w.check.cost)
	w.cfg.Observer.State(w.p, w.eng.Symbols(), len(w.check.body))
	return err
}

// snapshot appends the whole state of the partition.
func (w *worker) snapshot(dst []byte) []byte {
	dst = appendSection(dst, sectionWorker, func(b []byte) []byte {
		for _, v := range [...]int64{w.journal.n, w.last.offset, int64(w.last.sum), w.ord.so, w.ord.next} {
			b = appendI64(b, v)
		}
		return b
	})
	dst = appendSection(dst, sectionCore, w.eng.Snapshot)
	if w.cfg.Indicators == nil {
		return dst
	}
	return appendSection(dst, sectionValues, func(b []byte) []byte { return w.vals.snapshot(b, w.eng.SymbolName) })
}

// restore replaces the state by that of a checkpoint.
func (w *worker) restore(cp *kafka.Checkpoint) error {
	use := map[uint16]func([]byte) error{
		sectionWorker: w.restoreWorker,
		sectionCore:   w.eng.Restore,
		sectionValues: func(b []byte) error {
			if w.cfg.Indicators == nil {
				return nil
			}
			return w.vals.restore(b, w.eng.SymbolID)
		},
	}
	if err := readSections(cp.Body, use); err != nil {
		return fmt.Errorf("restoring partition %d: %w", w.p, err)
	}
	if w.eng.Next() != cp.To {
		return fmt.Errorf("restoring partition %d: the state ends at offset %d, its record at %d", w.p, w.eng.Next(), cp.To)
	}
	w.check.to, w.check.jn = cp.To, cp.JN
	return nil
}

func (w *worker) restoreWorker(b []byte) error {
	if len(b) < 5*8 {
		return errShort
	}
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8*i:])) }
	w.journal.n = at(0)
	w.last = lastRecord{offset: at(1), sum: uint32(at(2))}
	w.ord = ordinals{so: at(3), next: at(4)}
	return nil
}
