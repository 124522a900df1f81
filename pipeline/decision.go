package pipeline

import (
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// historicalAfter is how far the newest trade's event time may lie behind its
// Kafka timestamp, and a freshly fetched record behind the clock, before its
// source counts as a replay of old data, ms.
const historicalAfter = 5 * 60 * 1000

// journal is the worker's knowledge of its partition's decisions.
type journal struct {
	n       int64 // number of the last record that counted
	next    int64 // journal offset behind the last record read or written
	pending []kafka.JournalRecord
}

// due tells whether a pending decision acts before the record at offset.
func (j *journal) due(offset int64) bool {
	return len(j.pending) > 0 && j.pending[0].At <= offset
}

// open is the journal offset of the first record that has not acted: all below
// it is in the state.
func (j *journal) open() int64 {
	if len(j.pending) > 0 {
		return j.pending[0].Offset
	}
	return j.next
}

// actPending acts on the decisions whose place is reached, whether or not a
// record ever comes there.
func (w *worker) actPending() error { return w.actPendingUpTo(w.eng.Next()) }

func (w *worker) actPendingUpTo(offset int64) error {
	for w.journal.due(offset) {
		d := w.journal.pending[0]
		if w.last.offset >= 0 && d.LO >= 0 && (w.last.offset != d.LO || w.last.sum != d.LC) {
			return &lostError{fmt.Errorf("decision %d of partition %d was taken behind record %d with sum %08x, the log has record %d with sum %08x there: the input was truncated or rewritten",
				d.N, w.p, d.LO, d.LC, w.last.offset, w.last.sum)}
		}
		w.journal.pending = w.journal.pending[1:]
		if err := w.act(&d); err != nil {
			return err
		}
	}
	return nil
}

// act lets the operations of a decision happen and emits what they cause.
func (w *worker) act(d *kafka.JournalRecord) error {
	ops, err := wire.DecodeOps(d.Body)
	if err != nil {
		return &lostError{fmt.Errorf("reading decision %d of partition %d: %w", d.N, w.p, err)}
	}
	w.journal.n = d.N
	for _, op := range ops {
		if err := w.eng.Act(d.At, op, &w.out); err != nil {
			return &lostError{fmt.Errorf("acting on decision %d of partition %d: %w", d.N, w.p, err)}
		}
	}
	w.forming.mark(w.out.Touched)
	w.current.mark(w.out.Touched)
	w.forming.touched()
	return w.emit(nil, d.Timestamp)
}

// decide writes a decision to the journal, waits for the acknowledgement, then
// acts. A worker that acted first could publish what no journal explains.
func (w *worker) decide(ops ...core.Op) error {
	began := w.cfg.Clock.Now()
	d := kafka.JournalRecord{
		At: w.eng.Next(), N: w.journal.n + 1, LO: w.last.offset, LC: w.last.sum,
		Body: wire.AppendOps(nil, ops), Timestamp: began.UnixMilli(),
	}
	offset, err := w.log.Decide(w.ctx, w.p, d)
	if err != nil {
		return fmt.Errorf("writing decision %d of partition %d: %w", d.N, w.p, err)
	}
	w.journal.next = offset + 1
	w.cfg.Observer.Journal("acted", w.cfg.Clock.Now().Sub(began))
	return w.act(&d)
}

// judgeSources decides, before a batch that was fetched while waiting at the
// end, which sources are replays of old data and which are live again. The
// clock must not close the bars of a replay: whatever its producer sends after
// a pause would be too late.
func (w *worker) judgeSources(recs []kafka.Rec) error {
	now := w.cfg.Clock.Now().UnixMilli()
	seen := map[string]bool{}
	for i := range recs {
		rec := core.Record{Source: w.name}
		if w.sources.headers(&recs[i], &rec) > kindGeneric || seen[rec.Source] {
			continue
		}
		seen[rec.Source] = true
		old := now-recs[i].Timestamp > historicalAfter
		if old == w.historical(rec.Source) {
			continue
		}
		op := core.Op{Kind: core.OpLive, Source: rec.Source, Now: now}
		if old {
			op.Kind = core.OpHistorical
		}
		if err := w.decide(op); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) historical(source string) bool {
	for _, s := range w.eng.Sources() {
		if s.Name == source {
			return s.Historical
		}
	}
	return false
}

// idleWatch knows when a heartbeat of each source was last read.
type idleWatch struct {
	heardAt map[string]time.Time
	since   time.Time // the worker's start: nothing was heard before
	decided map[string]time.Time
}

func newIdleWatch(now time.Time) idleWatch {
	return idleWatch{heardAt: map[string]time.Time{}, since: now, decided: map[string]time.Time{}}
}

func (i *idleWatch) heard(source string, now time.Time) { i.heardAt[source] = now }

// silent tells whether no heartbeat of source was read for timeout, and no
// decision about it was taken within the last second.
func (i *idleWatch) silent(source string, now time.Time, timeout time.Duration) bool {
	last, ok := i.heardAt[source]
	if !ok {
		last = i.since
	}
	return now.Sub(last) >= timeout && now.Sub(i.decided[source]) >= time.Second
}

// punctuate is what time alone asks for: idle sources, checkpoints, status.
func (w *worker) punctuate() error {
	now := w.cfg.Clock.Now()
	if err := w.closeIdle(now); err != nil {
		return err
	}
	w.showCurrent(now)
	w.report(now)
	return w.checkpointIfDue()
}

// closeIdle closes what is due of silent sources, at the end of the partition
// only: before it, the next record may say more than the clock.
func (w *worker) closeIdle(now time.Time) error {
	if w.cfg.IdleTimeout < 0 || !w.status.atEnd() {
		return nil
	}
	if n, _ := w.queue.state(); n > 0 {
		return nil
	}
	for _, s := range w.eng.Sources() {
		if !w.idle.silent(s.Name, now, w.cfg.IdleTimeout) {
			continue
		}
		op, due := w.eng.IdleOp(s.Name, now.UnixMilli())
		if !due {
			continue
		}
		w.idle.decided[s.Name] = now
		if err := w.decide(op); err != nil {
			return err
		}
	}
	return nil
}

// lostError says that a log does not hold what it held: the partition fails
// until an operator decides.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }
