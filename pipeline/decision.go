package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// journal is the worker's knowledge of its partition's decisions.
type journal struct {
	n       int64 // number of the last record that counted, acted or pending
	next    int64 // journal offset behind the last record read or written
	pending []kafka.JournalRecord
}

// take adds a record that counts and has not acted. They act in the order of
// their places in the input: what a dead predecessor decided further ahead
// comes behind the announcement of its successor, which stands behind it in the
// journal.
func (j *journal) take(r kafka.JournalRecord) {
	at := sort.Search(len(j.pending), func(i int) bool { return j.pending[i].At > r.At })
	j.pending = slices.Insert(j.pending, at, r)
	j.n, j.next = max(j.n, r.N), max(j.next, r.Offset+1)
}

// due tells whether a pending decision acts before the record at offset.
func (j *journal) due(offset int64) bool {
	return len(j.pending) > 0 && j.pending[0].At <= offset
}

// actPending acts on the decisions whose place is reached, whether or not a
// record ever comes there.
func (w *worker) actPending() error { return w.actPendingUpTo(w.eng.Next()) }

func (w *worker) actPendingUpTo(offset int64) error {
	for w.journal.due(offset) {
		d := w.journal.pending[0]
		// A snapshot may be ahead of a decision: that of a dead predecessor, which
		// landed behind its successor's announcement. What stands before the place
		// of the decision was read long ago.
		here := d.At >= w.eng.Next()
		if here && w.last.offset >= 0 && d.LO >= 0 && (w.last.offset != d.LO || w.last.sum != d.LC) {
			return &lostError{fmt.Errorf("decision %d of partition %d was taken behind record %d with sum %08x, the log has record %d with sum %08x there: the input was truncated or rewritten",
				d.N, w.p, d.LO, d.LC, w.last.offset, w.last.sum)}
		}
		w.journal.pending = w.journal.pending[1:]
		if err := w.act(&d, 0, d.Offset < w.silent.until.JN); err != nil {
			return err
		}
	}
	return nil
}

// act lets the operations of a decision happen and emits what they cause. took
// is how long its acknowledgement took, 0 if it was found in the journal; silent
// means that its outputs are there as well.
func (w *worker) act(d *kafka.JournalRecord, took time.Duration, silent bool) error {
	ops, err := wire.DecodeOps(d.Body)
	if err != nil {
		return &lostError{fmt.Errorf("reading decision %d of partition %d: %w", d.N, w.p, err)}
	}
	for _, op := range ops {
		if err := w.eng.Act(d.At, op, &w.out); err != nil {
			return &lostError{fmt.Errorf("acting on decision %d of partition %d: %w", d.N, w.p, err)}
		}
	}
	if !silent && (len(ops) != 1 || ops[0].Kind != core.OpStart) {
		w.cfg.Observer.Journal("acted", took)
	}
	w.forming.mark(w.out.Touched)
	w.current.mark(w.out.Touched)
	w.forming.touched()
	if err := w.emitWith(func(int64) origin { return origin{timestamp: d.Timestamp, silent: silent} }); err != nil {
		return err
	}
	return w.turn(ops)
}

// turn follows the rules of today from the place where a process before us has
// changed to them: the snapshot is older than that.
func (w *worker) turn(ops []core.Op) error {
	for _, op := range ops {
		if op.Kind == core.OpConfig && op.Config == w.check.config {
			w.check.changed = false
			return w.succeed()
		}
	}
	return nil
}

// decide writes a decision to the journal, waits for the acknowledgement, then
// acts. A worker that acted first could publish what no journal explains. In a
// transaction nothing is published before both are there: it acts at once.
func (w *worker) decide(ops ...core.Op) error {
	if w.txn {
		d := w.decision(ops)
		w.journal.n++
		d.N = w.journal.n
		u := w.pub.open()
		u.Decisions = append(u.Decisions, d)
		failpoint.Hit(failpoint.AfterDecide)
		if err := w.act(&d, 0, false); err != nil {
			return err
		}
		return w.offer()
	}
	began := w.cfg.Clock.Now()
	d, err := w.write(w.ctx, ops)
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.AfterDecide)
	return w.act(&d, w.cfg.Clock.Now().Sub(began), false)
}

// write puts a decision at the present place into the journal. It has not acted
// when write returns.
func (w *worker) write(ctx context.Context, ops []core.Op) (kafka.JournalRecord, error) {
	d := w.decision(ops)
	d.N = w.journal.n + 1
	offset, err := w.log.Decide(ctx, w.p, d)
	if err != nil {
		return d, fmt.Errorf("writing decision %d of partition %d: %w", d.N, w.p, err)
	}
	d.Offset = offset
	w.journal.n, w.journal.next = d.N, offset+1
	return d, nil
}

// decision is a journal record for the present place, without its number.
func (w *worker) decision(ops []core.Op) kafka.JournalRecord {
	return kafka.JournalRecord{
		At: w.eng.Next(), LO: w.last.offset, LC: w.last.sum,
		Body: wire.AppendOps(nil, ops), Timestamp: w.cfg.Clock.Now().UnixMilli(),
	}
}

// judgeSources decides, before a batch, which sources are replays of old data
// and which are live again. The clock must not close the bars of a replay:
// whatever its producer sends after a pause would be too late. Old is judged
// only of what was fetched while waiting at the end, young of any record.
func (w *worker) judgeSources(b *kafka.Batch) error {
	if len(b.Records) == 0 || w.replaying() || !b.AtEnd && !w.anyHistorical() {
		return nil
	}
	now := w.cfg.Clock.Now().UnixMilli()
	seen := map[string]bool{}
	for i := range b.Records {
		rec := core.Record{Source: w.name}
		if b.Records[i].Oversized || w.sources.headers(&b.Records[i], &rec) > kindGeneric || seen[rec.Source] {
			continue
		}
		op, ok := w.eng.LivenessOp(rec.Source, b.Records[i].Timestamp, now, b.AtEnd)
		if b.AtEnd || ok {
			seen[rec.Source] = len(seen) < maxSources
		}
		if !ok {
			continue
		}
		if err := w.decide(op); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) anyHistorical() bool {
	return slices.ContainsFunc(w.eng.Sources(), func(s core.SourceState) bool { return s.Historical })
}

// idleWatch knows when a heartbeat of each source was last read.
type idleWatch struct {
	heardAt map[string]time.Time
	since   time.Time // the worker's start: nothing was heard before
	decided map[string]time.Time
	looked  time.Time // the last look at the clock
}

func newIdleWatch(now time.Time) idleWatch {
	return idleWatch{heardAt: map[string]time.Time{}, since: now, decided: map[string]time.Time{}}
}

// maxClockStep is how far the wall clock and the time that passes may drift
// apart between two looks before the wall clock counts as set.
const maxClockStep = 500 * time.Millisecond

// look notices a clock that was set, or a machine that slept: what is in the
// partition is then older than what the clock says, and every source gets its
// timeout anew before its bars are closed.
func (i *idleWatch) look(now time.Time) {
	if !i.looked.IsZero() {
		passed, wall := now.Sub(i.looked), now.Round(0).Sub(i.looked.Round(0))
		i.step(now, wall-passed)
	}
	i.looked = now
}

// step takes note of how far the wall clock was set.
func (i *idleWatch) step(now time.Time, by time.Duration) {
	if by.Abs() > maxClockStep {
		i.since = now
		clear(i.heardAt)
	}
}

// heard notes a heartbeat. Of sources that the state has forgotten nothing stays.
func (i *idleWatch) heard(source string, now time.Time, known func(string) bool) {
	i.heardAt[source] = now
	if len(i.heardAt) > 2*maxSources {
		gone := func(name string, _ time.Time) bool { return !known(name) }
		maps.DeleteFunc(i.heardAt, gone)
		maps.DeleteFunc(i.decided, gone)
	}
}

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
	w.idle.look(now)
	if err := w.closeIdle(now); err != nil {
		return err
	}
	w.showCurrent(now)
	w.report(now)
	return w.checkpointIfDue()
}

// closeIdle closes what is due of silent sources, at the end of the partition
// only: before it, the next record may say more than the clock. That the fetches
// bring nothing is not enough to know where the end is: the network may stand
// still while trades arrive. The leader is asked, and the clock counts up to that
// moment.
func (w *worker) closeIdle(now time.Time) error {
	if w.cfg.IdleTimeout < 0 || !w.status.atEnd() || w.replaying() {
		return nil
	}
	if n, _ := w.queue.state(); n > 0 || len(w.idleOps(now)) == 0 {
		return nil
	}
	asOf, ok := w.log.AtEnd(w.p, w.status.position())
	if !ok {
		return nil
	}
	for _, op := range w.idleOps(asOf) {
		w.idle.decided[op.Source] = asOf
		if err := w.decide(op); err != nil {
			return err
		}
	}
	return nil
}

// idleOps are the decisions that silent sources call for at the time now.
func (w *worker) idleOps(now time.Time) []core.Op {
	var ops []core.Op
	for _, s := range w.eng.Sources() {
		if !w.idle.silent(s.Name, now, w.cfg.IdleTimeout) {
			continue
		}
		if op, due := w.eng.IdleOp(s.Name, now.UnixMilli()); due {
			ops = append(ops, op)
		}
	}
	return ops
}

// lostError says that a log does not hold what it held: the partition fails
// until an operator decides.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }
