package caddymodule

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// totals turns the exact counters of each partition's state into metrics. They
// are set and not added up here: after a restore they are what the log says,
// which may be less than what this process once counted.
type totals struct {
	clock clock.Clock

	mu          sync.Mutex // protects parts and checkpoints
	parts       map[int32]core.Counters
	checkpoints map[int32]time.Time

	trades, rejected, late *prometheus.Desc
	age, rewinds           *prometheus.Desc
	holes, dedup, widened  *prometheus.Desc
	noID, sides            *prometheus.Desc
}

func newTotals(c clock.Clock) *totals {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	return &totals{
		clock: c, parts: make(map[int32]core.Counters), checkpoints: make(map[int32]time.Time),
		trades:   desc("trades_total", "Trades since the beginning of the log.", "partition", "result"),
		rejected: desc("rejected_total", "Trades and records that went to the topic dlq or late.", "partition", "reason"),
		late:     desc("late_total", "Trades that came too late to change a bar.", "partition", "reason"),
		age:      desc("checkpoint_age_seconds", "Age of the newest checkpoint that this process wrote.", "partition"),
		rewinds:  desc("rewinds_total", "Input records that were offered twice.", "partition"),
		holes:    desc("holes_total", "Jumps of the input offset.", "partition"),
		dedup:    desc("dedup_hits_total", "Trades with an id that was known.", "partition"),
		widened:  desc("widened_total", "Times a symbol got a larger scale.", "partition"),
		noID:     desc("no_id_total", "Trades without an id, for which there is no duplicate test.", "partition"),
		sides:    desc("unknown_side_total", "Trades without a taker side.", "partition"),
	}
}

func (t *totals) set(p int32, c core.Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parts[p] = c
}

// drop forgets p: its totals stand in the state, and whoever restores that
// reports them.
func (t *totals) drop(p int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.parts, p)
	delete(t.checkpoints, p)
}

// written notes the moment of a checkpoint, so that its age is right at each
// scrape.
func (t *totals) written(p int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.checkpoints[p] = t.clock.Now()
}

// Describe implements prometheus.Collector.
func (t *totals) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		t.trades, t.rejected, t.late, t.age, t.rewinds, t.holes, t.dedup, t.widened, t.noID, t.sides,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (t *totals) Collect(ch chan<- prometheus.Metric) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p, c := range t.parts {
		t.collect(ch, part(p), c)
	}
	for p, at := range t.checkpoints {
		age := t.clock.Now().Sub(at).Seconds()
		ch <- prometheus.MustNewConstMetric(t.age, prometheus.GaugeValue, age, part(p))
	}
}

func (t *totals) collect(ch chan<- prometheus.Metric, p string, c core.Counters) {
	send := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{p}, labels...)...)
	}
	send(t.trades, c.Applied, "applied")
	send(t.trades, c.Restated, "restated")
	send(t.trades, c.Duplicate, "duplicate")
	send(t.trades, c.Late, "late")
	send(t.trades, c.Rejected, "rejected")
	for r, n := range c.ByReason {
		reason := core.Reason(r) // #nosec G115 -- an index below NumReasons
		switch {
		case n == 0:
		case !reason.Dead():
			send(t.late, n, reason.String())
		default:
			send(t.rejected, n, reason.String())
		}
	}
	send(t.rewinds, c.Rewinds)
	send(t.holes, c.Holes)
	send(t.dedup, c.DedupHits)
	send(t.widened, c.Widened)
	send(t.noID, c.NoID)
	send(t.sides, c.UnknownSide)
}
