package pipeline

import (
	"context"
	"errors"
	"fmt"
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
	// probePeriod is how often an idle view is asked where it stands: a server
	// that silently lost data is found within it.
	probePeriod = time.Second
	// currentPeriod is the least time between two writes of forming bars.
	currentPeriod = 250 * time.Millisecond
)

// redisFollower keeps the Redis view up to date. Redis away never stops
// anything else: only this follower waits, and the topic is its buffer.
type redisFollower struct {
	e      *Engine
	sink   *redis.Redis
	layout kafka.Layout

	mu   sync.Mutex // one call of the sink at a time; protects have
	have map[int32]int64
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
	f := &redisFollower{e: e, layout: layout, have: map[int32]int64{}}
	f.sink = redis.New(e.redisConfig(layout))
	defer f.sink.Close() //nolint:errcheck // nothing is lost with a connection to a view
	if advice, err := f.sink.Advice(ctx); err == nil && advice != "" {
		e.cfg.Log.Warn(advice)
	}
	wait := backoff{}
	for ctx.Err() == nil {
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
		default:
			e.cfg.Observer.SinkError(sinkRedis, sinkReason(err))
			e.degrade("store", err)
			e.pause(ctx, wait.next())
		}
	}
}

func (e *Engine) redisConfig(l kafka.Layout) redis.Config {
	c := redis.Config{
		Addr: e.cfg.Redis.Addr, TLS: e.cfg.Redis.TLS, KeyPrefix: e.cfg.Redis.KeyPrefix,
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
	for _, itv := range e.cfg.Intervals {
		c.Intervals = append(c.Intervals, itv.Name())
	}
	return c
}

// run follows from where the view stands until something goes wrong.
func (f *redisFollower) run(ctx context.Context, wait *backoff) error {
	for p := range f.layout.N {
		if _, err := f.apply(ctx, p, f.have[p], f.have[p], nil); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	probing := safego.Go("probe of the redis view", cancel, func() { f.probe(ctx, cancel) })
	defer probing.Wait()
	defer cancel(nil)
	err := kafka.Follow(ctx, f.e.followConfig(f.layout, f.positions()), func(s kafka.Span) error {
		have, err := f.apply(ctx, s.P, s.From, s.To, viewRecords(s.Records))
		if err != nil {
			return err
		}
		*wait = backoff{}
		f.e.heal("store")
		f.e.cfg.Observer.Sink(sinkRedis, s.P, max(s.End-have, 0))
		if have != s.To {
			return errSeek
		}
		return nil
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (f *redisFollower) apply(ctx context.Context, p int32, from, to int64, recs []view.Record) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have, err := f.sink.Apply(ctx, p, from, to, recs)
	if err != nil {
		return 0, fmt.Errorf("applying klines [%d,%d) of partition %d to redis: %w", from, to, p, err)
	}
	f.have[p] = have
	return have, nil
}

func (f *redisFollower) positions() map[int32]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := make(map[int32]int64, len(f.have))
	for p, at := range f.have {
		from[p] = at
	}
	return from
}

// probe asks an idle view where it stands, and shows forming bars in between.
func (f *redisFollower) probe(ctx context.Context, fail context.CancelCauseFunc) {
	t := f.e.cfg.Clock.NewTicker(probePeriod)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-f.e.formingForRedis:
			f.mu.Lock()
			err := f.sink.Forming(ctx, b.p, b.values)
			f.mu.Unlock()
			if err != nil { // best effort: the next change shows the bar again
				f.e.cfg.Observer.SinkError(sinkRedis, sinkReason(err))
			}
		case <-t.C():
			if err := f.probeAll(ctx); err != nil {
				fail(err)
				return
			}
		}
	}
}

func (f *redisFollower) probeAll(ctx context.Context) error {
	for p, at := range f.positions() {
		have, err := f.probeOne(ctx, p, at)
		if err != nil {
			return err
		}
		if have != at {
			return errSeek
		}
	}
	return nil
}

// probeOne asks with the position that is current when the call is made: the
// follower may have moved it meanwhile.
func (f *redisFollower) probeOne(ctx context.Context, p int32, at int64) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.have[p] != at {
		return at, nil
	}
	have, err := f.sink.Apply(ctx, p, at, at, nil)
	if err != nil {
		return 0, fmt.Errorf("asking redis for the position of partition %d: %w", p, err)
	}
	f.have[p] = have
	return have, nil
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
