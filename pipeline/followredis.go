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
	"github.com/caddy-kline/caddy-kline/pipeline/view"
	"github.com/caddy-kline/caddy-kline/pipeline/view/redis"
)

// errSeek ends a Follow whose sink stands elsewhere than was believed.
var errSeek = errors.New("the sink stands elsewhere")

const (
	// calmPeriod is how long a view must have held to be begun again at once: a
	// server that evicts what was just written would otherwise be filled in
	// circles, at full speed.
	calmPeriod = 10 * time.Second
	// currentPeriod is the least time between two writes of forming bars.
	currentPeriod = 250 * time.Millisecond
)

// redisFollower keeps the Redis view up to date. Redis away never stops
// anything else: only this follower waits, and the topic is its buffer.
type redisFollower struct {
	e      *Engine
	sink   *redis.Redis
	layout kafka.Layout
	advice string // the newest that was logged
	silent bool   // the server does not answer, which was logged

	mu   sync.Mutex // one call of the sink at a time; protects the rest
	have map[int32]int64
	// away are partitions whose master of a cluster does not answer. The others
	// go on; what is read of these meanwhile is passed over and read again.
	away map[int32]error
}

// formingBars are what a worker wants the view to show.
type formingBars struct {
	p      int32
	values [][]byte
}

func (e *Engine) followRedis(ctx context.Context) {
	layout, ok := e.found(ctx)
	if !ok {
		return
	}
	f := &redisFollower{e: e, layout: layout, have: map[int32]int64{}, away: map[int32]error{}}
	f.sink = redis.New(e.redisConfig(layout))
	defer f.sink.Close() //nolint:errcheck // nothing is lost with a connection to a view
	wait, seeks := backoff{}, backoff{}
	for ctx.Err() == nil {
		began := e.cfg.Clock.Now()
		err := f.run(ctx, &wait)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, redis.ErrFenced):
			e.degrade("store", err)
			e.cfg.Log.Error("the redis view belongs to newer data: this follower stops", "error", err)
			return
		case errors.Is(err, errSeek):
			e.cfg.Observer.SinkRewind(sinkRedis)
			if e.cfg.Clock.Now().Sub(began) > calmPeriod {
				seeks = backoff{}
			}
			e.pause(ctx, seeks.next())
			continue
		case errors.Is(err, kafka.ErrInputLost):
			err = errors.Join(err, f.renew(ctx))
		}
		clear(f.away)
		e.cfg.Observer.SinkError(sinkRedis, sinkReason(err))
		f.miss(err)
		e.pause(ctx, min(wait.next(), probePeriod)) // a fail-over takes two seconds, waiting for it should not take five
	}
}

func (e *Engine) redisConfig(l kafka.Layout) redis.Config {
	c := redis.Config{
		Addr: e.cfg.Redis.Addr, Sentinels: e.cfg.Redis.Sentinels, Master: e.cfg.Redis.Master, Cluster: e.cfg.Redis.Cluster,
		TLS: e.cfg.Redis.TLS, KeyPrefix: e.cfg.Redis.KeyPrefix,
		MappingVersion: l.Mapping, Partitions: l.N, ViewBars: e.cfg.ViewBars, Epoch: 1,
		LogStart: func(ctx context.Context, p int32) (int64, error) {
			start, _, err := kafka.Bounds(ctx, e.cluster, e.topics.Name(kafka.Klines), p)
			return start, err
		},
	}
	if cred := e.cfg.Redis.Credentials; cred != nil {
		c.Credentials = func(context.Context) (string, string, error) {
			user, password := cred()
			return user, password, nil
		}
	}
	return c
}

// run follows from where the view stands until something goes wrong.
func (f *redisFollower) run(ctx context.Context, wait *backoff) error {
	if err := f.lookAll(ctx); err != nil && !errors.Is(err, errSeek) {
		return err
	}
	f.advise(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	probing := safego.Go("probe of the redis view", cancel, func() { f.probe(ctx, cancel) })
	defer probing.Wait()
	defer cancel(nil)
	err := kafka.Follow(ctx, f.e.followConfig(f.layout, f.positions()), func(s kafka.Span) error {
		return f.span(ctx, s, wait)
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// advise tells the operator once what in the server's settings endangers the
// view. A server that does not tell its settings gets no advice.
func (f *redisFollower) advise(ctx context.Context) {
	advice, err := f.sink.Advice(ctx)
	if err == nil && advice != "" && advice != f.advice {
		f.e.cfg.Log.Warn(advice)
	}
	if err == nil {
		f.advice = advice
	}
}

// span applies a piece of the log. A position beyond its end means that another
// node was faster; only one below it has to be read again.
func (f *redisFollower) span(ctx context.Context, s kafka.Span, wait *backoff) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away[s.P] != nil {
		f.e.cfg.Observer.Sink(sinkRedis, s.P, max(s.End-f.have[s.P], 0))
		return nil
	}
	have, err := f.sink.Apply(ctx, s.P, s.From, s.To, viewRecords(s.Records))
	if err != nil {
		return f.failed(ctx, s.P, fmt.Errorf("applying klines [%d,%d) of partition %d to redis: %w", s.From, s.To, s.P, err))
	}
	f.have[s.P] = have
	*wait = backoff{}
	if len(f.away) == 0 {
		f.found()
	}
	f.e.cfg.Observer.Sink(sinkRedis, s.P, max(s.End-have, 0))
	if have < s.To {
		return errSeek
	}
	return nil
}

// failed says what an error of one partition means: in a cluster, that only this
// one waits. The caller holds mu.
func (f *redisFollower) failed(ctx context.Context, p int32, err error) error {
	if len(f.e.cfg.Redis.Cluster) == 0 || ctx.Err() != nil || errors.Is(err, redis.ErrFenced) {
		return err
	}
	f.away[p] = err
	if len(f.away) == int(f.layout.N) {
		return err
	}
	f.e.cfg.Observer.SinkError(sinkRedis, sinkReason(err))
	f.miss(err)
	return nil
}

// miss and found tell the operator that the view, or a part of it, has stopped
// and that it goes on, once each.
func (f *redisFollower) miss(err error) {
	f.e.degrade("store", err)
	if !f.silent {
		f.silent = true
		f.e.cfg.Log.Warn("the redis view has stopped and is tried again; klines go on", "error", err)
	}
}

func (f *redisFollower) found() {
	f.e.heal("store")
	if f.silent {
		f.silent = false
		f.e.cfg.Log.Info("the redis view goes on")
	}
}

// renew begins partitions anew whose positions mean nothing in the log: those
// outside of it or, when it was created again and has grown since, all.
func (f *redisFollower) renew(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	edges, err := f.e.klinesEdges(ctx, f.layout.N)
	if err != nil {
		return fmt.Errorf("looking for the ends of klines to build the redis view anew: %w", err)
	}
	var outside, all []int32
	for p := range f.layout.N {
		all = append(all, p)
		if f.have[p] < edges[p].Start || f.have[p] > edges[p].End {
			outside = append(outside, p)
		}
	}
	if len(outside) == 0 {
		outside = all
	}
	for _, p := range outside {
		have, err := f.sink.Rebuild(ctx, p)
		if err != nil {
			return fmt.Errorf("building the redis view anew: %w", err)
		}
		f.have[p] = have
	}
	return nil
}

func (f *redisFollower) positions() map[int32]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.have)
}

func viewRecords(recs []kafka.Rec) []view.Record {
	out := make([]view.Record, 0, len(recs))
	for i := range recs {
		r, ok := serveRecord(0, &recs[i])
		if ok {
			out = append(out, view.Record{Offset: r.Offset, So: r.So, Sk: r.Sk, Kind: r.Kind, Value: r.Value})
		}
	}
	return out
}
