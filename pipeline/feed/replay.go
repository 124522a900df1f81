package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Replay plays a file of trades into the input topic.
type Replay struct {
	cfg ReplayConfig
	out TradeWriter

	// What follows belongs to Run.
	survey *survey
	place  *place
	pace   pacer
	batch  batch
	pulse  pulse
	// preloadShift moves the event times of preloaded trades, ms; set by the
	// first of them.
	preloadShift int64
	preloading   bool
}

// NewReplay checks cfg and that the file can be opened and begins with a usable
// trade. It asks the topic for nothing.
func NewReplay(cfg ReplayConfig, out TradeWriter) (*Replay, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	in, err := openRows(&cfg)
	if err != nil {
		return nil, err
	}
	defer in.close()
	var first core.Trade
	if _, err := in.next(&first); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: it holds no trade", in.name)
	} else if err != nil {
		return nil, err
	}
	return &Replay{cfg: cfg, out: out}, nil
}

// Run plays the file until its end, or with Loop until ctx ends; both return
// nil. The whole file is read once before the first trade goes out. Failed
// writes are repeated until they succeed. An error means that the file could
// not be read, names file and line, and is the end of the feed: its source has
// then been declared down in every partition.
func (r *Replay) Run(ctx context.Context) error {
	err := r.run(ctx)
	if ctx.Err() != nil || err == nil {
		return nil //nolint:nilerr // the caller ended it; what that broke is no news
	}
	r.cfg.Observer.FeedError(r.cfg.SourceName, "file")
	if derr := r.down(ctx); derr != nil {
		err = errors.Join(err, derr)
	}
	return err
}

func (r *Replay) run(ctx context.Context) error {
	var err error
	if r.survey, err = surveyFile(ctx, &r.cfg); err != nil {
		return err
	}
	if r.place, err = r.findPlace(ctx, r.survey); err != nil {
		return err
	}
	r.pace = pacer{speed: r.cfg.Speed}
	r.batch, r.pulse = batch{}, pulse{}
	r.cfg.Log.Info("feed replay begins", "source", r.cfg.SourceName, "trades", r.survey.rows,
		"loop", r.place.next/r.survey.rows, "trade", r.place.next%r.survey.rows+1)
	loop := r.place.from / r.survey.rows
	for ; loop == 0 || r.cfg.Loop; loop++ {
		if err := r.playLoop(ctx, loop); err != nil {
			return err
		}
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.cfg.Log.Info("feed replay has reached the end of the file", "source", r.cfg.SourceName)
	return r.lastBeat(ctx)
}

// playLoop reads the file once.
func (r *Replay) playLoop(ctx context.Context, loop int64) error {
	in, err := openRows(&r.cfg)
	if err != nil {
		return err
	}
	defer in.close()
	var t core.Trade
	for row := loop * r.survey.rows; ; row++ {
		line, err := in.next(&t)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if row < r.place.from {
			continue
		}
		if err := r.number(&t, in.n, loop); err != nil {
			return fmt.Errorf("reading %s:%d: %w", in.name, line, err)
		}
		if err := r.play(ctx, &t, row, loop); err != nil {
			return err
		}
	}
}

// number gives the trade its id in this loop.
func (r *Replay) number(t *core.Trade, n, loop int64) error {
	if r.survey.fileIDs && t.ID.Kind != core.IDInt {
		return errors.New("the trade has no integer id: the file has changed since it was checked")
	}
	id := r.survey.id(t, n)
	if loop > 0 && (r.survey.shift > math.MaxInt64/loop || id > math.MaxInt64-loop*r.survey.shift) {
		return errors.New("the ids of this loop exceed 63 bits")
	}
	t.ID = core.TradeID{Kind: core.IDInt, Num: id + loop*r.survey.shift}
	return nil
}

// play sends one trade when it is due.
func (r *Replay) play(ctx context.Context, t *core.Trade, row, loop int64) error {
	ms := t.EventNS / nanosPerMilli
	now := r.cfg.Clock.Now()
	due := now
	switch {
	case row < r.place.next:
		// Torn off the last batch before a crash, or sent.
		if r.place.sent(t.Symbol, t.ID.Num) {
			return nil
		}
	case r.preloads(ms, row):
		r.preload(t, ms, now)
		return r.add(ctx, t, now)
	default:
		r.preloading = false
		file := ms + loop*(r.survey.last-r.survey.first+loopGap)
		if err := r.until(ctx, r.pace.due(file, now), ms); err != nil {
			return err
		}
		// Asked again: a stall while it waited has moved the pace.
		due = r.pace.due(file, r.cfg.Clock.Now())
	}
	if r.cfg.RebaseNow {
		t.EventNS = due.UnixMilli() * nanosPerMilli
	}
	return r.add(ctx, t, r.cfg.Clock.Now())
}

// loopGap is the time in the file between its last trade and its first, ms.
const loopGap = 1000

// preloads reports whether a trade belongs to the part that goes out at once.
func (r *Replay) preloads(ms, row int64) bool {
	return r.cfg.Preload > 0 && r.place.fresh() && row < r.survey.rows &&
		ms < r.survey.first+r.cfg.Preload.Milliseconds()
}

// preload moves the event time of a trade so that the part ends now.
func (r *Replay) preload(t *core.Trade, ms int64, now time.Time) {
	if !r.preloading {
		end := min(r.survey.first+r.cfg.Preload.Milliseconds(), r.survey.last)
		r.preloadShift, r.preloading = now.UnixMilli()-end, true
	}
	t.EventNS = (ms + r.preloadShift) * nanosPerMilli
}

// until waits for a moment, with heartbeats; before it waits it sends what has
// been collected. ms is the file's event time of the trade that is due then.
func (r *Replay) until(ctx context.Context, due time.Time, ms int64) error {
	now := r.cfg.Clock.Now()
	if !due.After(now) {
		return nil
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	// At least the length of a batch: trades that follow closely go together.
	now = r.cfg.Clock.Now()
	wake := now.Add(max(due.Sub(now), batchTime))
	for now.Before(wake) {
		if err := r.beat(ctx, now, r.horizon(now, due, ms)); err != nil {
			return err
		}
		if err := r.sleep(ctx, min(wake.Sub(now), r.pulse.wait(now))); err != nil {
			return err
		}
		now = r.cfg.Clock.Now()
	}
	return nil
}

// horizon is the event time below which nothing will follow, while the next
// trade is due in the future.
func (r *Replay) horizon(now, due time.Time, ms int64) int64 {
	if r.cfg.RebaseNow {
		return min(now.UnixMilli(), due.UnixMilli())
	}
	return min(r.pace.position(now), ms) - r.survey.disorder
}

func (r *Replay) sleep(ctx context.Context, d time.Duration) error {
	timer := r.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
		return nil
	}
}
