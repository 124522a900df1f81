package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Names of the followers in metrics and status.
const (
	sinkHub   = "hub"
	sinkRedis = "redis"
)

// tailRecords is how much of klines is read before readers are served, over all
// partitions: what stands before it follows behind their backs, piece by piece
// of the same size. The topic may hold a month.
const tailRecords = 120_000

// followHub keeps the view of this node up to date from the topic klines: what
// was published is what readers get, whoever published it.
func (e *Engine) followHub(ctx context.Context) {
	layout, ok := e.found(ctx)
	if !ok {
		return
	}
	e.hub.SetArchive(archive{e})
	f := hubFollower{e: e, layout: layout}
	defer f.forget()
	wait := backoff{}
	for ctx.Err() == nil {
		err := f.run(ctx, &wait)
		if err == nil || ctx.Err() != nil {
			return
		}
		e.cfg.Observer.SinkError(sinkHub, sinkReason(err))
		e.cfg.Log.Warn("following klines ended, trying again", "error", err)
		e.degrade("view", err)
		if errors.Is(err, kafka.ErrInputLost) {
			// Deleted and created again: our offsets mean nothing in it. The
			// positions in the records keep the view from going back.
			f.forget()
		}
		e.pause(ctx, wait.next())
	}
}

// hubFollower is how far the view of this node has come.
type hubFollower struct {
	e       *Engine
	layout  kafka.Layout
	loading *loading // nil: nothing was read yet
	past    *pastReader
}

// forget makes the next run begin anew.
func (f *hubFollower) forget() {
	f.loading = nil
	if f.past != nil {
		f.past.stop()
		f.past = nil
	}
}

// run goes on where the view stands, or begins near the end of the log.
func (f *hubFollower) run(ctx context.Context, wait *backoff) error {
	e := f.e
	if f.loading == nil {
		past, err := e.past(ctx, f.layout)
		if err != nil {
			return err
		}
		f.loading = newLoading(f.layout.N)
		for p, s := range past {
			f.loading.next[p] = s.to
		}
		e.hub.Partial(len(past) > 0)
		if len(past) > 0 {
			f.past = e.readPast(ctx, past, f.layout)
		}
	}
	return kafka.Follow(ctx, e.followConfig(f.layout, f.loading.positions()), func(s kafka.Span) error {
		*wait = backoff{}
		e.heal("view")
		e.applyHub(s)
		e.cfg.Observer.Sink(sinkHub, s.P, s.End-s.To)
		if f.loading.done(s) {
			e.hub.Loaded()
		}
		return nil
	})
}

func (e *Engine) followConfig(l kafka.Layout, from map[int32]int64) kafka.FollowConfig {
	return kafka.FollowConfig{Cluster: e.cluster, Topic: e.topics.Name(kafka.Klines), Partitions: l.N, From: from, MaxRecords: 2000}
}

func (e *Engine) applyHub(s kafka.Span) {
	recs := make([]serve.Record, 0, len(s.Records))
	for i := range s.Records {
		if r, ok := serveRecord(s.P, &s.Records[i]); ok {
			recs = append(recs, r)
		}
	}
	e.hub.Apply(s.P, recs)
}

// serveRecord reads the headers of a record of klines. A record without a
// position is not ours: it is left out.
func serveRecord(p int32, r *kafka.Rec) (serve.Record, bool) {
	out := serve.Record{P: p, Offset: r.Offset, Value: r.Value, Timestamp: r.Timestamp}
	so, ok1 := headerInt(r, wire.HeaderOffset)
	sk, ok2 := headerInt(r, wire.HeaderOrdinal)
	if kind, ok := r.Header(wire.HeaderKind); ok {
		out.Kind = string(kind)
	}
	out.So, out.Sk = so, sk
	return out, ok1 && ok2
}

func headerInt(r *kafka.Rec, key string) (int64, bool) {
	v, ok := r.Header(key)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && n >= 0
}

// loading knows how far the first pass over klines has come.
type loading struct {
	next    map[int32]int64
	pending map[int32]int64 // where each partition ended at the first look
	n       int32
}

func newLoading(n int32) *loading {
	return &loading{next: map[int32]int64{}, pending: map[int32]int64{}, n: n}
}

// done takes note of a span and tells whether every partition was followed to
// where it ended when it was first seen.
func (l *loading) done(s kafka.Span) bool {
	l.next[s.P] = s.To
	if _, seen := l.pending[s.P]; !seen {
		l.pending[s.P] = s.End
	}
	if len(l.pending) < int(l.n) {
		return false
	}
	for p, end := range l.pending {
		if l.next[p] < end {
			return false
		}
	}
	return true
}

func (l *loading) positions() map[int32]int64 {
	from := make(map[int32]int64, len(l.next))
	for p, at := range l.next {
		from[p] = at
	}
	return from
}

// archive reads bars that memory no longer holds from what klines retains.
type archive struct{ e *Engine }

// Read implements serve.LogReader.
func (a archive) Read(ctx context.Context, p int32, from, to int64, fn func(serve.Record) bool) error {
	err := a.read(ctx, p, from, to, fn)
	if err != nil && !errors.Is(err, context.Canceled) { // readers are not told why
		a.e.cfg.Log.Warn("reading older klines failed", "partition", p, "error", err)
	}
	return err
}

func (a archive) read(ctx context.Context, p int32, from, to int64, fn func(serve.Record) bool) error {
	err := kafka.ReadRetained(ctx, a.e.cluster, a.e.topics.Name(kafka.Klines), p, from, to, func(r kafka.Rec) bool {
		rec, ok := serveRecord(p, &r)
		return !ok || fn(rec)
	})
	if err != nil {
		return fmt.Errorf("reading older klines: %w", err)
	}
	return nil
}

// sinkReason is the closed set of reasons of a follower's failures.
func sinkReason(err error) string {
	switch {
	case errors.Is(err, kafka.ErrInputLost), errors.Is(err, kafka.ErrOutOfRange):
		return "log"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return "unreachable"
	}
}
