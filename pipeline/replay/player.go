package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// Record is one record of the input with its partition.
type Record struct {
	kafka.Rec
	Partition int32
}

// Input hands out records in the order in which they are played.
type Input interface {
	// Partitions is the number of partitions of the input.
	Partitions() int32
	// Next returns the next record, io.EOF behind the last one.
	Next(ctx context.Context) (*Record, error)
	// Decisions are those of a partition, in the order of their places.
	Decisions(p int32) []kafka.JournalRecord
	// Start is the offset at which a partition begins.
	Start(p int32) int64
	// Close gives back what the input holds.
	Close()
}

// Sink takes what the engine puts out.
type Sink interface {
	// Put takes the outputs of one record or decision, in order of positions.
	// They are valid until it returns.
	Put(ctx context.Context, p int32, outs []kafka.Out) error
	// Flush makes sure that everything has arrived.
	Flush(ctx context.Context) error
}

// Config says what is played.
type Config struct {
	// Engine is what results depend on: intervals, symbols, delays, indicators.
	Engine pipeline.Config
	// Topic is the name of the topic of trades, the source of records without one.
	Topic string
	Input Input
	Sink  Sink
	// Speed is how much faster than their Kafka timestamps records are played.
	Speed feed.Speed
	// Progress is called now and then with the number of records played.
	Progress func(records int64)
	// Clock paces. Default: the machine's.
	Clock clock.Clock
}

// Totals is what a run has done.
type Totals struct {
	Records, Trades, Decisions, Outputs int64
	// Late, Rejected and Duplicate are trades that are in no bar, Unreadable records
	// that hold none.
	Late, Rejected, Duplicate, Unreadable int64
}

// String is one line for people. Bars do not show what they lack: that the rows of a
// file stand newest first, or that a price is 0.
func (t *Totals) String() string {
	line := fmt.Sprintf("%d records, %d trades, %d decisions: %d outputs", t.Records, t.Trades, t.Decisions, t.Outputs)
	if none := t.Late + t.Rejected + t.Duplicate; none > 0 {
		line += fmt.Sprintf("; %d trades are in no bar (%d too late, %d refused, %d duplicate)", none, t.Late, t.Rejected, t.Duplicate)
	}
	if t.Unreadable > 0 {
		line += fmt.Sprintf("; %d records hold no trade", t.Unreadable)
	}
	return line
}

// Player is one run.
type Player struct {
	cfg     Config
	parts   []*part
	totals  Totals
	first   int64 // timestamp of the first record, ms
	newest  int64
	began   time.Time
	waiting bool
}

// part is the engine of one partition.
type part struct {
	p       int32
	engine  *pipeline.Rehearsal
	pending []kafka.JournalRecord
}

// New builds the engines. Close gives them back.
func New(cfg Config) (*Player, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real()
	}
	if cfg.Progress == nil {
		cfg.Progress = func(int64) {}
	}
	pl := &Player{cfg: cfg}
	n := cfg.Input.Partitions()
	for p := range n {
		r, err := pipeline.NewRehearsal(cfg.Engine, cfg.Topic, p, n)
		if err == nil {
			pl.parts = append(pl.parts, &part{p: p, engine: r, pending: cfg.Input.Decisions(p)})
			err = r.Begin(cfg.Input.Start(p))
		}
		if err != nil {
			pl.Close()
			return nil, fmt.Errorf("replaying: %w", err)
		}
	}
	return pl, nil
}

// Close gives the engines back.
func (pl *Player) Close() {
	for _, pt := range pl.parts {
		pt.engine.Close()
	}
}

// Run plays until the input ends or ctx does, which is its error.
func (pl *Player) Run(ctx context.Context) (Totals, error) {
	err := pl.run(ctx)
	for _, pt := range pl.parts {
		c := pt.engine.Counters()
		pl.totals.Trades += c.Trades
		pl.totals.Late, pl.totals.Rejected, pl.totals.Duplicate = pl.totals.Late+c.Late, pl.totals.Rejected+c.Rejected, pl.totals.Duplicate+c.Duplicate
		pl.totals.Unreadable += c.Undecodable
	}
	return pl.totals, errors.Join(err, pl.cfg.Sink.Flush(context.WithoutCancel(ctx)))
}

func (pl *Player) run(ctx context.Context) error {
	for {
		rec, err := pl.cfg.Input.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := pl.wait(ctx, rec.Timestamp); err != nil {
			return err
		}
		if err := pl.play(ctx, rec); err != nil {
			return err
		}
		if pl.totals.Records&0x3ff == 0 {
			pl.cfg.Progress(pl.totals.Records)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	for _, pt := range pl.parts {
		if err := pl.decide(ctx, pt, pt.engine.Next()); err != nil {
			return err
		}
	}
	return nil
}

// play takes one record, behind the decisions in front of it.
func (pl *Player) play(ctx context.Context, rec *Record) error {
	pt := pl.parts[rec.Partition]
	if err := pl.decide(ctx, pt, rec.Offset); err != nil {
		return err
	}
	outs, err := pt.engine.Record(&rec.Rec)
	if err != nil {
		return fmt.Errorf("replaying partition %d: %w", pt.p, err)
	}
	pl.totals.Records++
	return pl.put(ctx, pt.p, outs)
}

// decide acts on the decisions whose place is reached.
func (pl *Player) decide(ctx context.Context, pt *part, offset int64) error {
	for len(pt.pending) > 0 && pt.pending[0].At <= offset {
		d := pt.pending[0]
		pt.pending = pt.pending[1:]
		outs, err := pt.engine.Decide(&d)
		if err != nil {
			return fmt.Errorf("replaying partition %d: %w", pt.p, err)
		}
		pl.totals.Decisions++
		if err := pl.put(ctx, pt.p, outs); err != nil {
			return err
		}
	}
	return nil
}

func (pl *Player) put(ctx context.Context, p int32, outs []kafka.Out) error {
	if len(outs) == 0 {
		return nil
	}
	pl.totals.Outputs += int64(len(outs))
	return pl.cfg.Sink.Put(ctx, p, outs)
}

// wait holds a record back until it is due. Timestamps that go back are due at
// once.
func (pl *Player) wait(ctx context.Context, timestamp int64) error {
	if pl.cfg.Speed.Max() {
		return nil
	}
	if !pl.waiting {
		pl.waiting, pl.first, pl.newest, pl.began = true, timestamp, timestamp, pl.cfg.Clock.Now()
	}
	if timestamp <= pl.newest {
		return nil
	}
	pl.newest = timestamp
	due := pl.began.Add(time.Duration(float64(timestamp-pl.first) / float64(pl.cfg.Speed) * float64(time.Millisecond)))
	left := due.Sub(pl.cfg.Clock.Now())
	if left <= 0 {
		return nil
	}
	// Whoever reads along sees what there is, before nothing happens.
	if err := pl.cfg.Sink.Flush(ctx); err != nil {
		return err
	}
	timer := pl.cfg.Clock.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
		return nil
	}
}
