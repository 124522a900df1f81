package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// restore builds the worker of p from its checkpoint and its journal.
func (inc *incarnation) restore(ctx context.Context, p int32) (*worker, error) {
	start, end, err := inc.client.Bounds(ctx, p)
	if err != nil {
		return nil, err
	}
	cp, err := inc.client.LoadCheckpoint(ctx, p)
	if err != nil && !errors.Is(err, kafka.ErrNoCheckpoint) {
		return nil, err
	}
	w, err := inc.build(p, cp)
	if err != nil {
		return nil, err
	}
	restored := false
	defer func() {
		if !restored {
			w.vals.close() // the host's slots would be lost with every attempt
		}
	}()
	open := kafka.JournalOpen{From: -1}
	if cp == nil {
		err = w.eng.Begin(start)
	} else {
		err = w.restore(cp)
		open.From, open.LastN, open.Published = cp.JN, w.journal.n, cp.Published.JN
		w.check.changed = cp.Cfg != w.check.config
	}
	if err != nil {
		return nil, err
	}
	if next := w.eng.Next(); w.from(start) < start || next > end {
		return nil, fmt.Errorf("restoring partition %d at offset %d: the input holds %d..%d: %w", p, next, start, end, kafka.ErrInputLost)
	}
	if err := w.checkPublished(ctx, inc, end); err != nil {
		return nil, err
	}
	failpoint.Hit(failpoint.DuringRestore)
	if err := inc.openJournal(ctx, w, open); err != nil {
		return nil, err
	}
	if err := w.adoptNow(ctx); err != nil {
		return nil, err
	}
	if w.check.changed {
		inc.e.cfg.Log.Info("the state of a partition was written under another configuration: from here on that of this node counts (nodes of a group need the same)", "partition", p)
	}
	w.seen = w.from(start)
	w.status.restored(w.seen, end, w.cfg.Clock.Now())
	restored = true
	return w, nil
}

// from is where a restored worker reads on in a log that begins at start. Between its
// last record and what it has seen stood the markers of a producer's transaction alone:
// that retention has taken them is no loss.
func (w *worker) from(start int64) int64 {
	next := w.eng.Next()
	if next < start && start <= w.seen {
		return start
	}
	return next
}

// checkPublished refuses an input that ended at end and holds less than was published
// of it: up to there the partition is replayed in silence, and records that come now at
// the places of those that are lost would be taken for published.
func (w *worker) checkPublished(ctx context.Context, inc *incarnation, end int64) error {
	until := w.silent.until.To
	if until <= end {
		return nil
	}
	_, end, err := inc.client.Bounds(ctx, w.p) // it was asked before the checkpoint was read
	if err != nil || until <= end {
		return err
	}
	return fmt.Errorf("restoring partition %d: it was published up to offset %d, the input ends at %d, it was truncated: %w", w.p, until, end, kafka.ErrInputLost)
}

// adoptNow notes changed rules at the place of the snapshot, where nothing was
// published behind it. In a transaction that waits for the worker.
func (w *worker) adoptNow(ctx context.Context) error {
	if !w.check.changed || w.txn || w.check.successor != nil {
		return nil
	}
	w.check.changed = false
	d, err := w.write(ctx, []core.Op{{Kind: core.OpConfig, Config: w.check.config}})
	if err != nil {
		return err
	}
	w.journal.take(d)
	return nil
}

// openJournal announces the incarnation and takes over what stands in the
// journal beyond the checkpoint.
func (inc *incarnation) openJournal(ctx context.Context, w *worker, open kafka.JournalOpen) error {
	open.Start = w.decision([]core.Op{{Kind: core.OpStart}})
	tail, err := inc.client.OpenJournal(ctx, w.p, open)
	if err != nil {
		return err
	}
	for _, d := range tail.Pending {
		w.journal.take(d)
	}
	w.journal.next = tail.End
	if !w.txn {
		w.cfg.Observer.Journal("start", 0)
	}
	for range tail.Void {
		w.cfg.Observer.Journal("void", 0)
	}
	return w.checkPending(inc, ctx)
}

// checkPending refuses decisions that were taken beyond the end of the input:
// what they were based on is gone.
func (w *worker) checkPending(inc *incarnation, ctx context.Context) error {
	if len(w.journal.pending) == 0 {
		return nil
	}
	_, end, err := inc.client.Bounds(ctx, w.p)
	if err != nil {
		return err
	}
	for _, d := range w.journal.pending {
		if d.At > end {
			return fmt.Errorf("decision %d of partition %d acts before offset %d, the input ends at %d: it was truncated: %w",
				d.N, w.p, d.At, end, kafka.ErrJournalLost)
		}
	}
	return nil
}

// build makes an empty worker for p, which follows the rules of cp as long as it
// goes through what was published by them.
func (inc *incarnation) build(p int32, cp *kafka.Checkpoint) (*worker, error) {
	e := inc.e
	now := e.cfg.Clock.Now()
	w := &worker{
		p: p, cfg: &e.cfg, log: inc.client, name: e.topics.Input, generic: wire.NewDecoder(nil),
		sources: sourceNames{}, last: lastRecord{offset: -1}, ord: ordinals{so: -1},
		pub:  newPublisher(p, inc.client, e.cfg.Clock, e.cfg.Observer),
		idle: newIdleWatch(now), quit: make(chan struct{}), drop: make(chan struct{}),
	}
	w.txn = e.cfg.transactional()
	w.check = checkpointer{config: e.identity(), to: -1, n: -1, at: now, limit: kafka.MaxState}
	follow := e.rules(p)
	if cp != nil && cp.Cfg != w.check.config && cp.Behind() {
		old, err := rulesIn(cp.Body)
		switch current := follow; {
		case errors.Is(err, errNoRules):
			e.cfg.Log.Warn("the new rules count from the snapshot on: an older version wrote it", "partition", p, "error", err)
		case err != nil:
			return nil, fmt.Errorf("restoring partition %d, configured differently since: %w", p, err)
		default:
			w.check.successor, follow = &current, old
		}
	}
	if err := w.use(follow); err != nil {
		return nil, err
	}
	w.current = currentBars{out: e.formingForRedis}
	w.forming = newForming(e.live, e.cfg.Clock, len(w.vals.instances))
	w.queue = newQueue(func() { inc.client.Pause(p) }, func() { inc.client.Resume(p) })
	w.status.status = PartitionStatus{Partition: p, State: StateRestoring}
	return w, nil
}
