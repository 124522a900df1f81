package history

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Config describes a Follower.
type Config struct {
	// Name is that of the database in metrics and status, unique.
	Name string
	// Streams are what is written. At least one.
	Streams []Stream
	// Open makes the sink of a stream; it does not dial.
	Open func(s Stream) Sink
	// MaxRows is when a batch is written at the latest. Default: 20,000.
	MaxRows int
	// Linger is how long rows wait for company. Default: 250 ms.
	Linger time.Duration

	Clock    clock.Clock // Default: the machine's.
	Observer Observer    // Required.
	Log      Logger      // Required.
}

// Engine is what a follower needs of the engine it runs in.
type Engine struct {
	// Cluster, Topics and Partitions say where the streams stand. Topics are
	// full names, by stream.
	Cluster    kafka.Cluster
	Topics     [2]string
	Partitions int32
	// Layout is the mapping version: positions of another one mean nothing.
	Layout string
	// Mapping reads trades; nil is the generic form.
	Mapping *wire.Mapping
	// Owns tells whether this node looks after a partition. With several nodes
	// each partition is written by the one that computes it.
	Owns func(p int32) bool
	// DeadLetter writes to the dead-letter topic and returns when that is
	// acknowledged.
	DeadLetter func(ctx context.Context, letters []kafka.TradeRecord) error
	// Away and Back tell the operator that what does not go on, and that it
	// goes on again.
	Away func(what string, err error)
	Back func(what string)
}

// Follower keeps one database up to date. It is run once.
type Follower struct {
	cfg    Config
	status map[Stream]*record
}

// New builds a follower and opens nothing.
func New(cfg Config) *Follower {
	if cfg.MaxRows <= 0 {
		cfg.MaxRows = 20_000
	}
	if cfg.Linger <= 0 {
		cfg.Linger = 250 * time.Millisecond
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.Real()
	}
	f := &Follower{cfg: cfg, status: map[Stream]*record{}}
	for _, s := range cfg.Streams {
		f.status[s] = newRecord(s)
	}
	return f
}

// Name is that of the configuration.
func (f *Follower) Name() string { return f.cfg.Name }

// Status is what /v1/status shows.
func (f *Follower) Status() Status {
	s := Status{Name: f.cfg.Name}
	for _, stream := range f.cfg.Streams {
		s.Streams = append(s.Streams, f.status[stream].read())
	}
	return s
}

// Run follows until ctx ends. Each stream has a goroutine of its own: klines go
// on while the table of trades is locked, and the other way round.
func (f *Follower) Run(ctx context.Context, e Engine) {
	var all sync.WaitGroup
	for _, s := range f.cfg.Streams {
		all.Add(1)
		name := "history " + f.cfg.Name + "." + s.String()
		safego.Go(name, func(err error) {
			f.cfg.Observer.Panicked("history")
			f.cfg.Log.Error("a history ended in a panic: it goes on after a restart", "task", name, "error", err)
			f.status[s].state(stateAway, err.Error())
			e.Away(name, err)
			all.Done()
		}, func() {
			f.follow(ctx, e, s)
			all.Done()
		})
	}
	all.Wait()
}

// follow runs turn after turn.
func (f *Follower) follow(ctx context.Context, e Engine, s Stream) {
	t := newTurn(f, e, s)
	wait := backoff{}
	for ctx.Err() == nil {
		err := t.run(ctx, &wait)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil || errors.Is(err, errOwners):
			f.pause(ctx, ownersPeriod/2)
		case errors.Is(err, ErrMoved) || errors.Is(err, kafka.ErrOutOfRange):
			f.cfg.Observer.SinkRewind(t.sinkName)
			f.pause(ctx, wait.next())
		default:
			t.failed(err)
			t.measure(ctx)
			f.pause(ctx, wait.next())
		}
	}
}

// pause waits for d or for the end.
func (f *Follower) pause(ctx context.Context, d time.Duration) {
	t := f.cfg.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C():
	}
}

// owned are the partitions of this node.
func (e *Engine) owned() []int32 {
	var ps []int32
	for p := range e.Partitions {
		if e.Owns(p) {
			ps = append(ps, p)
		}
	}
	return ps
}

// sameOwners reports whether the partitions are still those.
func (e *Engine) sameOwners(ps []int32) bool { return slices.Equal(ps, e.owned()) }

// backoff is full jitter between nothing and a bound that grows from 0.2 s to
// 30 s: nodes that lost one database must not come back together.
type backoff struct{ n int }

func (b *backoff) next() time.Duration {
	top := min(200*time.Millisecond<<min(b.n, 8), 30*time.Second)
	b.n++
	return 50*time.Millisecond + rand.N(top)
}
