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
	// logTime bounds the reads of the log that one request waits for, all together.
	logTime = 5 * time.Second
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
	if err := l.slots.enter(ctx, errLogBusy); err != nil {
		return err
	}
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

// logTimeKey is under which the reads of one request share their time.
type logTimeKey struct{}

// shareLogTime lets all reads of the log with the context share their time. They
// come one after the other.
func shareLogTime(ctx context.Context) context.Context {
	if _, shared := ctx.Value(logTimeKey{}).(*time.Duration); shared {
		return ctx
	}
	left := logTime
	return context.WithValue(ctx, logTimeKey{}, &left)
}

// withLogTime calls read with what is left of the time of a request.
func (h *Hub) withLogTime(ctx context.Context, read func(ctx context.Context) error) error {
	left, shared := ctx.Value(logTimeKey{}).(*time.Duration)
	if !shared {
		all := logTime
		left = &all
	}
	if *left <= 0 {
		return context.DeadlineExceeded
	}
	began := h.cfg.Clock.Now()
	defer func() { *left -= h.cfg.Clock.Now().Sub(began) }()
	bounded, cancel := context.WithTimeout(ctx, *left)
	defer cancel()
	return read(bounded)
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
