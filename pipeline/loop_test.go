package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// gateLog is a crashLog that never kills, whose Publish waits at a gate and may
// be refused.
type gateLog struct {
	*crashLog
	gate    atomic.Pointer[chan struct{}]
	refuse  atomic.Pointer[error]
	entered chan struct{}
	paused  atomic.Bool
}

func (g *gateLog) Publish(ctx context.Context, u *kafka.Unit) error {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	if gate := g.gate.Load(); gate != nil {
		select {
		case <-*gate:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := g.refuse.Load(); err != nil {
		return *err
	}
	return g.crashLog.Publish(ctx, u)
}

func (g *gateLog) Pause(int32) { g.paused.Store(true) }

func (g *gateLog) klines() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.outs[kafka.Klines])
}

// loop is one incarnation whose worker runs in its own goroutine, on a clock
// that stands still: nothing happens by time alone.
type loop struct {
	*crashRun
	log  *gateLog
	inc  *incarnation
	w    *running
	next int64
}

func newLoop(t *testing.T) *loop {
	c := newCrashRun(t, 1)
	l := &loop{crashRun: c, log: &gateLog{crashLog: c.log, entered: make(chan struct{}, 100)}}
	l.inc = &incarnation{e: c.e, client: l.log, ready: make(chan struct{}), workers: map[int32]*running{}, failed: map[int32]string{}}
	close(l.inc.ready)
	l.inc.ctx, l.inc.cancel = context.WithCancelCause(context.Background())
	if _, err := l.inc.Assigned(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	l.w = l.inc.workers[0]
	t.Cleanup(func() {
		l.inc.cancel(errKilled)
		l.inc.Lost([]int32{0})
		l.inc.reap()
		l.w.handle.Wait()
	})
	return l
}

// send hands the worker one batch of records with the values.
func (l *loop) send(values ...string) {
	b := &kafka.Batch{}
	for _, v := range values {
		b.Records = append(b.Records, kafka.Rec{Offset: l.next, Timestamp: l.clock.Now().UnixMilli(), Value: []byte(v)})
		l.next++
	}
	b.Next, b.HighWatermark = l.next, l.next
	l.inc.Batch(b)
}

// bar sends a trade that closes the bar of the one before.
func (l *loop) bar() {
	l.send(fmt.Sprintf(`{"symbol":"A","price":"1","size":"1","ts":%d,"id":%d}`,
		l.clock.Now().UnixMilli()-3_600_000+2000*l.next, l.next))
}

func (l *loop) await(what string, ok func() bool) {
	l.t.Helper()
	const limit = time.Minute // no more than a guard: a busy machine takes seconds for anything
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	l.t.Fatalf("waited %s for %s", limit, what)
}

func (l *loop) ended() bool {
	select {
	case <-l.w.handle.Done():
		return true
	default:
		return false
	}
}

func TestWhatWasCollectedIsOfferedWhenThePublisherIsFree(t *testing.T) {
	l := newLoop(t)
	gate := make(chan struct{})
	l.log.gate.Store(&gate)
	for i := range 6 {
		l.bar()
		l.await("the trade", func() bool { s, _ := l.w.status.read(); return s.Next == int64(i+1) })
	}
	close(gate)
	// The clock stands still, so neither a trade nor a checkpoint follows.
	l.await("the bars of all units", func() bool { return l.log.klines() >= 5 })
}

func TestConstantOutputDoesNotKeepCheckpointsAway(t *testing.T) {
	c := newCrashRun(t, 1)
	slow := &slowLog{c.log}
	inc := &incarnation{e: c.e, client: slow, workers: map[int32]*running{}, failed: map[int32]string{}}
	inc.ctx, inc.cancel = context.WithCancelCause(context.Background())
	w, err := inc.restore(inc.ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.ctx = inc.ctx
	w.pub.start(inc.ctx)
	defer w.release()
	base := c.clock.Now().UnixMilli() - 3_600_000
	for i := range int64(100) {
		c.clock.Advance(200 * time.Millisecond)
		v := fmt.Sprintf(`{"symbol":"A","price":"1","size":"1","ts":%d,"id":%d}`, base+2000*i, i)
		b := &kafka.Batch{Records: []kafka.Rec{{Offset: i, Timestamp: c.clock.Now().UnixMilli(), Value: []byte(v)}}, Next: i + 1, HighWatermark: i + 1}
		if err := w.batch(b); err != nil {
			t.Fatal(err)
		}
		if w.check.to > 0 && w.check.to == i+1 {
			break
		}
	}
	if w.check.to <= 0 {
		t.Error("20 s of constant output passed without a checkpoint")
	}
}

// slowLog takes a while for each unit.
type slowLog struct{ *crashLog }

func (s *slowLog) Publish(ctx context.Context, u *kafka.Unit) error {
	time.Sleep(3 * time.Millisecond)
	return s.crashLog.Publish(ctx, u)
}

func TestAPartitionThatIsNotHeldAnyMoreEndsItsWorkerAlone(t *testing.T) {
	l := newLoop(t)
	err := fmt.Errorf("writing: %w", kafka.ErrNotHeld)
	l.log.refuse.Store(&err)
	l.bar()
	l.bar()
	l.await("the end of the worker", l.ended)
	if cause := context.Cause(l.inc.ctx); cause != nil {
		t.Errorf("the incarnation ended: %v", cause)
	}
}

func TestAFailureWhileAUnitIsUnderWayLeavesTheIncarnationAlone(t *testing.T) {
	l := newLoop(t)
	gate := make(chan struct{})
	l.log.gate.Store(&gate)
	l.bar()
	l.bar()
	<-l.log.entered
	l.inc.Failed(0, errors.New("the log was truncated"))
	time.Sleep(20 * time.Millisecond)
	if l.ended() {
		t.Error("the unit under way was given up: its outcome is unknown")
	}
	close(gate)
	l.await("the end of the worker", l.ended)
	if cause := context.Cause(l.inc.ctx); cause != nil {
		t.Errorf("the incarnation ended: %v", cause)
	}
	if !l.log.paused.Load() {
		t.Error("the partition goes on being fetched for nobody")
	}
}

func TestAPanicEndsTheIncarnationAndLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer func() {
		// One look waits less than half a second for goroutines that are about to end.
		err := goleak.Find(before)
		for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); err = goleak.Find(before) {
		}
		if err != nil {
			t.Error(err)
		}
	}()
	t.Run("panic", func(t *testing.T) {
		l := newLoop(t)
		l.host.panicAt = 1
		l.bar()
		l.bar()
		l.await("the end of the worker", l.ended)
		if cause := context.Cause(l.inc.ctx); !errors.Is(cause, errPanicked) {
			t.Errorf("the incarnation's end: %v", cause)
		}
		if n := len(l.host.states); n > 0 {
			t.Errorf("%d slots were not given back", n)
		}
	})
}

// A catch-up may take hours: only a partition that does nothing is stalled.
func TestACatchUpThatGoesOnIsNoStall(t *testing.T) {
	l := newLoop(t)
	const waiting = 1_000_000
	behind := func() {
		b := &kafka.Batch{Records: []kafka.Rec{{Offset: l.next, Timestamp: l.clock.Now().UnixMilli(), Value: []byte("{}")}}}
		l.next++
		b.Next, b.HighWatermark = l.next, l.next+waiting
		l.inc.Batch(b)
		l.await("the record", func() bool { s, _ := l.w.status.read(); return s.Next == l.next })
	}
	for range 10 {
		behind()
		l.clock.Advance(stalledAfter / 3)
		l.inc.watch(l.clock.Now())
		if cause := context.Cause(l.inc.ctx); cause != nil {
			t.Fatalf("after %d records the incarnation ended: %v", l.next, cause)
		}
	}
	gate := make(chan struct{})
	l.log.gate.Store(&gate) // nothing is acknowledged any more
	l.clock.Advance(stalledAfter)
	l.inc.watch(l.clock.Now())
	if context.Cause(l.inc.ctx) == nil {
		t.Errorf("records waited for %v and nobody noticed", stalledAfter)
	}
}

// slowStart is a log on which the restore of the second partition takes its time.
type slowStart struct {
	*gateLog
	entered, gate chan struct{}
}

func (s *slowStart) Bounds(ctx context.Context, p int32) (start, end int64, err error) {
	if p == 1 {
		close(s.entered)
		<-s.gate
		return 0, 0, errors.New("it takes no part")
	}
	return s.gateLog.Bounds(ctx, p)
}

// Nothing is fetched before all partitions are restored: one that is already must not
// be taken for stalled meanwhile, or the restore would be begun again and again.
func TestAPartitionThatWaitsForTheRestoreOfAnotherIsNotStalled(t *testing.T) {
	l := newLoop(t)
	b := &kafka.Batch{Records: []kafka.Rec{{Offset: l.next, Timestamp: l.clock.Now().UnixMilli(), Value: []byte("{}")}}}
	l.next++
	b.Next, b.HighWatermark = l.next, l.next+1000
	l.inc.Batch(b) // which is the worker's from now on
	l.await("the record", func() bool { s, _ := l.w.status.read(); return s.Next == l.next })
	slow := &slowStart{gateLog: l.log, entered: make(chan struct{}), gate: make(chan struct{})}
	l.inc.client = slow
	restored := make(chan error)
	go func() { _, err := l.inc.Assigned(t.Context(), 1); restored <- err }()
	<-slow.entered
	watch := func() error {
		l.clock.Advance(stalledAfter + time.Second)
		l.inc.watch(l.clock.Now())
		return context.Cause(l.inc.ctx)
	}
	if cause := watch(); cause != nil {
		t.Errorf("the incarnation ended during a restore: %v", cause)
	}
	close(slow.gate)
	if err := <-restored; err == nil {
		t.Fatal("the second partition was restored")
	}
	l.inc.watch(l.clock.Now())
	if cause := context.Cause(l.inc.ctx); cause != nil {
		t.Errorf("the incarnation ended with the first fetch on its way: %v", cause)
	}
	if watch() == nil {
		t.Error("records waited behind the restore, and nobody noticed")
	}
}

func TestRevokedWritesTheLastUnitAndLostWritesNothing(t *testing.T) {
	l := newLoop(t)
	l.bar()
	l.bar()
	l.await("both trades", func() bool { s, _ := l.w.status.read(); return s.Next == 2 })
	l.inc.Revoked(t.Context(), []int32{0})
	if n := len(l.log.checkpoints); n != 1 || l.log.checkpoints[0].To != 2 {
		t.Errorf("%d checkpoints after the release, want one at 2", n)
	}
	l = newLoop(t)
	gate := make(chan struct{})
	l.log.gate.Store(&gate)
	l.bar()
	l.bar()
	<-l.log.entered
	l.inc.Lost([]int32{0})
	if n := l.log.klines() + len(l.log.checkpoints); n > 0 {
		t.Errorf("a lost partition wrote %d records", n)
	}
}

func TestAReleaseThatTakesTooLongIsDropped(t *testing.T) {
	l := newLoop(t)
	gate := make(chan struct{})
	l.log.gate.Store(&gate)
	l.bar()
	l.bar()
	<-l.log.entered
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	l.inc.Revoked(ctx, []int32{0})
	if !l.ended() {
		t.Error("the worker outlived its release")
	}
}

func TestHeartbeatsOfInventedSourcesAreNotRemembered(t *testing.T) {
	l := newLoop(t)
	b := &kafka.Batch{}
	for i := range int64(5000) {
		b.Records = append(b.Records, kafka.Rec{
			Offset: i, Timestamp: l.clock.Now().UnixMilli(),
			Headers: []kafka.Header{{Key: wire.HeaderKind, Value: []byte(wire.KindHeartbeat)}},
			Value:   fmt.Appendf(nil, `{"src":"s%d","ts":%d,"up":true}`, i, l.clock.Now().UnixMilli()),
		})
	}
	b.Next, b.HighWatermark = 5000, 5000
	l.inc.Batch(b)
	l.await("the heartbeats", func() bool { s, _ := l.w.status.read(); return s.Next == 5000 })
	l.inc.Revoked(t.Context(), []int32{0})
	if n, known := len(l.w.idle.heardAt), len(l.w.eng.Sources()); n == 0 || n > 2*maxSources || known > maxSources {
		t.Errorf("%d and %d sources are remembered, at most %d and %d may be", n, known, 2*maxSources, maxSources)
	}
}

func TestARecordOfAnySizeFitsWhenItIsDiverted(t *testing.T) {
	l := newLoop(t)
	l.inc.Batch(&kafka.Batch{Records: []kafka.Rec{{Key: bytes.Repeat([]byte("k"), 500_000), Value: bytes.Repeat([]byte("v"), 400_000)}}, Next: 1, HighWatermark: 1})
	l.await("the record", func() bool { s, _ := l.w.status.read(); return s.Next == 1 })
	l.inc.Revoked(t.Context(), []int32{0})
	outs := l.log.outs[kafka.DLQ]
	if len(outs) != 1 {
		t.Fatalf("%d records were diverted, want 1", len(outs))
	}
	if n := len(outs[0].value) + len(outs[0].key); n > maxDeadLetter+maxDeadKey {
		t.Errorf("%d bytes were written, at most %d fit for sure", n, maxDeadLetter+maxDeadKey)
	}
}

// A batch that cannot be unpacked is one dead letter, and the next trade is applied.
// A node that starts inside of it hears of it again, and tells nothing twice.
func TestABatchThatWasLeftOutIsOneDeadLetter(t *testing.T) {
	l := newLoop(t)
	for range 2 {
		l.inc.Batch(&kafka.Batch{Records: []kafka.Rec{{Offset: 0, Oversized: true}}, Next: 76, HighWatermark: 76})
	}
	l.next = 76
	l.bar()
	l.await("the trade behind it", func() bool { s, _ := l.w.status.read(); return s.Next == l.next && s.Lag == 0 })
	l.inc.Revoked(t.Context(), []int32{0})
	outs := l.log.outs[kafka.DLQ]
	if len(outs) != 1 || !strings.Contains(outs[0].headers, "reason=too_large;") || !strings.Contains(outs[0].headers, "so=0;") {
		t.Errorf("dead letters: %+v", outs)
	}
}

// Each trade of a record may be refused by itself: what is repeated of the record
// has a bound, and every one of them is told with its place.
func TestARecordOfManyRefusedTradesIsRepeatedToABound(t *testing.T) {
	l := newLoop(t)
	const n = 4096
	l.send("[" + strings.Repeat("1,", n-1) + "1" + strings.Repeat(" ", 57_000) + "]")
	l.await("the record", func() bool { s, _ := l.w.status.read(); return s.Next == 1 })
	l.inc.Revoked(t.Context(), []int32{0})
	outs := l.log.outs[kafka.DLQ]
	if len(outs) != n {
		t.Fatalf("%d records were diverted, want %d", len(outs), n)
	}
	whole, bytes := 0, 0
	for i := range outs {
		bytes += len(outs[i].value)
		if len(outs[i].value) > 0 {
			whole++
		}
		if !strings.Contains(outs[i].headers, fmt.Sprintf("%s=%d;", wire.HeaderIndex, i)) {
			t.Fatalf("record %d has the headers %s", i, outs[i].headers)
		}
	}
	if whole != maxLetters/len(outs[0].value) || bytes > maxLetters {
		t.Errorf("%d times the record, %d bytes, at most %d", whole, bytes, maxLetters)
	}
}

// A unit borrows the bytes of refused records, and must not keep more of them alive.
func TestRefusedRecordsCountInTheirUnit(t *testing.T) {
	u := new(unit)
	u.reset(0)
	const most = unitBytes / maxDeadLetter
	for i := range int64(most) {
		rec := kafka.Rec{Offset: i, Key: []byte("k"), Value: make([]byte, 1<<20)}
		u.diverted(&core.Diverted{Dead: true, Reason: core.ReasonTooLarge, So: i}, &rec, 0, 0, true)
		if got := cap(u.Outs[i].Value); got > 2*maxDeadLetter {
			t.Fatalf("%d bytes are kept of a record", got)
		}
	}
	if u.size() < unitBytes {
		t.Errorf("the unit says %d bytes after %d refused records, a full one has %d", u.size(), most, unitBytes)
	}
}

func TestAnotherConfigurationStandsInTheJournalOnce(t *testing.T) {
	c := newCrashRun(t, 3)
	c.produce(20)
	c.complete()
	itv, err := core.ParseInterval("10s")
	if err != nil {
		t.Fatal(err)
	}
	c.e.cfg.Intervals = append(c.e.cfg.Intervals, itv)
	for range 3 {
		c.produce(20)
		c.complete()
	}
	configs := 0
	for _, r := range c.log.journal {
		ops, err := wire.DecodeOps(r.Body)
		if err != nil || len(ops) != 1 {
			t.Fatalf("%s: %v", r.Body, err)
		}
		if ops[0].Kind == core.OpConfig {
			configs++
		}
	}
	if configs != 1 {
		t.Errorf("the change stands in the journal %d times", configs)
	}
	c.e.cfg.Indicators = nil // the values in the checkpoint are passed over
	c.produce(20)
	c.complete()
}

func TestAReplayThatCatchesUpBecomesLiveAlsoBehindTheEnd(t *testing.T) {
	c := newCrashRun(t, 4)
	if !c.begin() {
		t.Fatal("killed")
	}
	defer c.drop(errKilled)
	at := func(offset, ts, high int64, atEnd bool) {
		t.Helper()
		v := fmt.Sprintf(`{"symbol":"A","price":"1","size":"1","ts":%d,"id":%d}`, ts, offset)
		b := &kafka.Batch{Records: []kafka.Rec{{Offset: offset, Timestamp: ts, Value: []byte(v)}}, Next: offset + 1, HighWatermark: high, AtEnd: atEnd}
		if err := c.w.batch(b); err != nil {
			t.Fatal(err)
		}
	}
	now := c.clock.Now().UnixMilli()
	at(0, now-3_600_000, 1, true)
	if s := c.w.eng.Sources(); len(s) != 1 || !s[0].Historical {
		t.Fatalf("an hour old at the end: %+v", s)
	}
	at(1, now-1000, 9, false)
	if s := c.w.eng.Sources(); s[0].Historical {
		t.Error("a young record in the middle of the partition did not make the source live")
	}
}

func TestASetClockDoesNotCloseBarsAtOnce(t *testing.T) {
	now := time.Now()
	i := newIdleWatch(now)
	i.look(now)
	i.heard("x", now, func(string) bool { return true })
	i.look(now.Add(2100 * time.Millisecond))
	if !i.silent("x", now.Add(2100*time.Millisecond), 2*time.Second) {
		t.Fatal("2.1 s without a heartbeat are not silence")
	}
	// A wall clock that was set shows in times without a monotonic part.
	set := now.Add(2200 * time.Millisecond)
	i.looked = now.Add(2100 * time.Millisecond)
	i.step(set, time.Hour)
	if i.silent("x", set, 2*time.Second) {
		t.Error("the clock was set by an hour and the source counts as silent at once")
	}
}

func TestQueuePausesAndResumesInOrder(t *testing.T) {
	for range 30 {
		var paused atomic.Bool
		q := newQueue(func() { time.Sleep(100 * time.Microsecond); paused.Store(true) }, func() { paused.Store(false) })
		taken := 0
		taker := safego.Go("taker", func(err error) { t.Error(err) }, func() {
			for taken < 40 {
				if q.take() != nil {
					taken++
				}
			}
		})
		for range 40 {
			q.put(new(kafka.Batch))
			if rand.IntN(4) == 0 {
				time.Sleep(time.Microsecond)
			}
		}
		taker.Wait()
		if _, p := q.state(); p || paused.Load() {
			t.Fatalf("the queue is empty; it believes paused=%v, the client is paused=%v", p, paused.Load())
		}
	}
}

// TestASnapshotAheadOfADecisionIsNoLoss: the last checkpoint of a dead
// incarnation lands behind the announcement of the next one, which dies too.
func TestASnapshotAheadOfADecisionIsNoLoss(t *testing.T) {
	c := newCrashRun(t, 1)
	c.produce(20)
	if !c.begin() || !c.deliver(10) {
		t.Fatal("the first incarnation ended")
	}
	early := c.w.decision([]core.Op{{Kind: core.OpStart}})
	if !c.deliver(10) || !c.alive(c.finish()) {
		t.Fatal("the first incarnation ended")
	}
	c.drop(errKilled)
	cp := &c.log.checkpoints[len(c.log.checkpoints)-1]
	early.N = c.log.journal[len(c.log.journal)-1].N + 1
	cp.JN = c.log.append(early)
	if !c.begin() {
		t.Fatal("the next incarnation did not begin")
	}
	c.drop(errKilled)
}
