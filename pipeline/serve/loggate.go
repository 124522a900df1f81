package serve

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

const (
	// logParallel bounds how many read the log at a time, and how many explain a bar:
	// each has connections of its own to the brokers.
	logParallel = 4
	// logTime bounds the reads of the log of one request, all together, and logQueue
	// how long they wait for their turn. A page far back takes a good part of a second
	// to read, and a chart asks for several at a time.
	logTime, logQueue = 5 * time.Second, 5 * time.Second
	// explainTime bounds the one read of an explanation, which may be long: the
	// log has no index of bars beside the one that readers keep.
	explainTime = 30 * time.Second
)

// errLogBusy: others read already.
var errLogBusy = errors.New("reading the log: too many others do at the same time")

// logGate is the way to the log. It bounds how many read it at a time: requests
// would open as many connections to the brokers as there are of them, and take the
// processor from the partitions.
type logGate struct {
	log   LogReader
	slots slots
}

func newLogGate(r LogReader, c clock.Clock) *logGate {
	return &logGate{log: r, slots: newSlots(logParallel, c)}
}

// Read implements LogReader. It returns when ctx ends: a client of a broker that was
// stopped and not gone takes 10 s to notice. The slot stays taken until it does, so that
// there are never more of them.
func (l *logGate) Read(ctx context.Context, p int32, from, to int64, fn func(Record) bool) error {
	left := logTimeOf(ctx)
	if left.read <= 0 {
		return context.DeadlineExceeded
	}
	began := l.slots.clock.Now()
	err := l.slots.enter(ctx, left.queue, errLogBusy)
	entered := l.slots.clock.Now()
	left.queue -= entered.Sub(began)
	if err != nil {
		return err
	}
	defer func() { left.read -= l.slots.clock.Now().Sub(entered) }()
	ctx, cancel := context.WithTimeout(ctx, left.read)
	defer cancel()
	if err := l.inside(ctx, p, from, to, fn); err != nil {
		return err
	}
	return ctx.Err() // a read that was cut short may not say so
}

// inside reads in a slot.
func (l *logGate) inside(ctx context.Context, p int32, from, to int64, fn func(Record) bool) error {
	var mu sync.Mutex // protects left
	left := false
	done := make(chan error, 1)
	safego.Go("reading the log", func(err error) { done <- err }, func() {
		defer l.slots.leave()
		done <- l.log.Read(ctx, p, from, to, func(r Record) bool {
			mu.Lock()
			defer mu.Unlock()
			return !left && fn(r)
		})
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		mu.Lock() // fn is not called any more behind this
		defer mu.Unlock()
		left = true
		return ctx.Err()
	}
}

// logLeft is what is left of the time of a request.
type logLeft struct{ queue, read time.Duration }

// logTimeKey is under which the reads of one request share it.
type logTimeKey struct{}

// shareLogTime lets all reads of the log with the context share their time. They
// come one after the other.
func shareLogTime(ctx context.Context) context.Context {
	if _, shared := ctx.Value(logTimeKey{}).(*logLeft); shared {
		return ctx
	}
	return withLogTime(ctx, logTime)
}

func withLogTime(ctx context.Context, read time.Duration) context.Context {
	return context.WithValue(ctx, logTimeKey{}, &logLeft{logQueue, read})
}

// logTimeOf is the time of the reads with a context, which a read that comes alone
// has for itself.
func logTimeOf(ctx context.Context) *logLeft {
	if left, shared := ctx.Value(logTimeKey{}).(*logLeft); shared {
		return left
	}
	return &logLeft{logQueue, logTime}
}

// withoutLog answers from memory while the log cannot be read. Rows that begin at a
// given time cannot begin anywhere else; the newest ones can be fewer.
func (h *Hub) withoutLog(g *group, q *Range, cause error, fn func(*group)) error {
	g.mu.RLock()
	found := g.excerpt(g.bars.len())
	g.mu.RUnlock()
	w := found.window(q)
	if q.HasFrom || w.rows() == 0 {
		return logUnavailable("these bars are", cause)
	}
	found.origin.parts = []part{{lastOpen, sourceMemory}}
	found.origin.missing = found.ahead(q, &w, h.now())
	fn(found)
	return nil
}

// logUnavailable is the answer for a client who needs the log. The cause is for the
// operator: whoever reads the log has told.
func logUnavailable(what string, cause error) *Problem {
	why := "cannot be read"
	if errors.Is(cause, errLogBusy) {
		why = "is busy"
	}
	return &Problem{Status: 503, Code: CodeHistoryAway, RetryAfter: 2, Detail: what + " in the log, which " + why + " just now; what is in memory is answered"}
}
