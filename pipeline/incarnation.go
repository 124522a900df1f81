package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// incarnation is one Kafka client with the workers of its partitions, from the
// restore to the first failed send. After that nothing of it may be written: a
// later record could land behind a hole. It is dropped and a new one restores.
type incarnation struct {
	e      *Engine
	client partitionStore
	ready  chan struct{} // closed when client is set: kgo may call back before
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex // protects the fields below
	workers map[int32]*running
	failed  map[int32]string
	ending  []*running // of failed partitions: told to end, nobody waits yet
}

// partitionStore is the part of a Kafka client that partitions are restored
// from and written to.
type partitionStore interface {
	partitionLog
	// Bounds are the log start and the high watermark of the input.
	Bounds(ctx context.Context, p int32) (start, end int64, err error)
	LoadCheckpoint(ctx context.Context, p int32) (*kafka.Checkpoint, error)
	OpenJournal(ctx context.Context, p int32, o kafka.JournalOpen) (kafka.JournalTail, error)
	GroupOffset(p int32) int64
	Pause(p int32)
	Resume(p int32)
	// Members is the number of others in the group that hold partitions.
	Members(ctx context.Context) (int, error)
	// Joined tells whether this client is a member of the group.
	Joined() bool
}

// running is a worker with its goroutine.
type running struct {
	*worker
	handle *safego.Handle
	cancel context.CancelCauseFunc
}

// run builds a client and consumes until ctx ends (nil) or the incarnation
// does.
func (e *Engine) incarnate(ctx context.Context, cfg kafka.ClientConfig) error {
	inc := &incarnation{e: e, ready: make(chan struct{}), workers: map[int32]*running{}, failed: map[int32]string{}}
	inc.ctx, inc.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	defer inc.cancel(kafka.ErrEnded)
	client, err := kafka.NewClient(cfg, inc)
	if err != nil {
		return err
	}
	inc.client = client
	close(inc.ready)
	e.current.Store(inc)
	defer e.current.CompareAndSwap(inc, nil)
	runCtx, stop := context.WithCancel(ctx)
	defer stop()
	inc.stopRun(stop)
	err = inc.why(client.Run(runCtx))
	inc.cancel(kafka.ErrEnded)
	inc.reap()
	return err
}

// reap waits for the workers of failed partitions: a successor must not call
// the indicators of a partition while its predecessor still does.
func (inc *incarnation) reap() {
	inc.mu.Lock()
	ending := inc.ending
	inc.ending = nil
	inc.mu.Unlock()
	for _, r := range ending {
		r.handle.Wait()
	}
}

// stopRun ends the client when a worker ends the incarnation.
func (inc *incarnation) stopRun(stop func()) { context.AfterFunc(inc.ctx, stop) }

// why prefers what a worker said over what the client noticed.
func (inc *incarnation) why(err error) error {
	if cause := context.Cause(inc.ctx); cause != nil {
		return cause
	}
	return err
}

// Assigned restores partition p and starts its worker.
func (inc *incarnation) Assigned(ctx context.Context, p int32) (int64, error) {
	select {
	case <-inc.ready:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	began := inc.e.cfg.Clock.Now()
	inc.e.cfg.Observer.Partition(p, StateRestoring)
	w, err := inc.restore(ctx, p)
	if err != nil {
		return 0, err
	}
	next := w.eng.Next()
	inc.start(w)
	inc.e.cfg.Observer.Restored(p, inc.e.cfg.Clock.Now().Sub(began), max(inc.client.GroupOffset(p)-next, 0))
	inc.e.cfg.Observer.Moved(p)
	inc.e.cfg.Observer.Partition(p, StateRunning)
	inc.e.hub.SetStale(p, false)
	return next, nil
}

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
		open.From, open.LastN = cp.JN, w.journal.n
		w.check.changed = cp.Cfg != w.check.config
	}
	if err != nil {
		return nil, err
	}
	if next := w.eng.Next(); next < start || next > end {
		return nil, fmt.Errorf("restoring partition %d at offset %d: the input holds %d..%d: %w", p, next, start, end, kafka.ErrInputLost)
	}
	failpoint.Hit(failpoint.DuringRestore)
	if err := inc.openJournal(ctx, w, open); err != nil {
		return nil, err
	}
	if err := w.adoptNow(ctx); err != nil {
		return nil, err
	}
	w.status.restored(w.eng.Next(), end, w.cfg.Clock.Now())
	restored = true
	return w, nil
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
	w.check = checkpointer{config: e.identity(), to: -1, n: -1, at: now}
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

// start runs the worker until it is released, lost or ends the incarnation.
func (inc *incarnation) start(w *worker) {
	ctx, cancel := context.WithCancelCause(inc.ctx)
	w.ctx = ctx
	r := &running{worker: w, cancel: cancel}
	inc.mu.Lock()
	inc.workers[w.p] = r
	delete(inc.failed, w.p)
	inc.mu.Unlock()
	w.pub.start(ctx)
	r.handle = safego.Go(fmt.Sprintf("worker of partition %d", w.p), func(err error) {
		inc.e.cfg.Observer.Panicked("worker")
		inc.e.cfg.Log.Error("a worker ended in a panic, its client is built anew", "partition", w.p, "error", err)
	}, func() {
		err := errPanicked
		defer func() { inc.finish(w, err) }()
		err = w.run()
	})
}

// finish ends the incarnation before it waits for the worker's publisher, which
// may be waiting for a broker that is away. A partition that fails alone must
// not: its units under way are the incarnation's, and it would take the others
// with it.
func (inc *incarnation) finish(w *worker, err error) {
	var lost *lostError
	if errors.As(err, &lost) {
		w.release()
		inc.end(w.p, err)
		return
	}
	inc.end(w.p, err)
	w.release()
}

// errPanicked is how a worker has ended until it returns.
var errPanicked = errors.New("the worker of a partition ended in a panic")

// end takes note of how a worker ended. A partition whose log lost something
// fails alone; anything else ends the incarnation.
func (inc *incarnation) end(p int32, err error) {
	var lost *lostError
	switch {
	case err == nil, errors.Is(err, errReleased), errors.Is(err, kafka.ErrNotHeld):
	case errors.As(err, &lost):
		inc.Failed(p, err)
	default:
		inc.cancel(err)
	}
}

// errReleased is the cause of a worker's end when its partition is lost.
var errReleased = errors.New("the partition was lost")

// Batch hands a batch to its worker. It never blocks.
func (inc *incarnation) Batch(b *kafka.Batch) {
	inc.mu.Lock()
	r := inc.workers[b.P]
	inc.mu.Unlock()
	if r == nil {
		b.Release()
		return
	}
	r.queue.put(b)
}

// Revoked lets the workers finish their batch and write their last unit.
func (inc *incarnation) Revoked(ctx context.Context, ps []int32) {
	for _, r := range inc.take(ps) {
		close(r.quit)
		defer inc.await(ctx, r)
	}
}

// await waits for a worker that was told to finish, and drops it after ctx:
// that costs a replay, nothing more.
func (inc *incarnation) await(ctx context.Context, r *running) {
	select {
	case <-r.handle.Done():
	case <-ctx.Done():
		inc.e.cfg.Log.Warn("releasing a partition took too long, it is dropped", "partition", r.p)
		r.cancel(errReleased)
		r.handle.Wait()
	}
	r.cancel(errReleased)
	inc.e.cfg.Observer.Partition(r.p, StateUnassigned)
	inc.e.cfg.Observer.Moved(r.p)
}

// Lost drops the workers; nothing more is written for their partitions.
func (inc *incarnation) Lost(ps []int32) {
	for _, r := range inc.take(ps) {
		r.cancel(errReleased)
		r.handle.Wait()
		inc.e.cfg.Observer.Partition(r.p, StateUnassigned)
		inc.e.cfg.Observer.Moved(r.p)
	}
}

// Failed stops the worker of p and keeps the reason for the operator.
func (inc *incarnation) Failed(p int32, err error) {
	inc.e.cfg.Log.Error("partition failed: an operator has to decide", "partition", p, "error", err)
	inc.e.cfg.Observer.Partition(p, StateFailed)
	inc.e.hub.SetStale(p, true)
	inc.mu.Lock()
	r := inc.workers[p]
	delete(inc.workers, p)
	inc.failed[p] = err.Error()
	if r != nil {
		inc.ending = append(inc.ending, r)
	}
	inc.mu.Unlock()
	inc.client.Pause(p) // nobody takes its batches any more
	if r != nil {
		close(r.drop) // its unit under way is waited for: to give it up would end the incarnation
	}
}

func (inc *incarnation) take(ps []int32) []*running {
	inc.mu.Lock()
	defer inc.mu.Unlock()
	var rs []*running
	for _, p := range ps {
		if r := inc.workers[p]; r != nil {
			rs = append(rs, r)
			delete(inc.workers, p)
		}
	}
	return rs
}

// has tells whether p has a worker here.
func (inc *incarnation) has(p int32) bool {
	inc.mu.Lock()
	defer inc.mu.Unlock()
	return inc.workers[p] != nil
}

// snapshot returns the workers and the failed partitions.
func (inc *incarnation) snapshot() (map[int32]*running, map[int32]string) {
	inc.mu.Lock()
	defer inc.mu.Unlock()
	return maps.Clone(inc.workers), maps.Clone(inc.failed)
}

// stalledAfter is how long records may wait without one being processed before
// the client is built anew.
const stalledAfter = 30 * time.Second

// watch ends the incarnation if a partition makes no progress.
func (inc *incarnation) watch(now time.Time) {
	workers, _ := inc.snapshot()
	for p, r := range workers {
		if r.status.stalled(now, stalledAfter) {
			inc.e.cfg.Observer.Stalled(p)
			inc.cancel(fmt.Errorf("partition %d made no progress for %s with records waiting", p, stalledAfter))
			return
		}
	}
}

var (
	_ kafka.Handler  = (*incarnation)(nil)
	_ partitionStore = (*kafka.Client)(nil)
)
