package verify

import (
	"context"
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// Run compares what stands on the topics now, one partition after the other. An
// error means that it could not be compared; what differs is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	r := &runner{cfg: &cfg, report: &Report{}}
	if err := r.measure(ctx); err != nil {
		return nil, err
	}
	for _, p := range r.parts {
		if err := r.partition(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := r.views(ctx); err != nil {
		return nil, err
	}
	return r.report, nil
}

// runner holds one run together.
type runner struct {
	cfg       *Config
	report    *Report
	parts     []*part
	all, done int64
	seen      []seenSeries // with tails, for the views
}

// topics are the input and the outputs that are read.
func (r *runner) topics() []string {
	return []string{r.cfg.Input, r.cfg.Prefix + "klines", r.cfg.Prefix + "late", r.cfg.Prefix + "dlq"}
}

// partition compares one partition.
func (r *runner) partition(ctx context.Context, pt *part) error {
	a, err := newAuditor(r.cfg, &pt.Range, r.report)
	if err != nil {
		return err
	}
	if err := r.begin(ctx, pt, a); err != nil {
		return err
	}
	feeds, done, err := r.open(pt)
	defer done()
	if err != nil {
		return err
	}
	if pt.From > 0 {
		r.note(pt, "retention has removed trades below offset %d; bars that they belong to are not compared", pt.From)
	}
	if pt.To < pt.End && pt.committed {
		r.note(pt, "the node has committed %d of %d records, what lies behind is not compared", pt.To, pt.End)
	}
	if err := a.walk(ctx, feeds, func(n int64) { r.cfg.Progress(r.done+n, r.all) }); err != nil {
		return err
	}
	r.done += max(pt.To-pt.From, 0)
	if r.cfg.Redis != nil || r.cfg.REST != "" {
		for _, s := range a.ordered() {
			for _, sr := range s.series {
				r.seen = append(r.seen, seenSeries{sr, pt.Partition})
			}
		}
	}
	return nil
}

// open begins to read the topics of a partition. done gives back what was opened,
// also after an error.
func (r *runner) open(pt *part) (feeds []feed, done func(), err error) {
	var readers []*kafka.RangeReader
	done = func() {
		for _, rd := range readers {
			rd.Close()
		}
	}
	for _, topic := range r.topics() {
		e := pt.edges[topic]
		if topic == r.cfg.Input {
			e.End = pt.To
		}
		rd, err := kafka.OpenRange(r.cfg.Cluster, topic, pt.Partition, e.Start, e.End)
		if err != nil {
			return nil, done, err
		}
		readers, feeds = append(readers, rd), append(feeds, rd)
	}
	return feeds, done, nil
}

// note says in the report what could not be compared in a partition.
func (r *runner) note(pt *part, format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf("partition %d: ", pt.Partition)+fmt.Sprintf(format, args...))
}
