package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
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
	began  time.Time

	mu      sync.Mutex // protects the fields below
	workers map[int32]*running
	failed  map[int32]string
	ending  []*running // of failed partitions: told to end, nobody waits yet

	restoring int       // partitions that are being restored
	restored  time.Time // when the last one was
	refused   bool      // one could not be restored: the incarnation ends
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
	inc := &incarnation{e: e, began: e.cfg.Clock.Now(), ready: make(chan struct{}), workers: map[int32]*running{}, failed: map[int32]string{}}
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
	inc.restores(1)
	defer inc.restores(-1)
	inc.e.cfg.Observer.Partition(p, StateRestoring)
	w, err := inc.restore(ctx, p)
	if err != nil {
		inc.refuse(ctx, err)
		return 0, err
	}
	next := w.seen
	inc.start(w)
	inc.e.cfg.Observer.Restored(p, inc.e.cfg.Clock.Now().Sub(began), max(inc.client.GroupOffset(p)-next, 0))
	inc.e.cfg.Observer.Moved(p)
	inc.e.cfg.Observer.Partition(p, StateRunning)
	inc.e.hub.SetStale(p, false)
	return next, nil
}

// restores counts the partitions that are being restored.
func (inc *incarnation) restores(by int) {
	inc.mu.Lock()
	defer inc.mu.Unlock()
	inc.restoring += by
	inc.restored = inc.e.cfg.Clock.Now()
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
	inc.forgive(ps)
	for _, r := range inc.take(ps) {
		close(r.quit)
		defer inc.await(ctx, r)
	}
}

// forgive forgets why partitions failed that are not ours any more: what their next
// owner makes of them is not for this node to say.
func (inc *incarnation) forgive(ps []int32) {
	inc.mu.Lock()
	var gone []int32
	for _, p := range ps {
		if _, was := inc.failed[p]; was {
			delete(inc.failed, p)
			gone = append(gone, p)
		}
	}
	inc.mu.Unlock()
	for _, p := range gone {
		inc.e.hub.SetStale(p, false)
		inc.e.cfg.Observer.Partition(p, StateUnassigned)
	}
	if len(gone) > 0 {
		inc.tellGrowth()
	}
}

// tellGrowth says whether the input has partitions that the topics of the engine have
// not: nobody works on them, and the status does not list them.
func (inc *incarnation) tellGrowth() {
	_, failed := inc.snapshot()
	for p, why := range failed {
		if p >= inc.e.layout.N {
			inc.e.degrade(degradedPartitions, errors.New(why))
			return
		}
	}
	inc.e.heal(degradedPartitions)
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
	inc.forgive(ps)
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
	inc.tellGrowth()
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

// watch ends the incarnation if a partition makes no progress. Nothing is fetched
// until all partitions of an assignment are restored: those that were first would be
// called stalled where another one takes longer than they may, in every incarnation
// anew.
func (inc *incarnation) watch(now time.Time) {
	inc.mu.Lock()
	fetches := inc.restoring == 0 && now.Sub(inc.restored) > stalledAfter
	inc.mu.Unlock()
	if !fetches {
		return
	}
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
