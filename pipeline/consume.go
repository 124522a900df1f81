package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// consume finds the topics and runs one incarnation after the other.
func (e *Engine) consume(ctx context.Context) {
	if !e.settle(ctx) {
		return
	}
	wait := backoff{}
	for first := true; ctx.Err() == nil; first = false {
		began := e.cfg.Clock.Now()
		what, err := e.next(ctx, first)
		if ctx.Err() != nil {
			return
		}
		if panicked := (*safego.PanicError)(nil); errors.As(err, &panicked) {
			e.cfg.Observer.Panicked(panicked.Name)
		}
		e.cfg.Log.Warn(what, "error", err)
		e.degrade("source", err)
		e.ended.Store(new(err.Error()))
		if e.cfg.Clock.Now().Sub(began) > time.Minute {
			wait = backoff{}
		}
		e.pause(ctx, wait.next())
	}
}

// next runs an incarnation. Behind the first it looks whether the topics are still there:
// one that could write nothing would take its partitions, look ready, fail at the first
// output and begin anew. (At first they were seen, and not every broker may know them.)
// It returns what has happened and why.
func (e *Engine) next(ctx context.Context, first bool) (string, error) {
	if !first {
		if err := kafka.Present(ctx, e.cluster, e.topics); err != nil {
			return "the topics are not to be had, trying again", err
		}
	}
	return "the kafka client ended, a new one restores from the checkpoints", e.incarnate(ctx, e.clientConfig())
}

// settle finds or creates the topics, however long the brokers are away.
func (e *Engine) settle(ctx context.Context) bool {
	wait := backoff{}
	for {
		layout, err := kafka.Ensure(ctx, e.cluster, e.topics, e.cfg.ensureOptions())
		if err == nil {
			e.settled(layout)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		e.cfg.Log.Warn("the topics are not to be had yet, trying again", "error", err)
		e.degrade("source", err)
		if !e.pause(ctx, wait.next()) {
			return false
		}
	}
}

func (e *Engine) settled(l kafka.Layout) {
	for _, w := range l.Warnings {
		e.cfg.Log.Warn(w)
	}
	if l.N > serve.MaxPartitions {
		e.cfg.Log.Warn("ids of events name each partition and may be too long for clients to come back with: a stream that is resumed begins with snapshots then",
			"partitions", l.N, "at most", serve.MaxPartitions)
	}
	e.hub.Bind(l.Mapping, l.N)
	e.mu.Lock()
	e.layout = &l
	e.mu.Unlock()
	close(e.ready)
}

// found waits until the topics were found.
func (e *Engine) found(ctx context.Context) (kafka.Layout, bool) {
	select {
	case <-e.ready:
		return *e.layout, true
	case <-ctx.Done():
		return kafka.Layout{}, false
	}
}

func (e *Engine) clientConfig() kafka.ClientConfig {
	c := kafka.ClientConfig{
		Cluster: e.cluster, Topics: e.topics, Layout: *e.layout, Group: defaultGroup, Node: e.cfg.Node,
		Direct: e.cfg.Embedded != nil, Transactional: e.cfg.transactional(),
	}
	if e.cfg.Kafka != nil {
		c.Group, c.SessionTimeout = e.cfg.Kafka.Group, e.cfg.Kafka.SessionTimeout
	}
	c.Cluster.Observer = kafkaObserver{Observer: e.cfg.Observer, e: e}
	return c
}

// backoff grows from 0.1 s to 5 s, each wait drawn from the upper half, so that
// nodes that lost the same broker do not come back together.
type backoff struct{ n int }

func (b *backoff) next() time.Duration {
	d := min(100*time.Millisecond<<min(b.n, 6), 5*time.Second)
	b.n++
	return d/2 + rand.N(d/2)
}
