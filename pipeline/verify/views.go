package verify

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// view is a place that shows the newest bars of a series.
type view interface {
	// bars returns what is shown of a series, at most limit bars, and whether
	// older ones may have been left out.
	bars(ctx context.Context, p int32, sym, itv string, limit int) (map[int64]published, bool, error)
	name() string
	close()
}

// viewTries and viewPause are how long a view may lag behind the topic, over all of its
// series: the range has ended before the first is asked for. A view that has lost many
// would otherwise be waited for once for each of them.
const (
	viewTries = 10
	viewPause = 500 * time.Millisecond
)

// views compares Redis and REST with what was found on klines.
func (r *runner) views(ctx context.Context) error {
	var all []view
	if r.cfg.Redis != nil {
		v, err := r.openRedis(ctx)
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	if r.cfg.REST != "" {
		all = append(all, newRESTView(r.cfg))
	}
	for _, v := range all {
		defer v.close()
		tries := viewTries
		for i := range r.seen {
			if err := r.viewed(ctx, v, &r.seen[i], &tries); err != nil {
				return err
			}
		}
	}
	return nil
}

// seenSeries is a series with the partition that it stands in.
type seenSeries struct {
	*series
	p int32
}

// viewed compares one series in one view. What differs is asked for again, as long as
// there are tries: the view follows the topic.
func (r *runner) viewed(ctx context.Context, v view, s *seenSeries, tries *int) error {
	if len(s.tail.bars) == 0 {
		return nil
	}
	limit := min(r.cfg.ViewBars, 1000)
	for ; ; *tries-- {
		shown, cut, err := v.bars(ctx, s.p, s.symbol.name, s.interval.Name, limit)
		if err != nil {
			return fmt.Errorf("comparing %s %s with %s: %w", s.symbol.name, s.interval.Name, v.name(), err)
		}
		found := &viewFaults{r: r, v: v, s: s, shown: shown}
		compared := found.compare(limit, cut)
		if len(found.bars) == 0 || *tries <= 1 {
			r.report.Views += compared
			return found.report(ctx)
		}
		timer := r.cfg.Clock.NewTimer(viewPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C():
		}
	}
}

// viewFaults are the bars of one series that a view shows wrongly.
type viewFaults struct {
	r     *runner
	v     view
	s     *seenSeries
	shown map[int64]published
	bars  []tailBar
}

// compare returns how many bars were compared.
func (f *viewFaults) compare(limit int, cut bool) (n int64) {
	tail := f.s.tail.bars[max(0, len(f.s.tail.bars)-limit):]
	oldest := int64(never)
	if cut {
		oldest = 1<<63 - 1
		for open := range f.shown {
			oldest = min(oldest, open)
		}
	}
	known := map[int64]bool{}
	for _, b := range tail {
		known[b.open] = true
		k, ok := f.shown[b.open]
		switch {
		case !ok && b.open < oldest:
		case ok && (k.rev > b.rev || k.seq > f.s.within): // changed since the range ended
		case !ok || k.digest() != b.sum:
			f.bars = append(f.bars, b)
			n++
		default:
			n++
		}
	}
	for open, k := range f.shown {
		if !known[open] && k.seq <= f.s.within && open > tail[0].open {
			f.bars = append(f.bars, tailBar{open: open, record: -1})
		}
	}
	return n
}

// report names the fields, by the record on klines.
func (f *viewFaults) report(ctx context.Context) error {
	for _, b := range f.bars {
		d := Difference{Place: f.v.name(), Symbol: f.s.symbol.name, Interval: f.s.interval.Name, Open: b.open, Rev: int32(b.rev), //nolint:gosec // for people
			Partition: f.s.p, From: -1, Record: -1}
		k, ok := f.shown[b.open]
		if !ok || b.record < 0 {
			d.Field, d.Expected = "missing", "the bar of klines "+strconv.FormatInt(b.record, 10)
			if b.record < 0 {
				d.Field, d.Expected, d.Found = "bar", "none: klines does not have it", "n "+strconv.FormatInt(k.n, 10)
			}
			f.r.report.note(f.r.cfg, &d)
			continue
		}
		var want published
		err := kafka.ReadRange(ctx, f.r.cfg.Cluster, f.r.cfg.Prefix+"klines", f.s.p, b.record, b.record+1, func(rec kafka.Rec) bool {
			return parsePublished(rec.Value, &want) != nil
		})
		if err != nil {
			return err
		}
		d.From, d.To, d.Record = want.o0, want.o1, -1
		f.fields(d, &want, &k)
	}
	return nil
}

// fields reports each field that differs.
func (f *viewFaults) fields(d Difference, want, got *published) {
	text := func(field string, want, got []byte) {
		if string(want) != string(got) {
			d.Field, d.Expected, d.Found = field, string(want), string(got)
			f.r.report.note(f.r.cfg, &d)
		}
	}
	for _, x := range []struct {
		field     string
		want, got []byte
	}{
		{"o", want.o, got.o}, {"h", want.h, got.h}, {"l", want.l, got.l}, {"c", want.c, got.c}, {"v", want.v, got.v}, {"qv", want.qv, got.qv},
		{"bv", want.bv, got.bv}, {"bqv", want.bqv, got.bqv}, {"vwap", want.vwap, got.vwap}, {"f", want.first, got.first}, {"L", want.last, got.last},
	} {
		text(x.field, x.want, x.got)
	}
	for _, x := range []struct {
		field     string
		want, got int64
	}{{"T", want.end, got.end}, {"n", want.n, got.n}, {"rev", want.rev, got.rev}, {"seq", want.seq, got.seq}} {
		text(x.field, strconv.AppendInt(nil, x.want, 10), strconv.AppendInt(nil, x.got, 10))
	}
}
