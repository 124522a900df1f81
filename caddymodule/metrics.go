package caddymodule

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// namespace is the beginning of every metric's name.
const namespace = "caddy_kline"

// metrics are the collectors of one engine, in a registry of their own. The
// registry as a whole is a collector in the registry of each config, and
// therefore counters go on over reloads.
//
// All collectors exist before the engine is handed out: one that is added
// later makes every scrape of that config fail ("collected metric with
// unregistered descriptor").
//
// Labels are closed sets or names from the configuration. A label that a user
// can choose is a memory leak that anybody can drive.
type metrics struct {
	registry *prometheus.Registry
	totals   *totals

	klines     *prometheus.CounterVec   // interval, kind
	restated   *prometheus.CounterVec   // interval
	lagRecords *prometheus.GaugeVec     // partition
	lagSeconds *prometheus.GaugeVec     // partition
	watermark  *prometheus.GaugeVec     // partition
	ckSeconds  *prometheus.HistogramVec // partition
	ckBytes    *prometheus.GaugeVec     // partition
	restore    *prometheus.GaugeVec     // partition
	replayed   *prometheus.CounterVec   // partition
	published  prometheus.Histogram
	state      *prometheus.GaugeVec // partition, state
	moves      *prometheus.CounterVec
	stalls     *prometheus.CounterVec
	paused     *prometheus.GaugeVec
	queue      *prometheus.GaugeVec
	journal    *prometheus.CounterVec // result
	decision   prometheus.Histogram
	commitErrs *prometheus.CounterVec // reason
	txns       *prometheus.CounterVec // result
	commit     prometheus.Histogram
	sinkLag    *prometheus.GaugeVec   // sink, partition
	sinkErrs   *prometheus.CounterVec // sink, reason
	sinkBack   *prometheus.CounterVec // sink
	rows       *prometheus.CounterVec // sink
	rowsBad    *prometheus.CounterVec // sink
	rowsLost   *prometheus.CounterVec // sink

	historyReads    *prometheus.CounterVec   // sink, result
	historyReadTime *prometheus.HistogramVec // sink

	feedTrades  *prometheus.CounterVec // source
	feedErrs    *prometheus.CounterVec // source, reason
	feedGaps    *prometheus.CounterVec // source, kind
	feedMissing *prometheus.CounterVec // source
	feedRefused *prometheus.CounterVec // source, reason
	feedSpill   *prometheus.GaugeVec   // source
	symbols     *prometheus.GaugeVec
	stateBytes  *prometheus.GaugeVec
	panics      *prometheus.CounterVec // goroutine
	streams     prometheus.Gauge
	refused     *prometheus.CounterVec // reason
	ended       *prometheus.CounterVec // reason
	requests    *prometheus.CounterVec // route, code
	uploads     *prometheus.CounterVec // result
	faults      *prometheus.CounterVec // fault
	demanded    atomic.Pointer[func() demandSize]
}

// demandSize is what is computed on demand now.
type demandSize struct{ series, memory int64 }

// newMetrics makes and registers every collector.
func newMetrics(c clock.Clock) *metrics {
	m := &metrics{registry: prometheus.NewPedanticRegistry(), totals: newTotals(c)}
	m.makePartitionMetrics()
	m.makeWriterMetrics()
	m.makeServingMetrics()
	m.registry.MustRegister(m.totals)
	return m
}

func (m *metrics) makePartitionMetrics() {
	m.lagRecords = m.gauge("source_lag_records", "Input records that wait to be applied.", "partition")
	m.lagSeconds = m.gauge("source_lag_seconds", "Age of the newest applied input record.", "partition")
	m.watermark = m.gauge("watermark_lag_seconds", "How far event time is behind the clock.", "partition")
	m.ckSeconds = m.histogram("checkpoint_seconds", "Time to write a checkpoint.", "partition")
	m.ckBytes = m.gauge("checkpoint_bytes", "Size of the newest checkpoint.", "partition")
	m.restore = m.gauge("restore_seconds", "Time of the newest restore.", "partition")
	m.replayed = m.counter("replayed_records_total", "Input records applied again after a restore.", "partition")
	m.state = m.gauge("partition_state", "1 for the state the partition is in.", "partition", "state")
	m.moves = m.counter("partition_moves_total", "Assignments and losses of the partition.", "partition")
	m.stalls = m.counter("stalls_total", "Times the partition made no progress with records waiting.", "partition")
	m.paused = m.gauge("paused_partitions", "1 while fetching is paused because the queue is full.", "partition")
	m.queue = m.gauge("queue_batches", "Batches that wait in the queue.", "partition")
	m.symbols = m.gauge("symbols", "Symbols seen in the partition.", "partition")
	m.stateBytes = m.gauge("state_bytes", "Size of the newest snapshot of the state.", "partition")
}

func (m *metrics) makeWriterMetrics() {
	m.klines = m.counter("klines_total", "Records written to the topic of klines.", "interval", "kind")
	m.restated = m.counter("restated_total", "Bars published again, or born late.", "interval")
	m.published = m.plainHistogram("publish_seconds", "Time until the outputs of a unit were acknowledged and committed.")
	m.decision = m.plainHistogram("decision_seconds", "Time until a decision was in the journal.")
	m.journal = m.counter("journal_records_total", "Records of the journal.", "result")
	m.commitErrs = m.counter("commit_errors_total", "Failed commits of offsets.", "reason")
	m.txns = m.counter("txn_total", "Kafka transactions that ended.", "result")
	m.commit = m.plainHistogram("txn_commit_seconds", "Time to end a transaction.")
	m.sinkLag = m.gauge("sink_lag_records", "Klines that a follower has not taken yet.", "sink", "partition")
	m.sinkErrs = m.counter("sink_errors_total", "Failures of a follower.", "sink", "reason")
	m.sinkBack = m.counter("sink_rewinds_total", "Times a sink was found behind its position and filled again.", "sink")
	m.rows = m.counter("history_rows_total", "Rows that a database has taken, those that it had already included.", "sink")
	m.rowsBad = m.counter("history_refused_total", "Rows that a database refused for their content, now in the dead-letter topic.", "sink")
	m.historyReads = m.counter("history_reads_total", "Questions of readers to a database.", "sink", "result")
	m.historyReadTime = m.histogram("history_read_seconds", "Time until a database had answered a reader.", "sink")
	m.rowsLost = m.counter("history_lost_total", "Records that retention removed before a database had them.", "sink")
	m.feedTrades = m.counter("feed_trades_total", "Trades that a feed got acknowledged.", "source")
	m.feedErrs = m.counter("feed_errors_total", "Failures of a feed: of its sends, its requests, its connection.", "source", "reason")
	m.feedGaps = m.counter("feed_gaps_total", "Holes in what a feed got.", "source", "kind")
	m.feedMissing = m.counter("feed_missing_trades_total", "Trade ids that a feed knows it did not get.", "source")
	m.feedRefused = m.counter("feed_refused_total", "Trades of a venue that cannot be used.", "source", "reason")
	m.feedSpill = m.gauge("feed_spill_bytes", "Trades that wait on the disk for the topic.", "source")
	m.panics = m.counter("panics_total", "Goroutines that ended in a panic.", "goroutine")
}

func (m *metrics) makeServingMetrics() {
	opts := prometheus.GaugeOpts{Namespace: namespace, Name: "streams", Help: "Open event streams."}
	m.streams = prometheus.NewGauge(opts)
	m.registry.MustRegister(m.streams)
	m.refused = m.counter("streams_refused_total", "Streams that were not admitted.", "reason")
	m.ended = m.counter("streams_ended_total", "Streams that ended.", "reason")
	m.requests = m.counter("http_requests_total", "Answers of the JSON routes.", "route", "code")
	m.uploads = m.counter("module_uploads_total", "Uploads of indicator modules that ended.", "result")
	m.faults = m.counter("demand_faults_total", "Bars on which an indicator on demand failed.", "fault")
	m.measure("demand_series", "Series computed on demand.", func(d demandSize) int64 { return d.series })
	m.measure("demand_memory_bytes", "Memory of the guests that compute on demand.", func(d demandSize) int64 { return d.memory })
}

// measure is a gauge of what is computed on demand, asked at each scrape.
func (m *metrics) measure(name, help string, of func(demandSize) int64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, func() float64 {
		if size := m.demanded.Load(); size != nil {
			return float64(of((*size)()))
		}
		return 0
	}))
}

func (m *metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

// buckets reach from half a millisecond to 16 seconds: a commit on one machine
// and a broker that is being replaced both fall inside.
func buckets() []float64 { return prometheus.ExponentialBuckets(0.0005, 2, 16) }

func (m *metrics) histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets()}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *metrics) plainHistogram(name, help string) prometheus.Histogram {
	v := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets()})
	m.registry.MustRegister(v)
	return v
}

// registerMetrics puts the engine's registry into that of a config, which dies
// with the config. The same engine twice in one config is the same registry.
func registerMetrics(to *prometheus.Registry, m *metrics) error {
	if to == nil {
		return nil // a context without a config, as in tests
	}
	if err := to.Register(m.registry); err != nil {
		if are := (prometheus.AlreadyRegisteredError{}); !asAlready(err, &are) {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}
