package caddymodule

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// partitionStates are the values of the label state.
func partitionStates() []pipeline.PartitionState {
	return []pipeline.PartitionState{
		pipeline.StateUnassigned, pipeline.StateRestoring, pipeline.StateRunning, pipeline.StateFailed,
	}
}

func part(p int32) string { return strconv.Itoa(int(p)) }

// Counters implements pipeline.Observer.
func (m *metrics) Counters(p int32, c core.Counters) { m.totals.set(p, c) }

// Klines implements pipeline.Observer.
func (m *metrics) Klines(interval, kind string, n int) {
	m.klines.WithLabelValues(interval, kind).Add(float64(n))
	if kind == "restated" {
		m.restated.WithLabelValues(interval).Add(float64(n))
	}
}

// Lag implements pipeline.Observer.
func (m *metrics) Lag(p int32, records int64, age time.Duration) {
	m.lagRecords.WithLabelValues(part(p)).Set(float64(records))
	m.lagSeconds.WithLabelValues(part(p)).Set(age.Seconds())
}

// Watermark implements pipeline.Observer.
func (m *metrics) Watermark(p int32, behind time.Duration) {
	m.watermark.WithLabelValues(part(p)).Set(behind.Seconds())
}

// Checkpoint implements pipeline.Observer.
func (m *metrics) Checkpoint(p int32, bytes int, took time.Duration) {
	m.ckSeconds.WithLabelValues(part(p)).Observe(took.Seconds())
	m.ckBytes.WithLabelValues(part(p)).Set(float64(bytes))
	m.totals.written(p)
}

// Restored implements pipeline.Observer.
func (m *metrics) Restored(p int32, took time.Duration, replayed int64) {
	m.restore.WithLabelValues(part(p)).Set(took.Seconds())
	m.replayed.WithLabelValues(part(p)).Add(float64(replayed))
}

// Published implements pipeline.Observer.
func (m *metrics) Published(_ int32, took time.Duration) { m.published.Observe(took.Seconds()) }

// Partition implements pipeline.Observer.
func (m *metrics) Partition(p int32, s pipeline.PartitionState) {
	for _, state := range partitionStates() {
		v := 0.0
		if state == s {
			v = 1
		}
		m.state.WithLabelValues(part(p), string(state)).Set(v)
	}
	if s == pipeline.StateUnassigned {
		m.forget(p)
	}
}

// forget drops what another node reports from now on: the sum over all nodes
// would count it twice.
func (m *metrics) forget(p int32) {
	m.totals.drop(p)
	for _, g := range []*prometheus.GaugeVec{m.lagRecords, m.lagSeconds, m.watermark, m.queue, m.paused, m.symbols, m.stateBytes, m.ckBytes} {
		g.DeleteLabelValues(part(p))
	}
}

// Moved implements pipeline.Observer.
func (m *metrics) Moved(p int32) { m.moves.WithLabelValues(part(p)).Inc() }

// Journal implements pipeline.Observer.
func (m *metrics) Journal(result string, took time.Duration) {
	m.journal.WithLabelValues(result).Inc()
	m.decision.Observe(took.Seconds())
}

// CommitError implements pipeline.Observer.
func (m *metrics) CommitError(reason string) { m.commitErrs.WithLabelValues(reason).Inc() }

// Transaction implements pipeline.Observer.
func (m *metrics) Transaction(result string, took time.Duration) {
	m.txns.WithLabelValues(result).Inc()
	m.commit.Observe(took.Seconds())
}

// Queue implements pipeline.Observer.
func (m *metrics) Queue(p int32, batches int, paused bool) {
	v := 0.0
	if paused {
		v = 1
	}
	m.queue.WithLabelValues(part(p)).Set(float64(batches))
	m.paused.WithLabelValues(part(p)).Set(v)
}

// Sink implements pipeline.Observer.
func (m *metrics) Sink(name string, p int32, lag int64) {
	m.sinkLag.WithLabelValues(name, part(p)).Set(float64(lag))
}

// SinkError implements pipeline.Observer.
func (m *metrics) SinkError(name, reason string) { m.sinkErrs.WithLabelValues(name, reason).Inc() }

// SinkRewind implements pipeline.Observer.
func (m *metrics) SinkRewind(name string) { m.sinkBack.WithLabelValues(name).Inc() }

// HistoryRows implements history.Observer.
func (m *metrics) HistoryRows(sink string, n int) { m.rows.WithLabelValues(sink).Add(float64(n)) }

// HistoryRefused implements history.Observer.
func (m *metrics) HistoryRefused(sink string, n int) {
	m.rowsBad.WithLabelValues(sink).Add(float64(n))
}

// HistoryLost implements history.Observer.
func (m *metrics) HistoryLost(sink string, n int64) {
	m.rowsLost.WithLabelValues(sink).Add(float64(n))
}

// FeedTrades implements pipeline.Observer.
func (m *metrics) FeedTrades(source string, n int) {
	m.feedTrades.WithLabelValues(source).Add(float64(n))
}

// FeedError implements pipeline.Observer.
func (m *metrics) FeedError(source, reason string) { m.feedErrs.WithLabelValues(source, reason).Inc() }

// FeedGap implements pipeline.Observer.
func (m *metrics) FeedGap(source, kind string, n int64) {
	m.feedGaps.WithLabelValues(source, kind).Inc()
	if kind == "sequence" {
		m.feedMissing.WithLabelValues(source).Add(float64(n))
	}
}

// FeedRefused implements pipeline.Observer.
func (m *metrics) FeedRefused(source, reason string, n int) {
	m.feedRefused.WithLabelValues(source, reason).Add(float64(n))
}

// FeedSpill implements pipeline.Observer.
func (m *metrics) FeedSpill(source string, bytes int64) {
	m.feedSpill.WithLabelValues(source).Set(float64(bytes))
}

// State implements pipeline.Observer.
func (m *metrics) State(p int32, symbols, bytes int) {
	m.symbols.WithLabelValues(part(p)).Set(float64(symbols))
	m.stateBytes.WithLabelValues(part(p)).Set(float64(bytes))
}

// Stalled implements pipeline.Observer.
func (m *metrics) Stalled(p int32) { m.stalls.WithLabelValues(part(p)).Inc() }

// Panicked implements pipeline.Observer.
func (m *metrics) Panicked(name string) { m.panics.WithLabelValues(name).Inc() }

// asAlready reports whether a collector stands in the registry already.
func asAlready(err error, are *prometheus.AlreadyRegisteredError) bool { return errors.As(err, are) }
