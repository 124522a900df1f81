package caddymodule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// touch calls every method of the observer.
func touch(m *metrics) {
	c := core.Counters{Trades: 10, Applied: 6, Late: 2, Rejected: 2}
	c.ByReason[core.ReasonPrice], c.ByReason[core.ReasonTooLate] = 2, 2
	m.Counters(0, c)
	m.Klines("1m", "closed", 2)
	m.Klines("1m", "restated", 1)
	m.Lag(0, 5, time.Second)
	m.Watermark(0, time.Second)
	m.Checkpoint(0, 100, time.Millisecond)
	m.Restored(0, time.Second, 7)
	m.Published(0, time.Millisecond)
	m.Partition(0, pipeline.StateRestoring)
	m.Partition(0, pipeline.StateRunning)
	m.Moved(0)
	m.Journal("acted", time.Millisecond)
	m.CommitError("timeout")
	m.Transaction("committed", time.Millisecond)
	m.Queue(0, 3, true)
	m.Sink("redis", 0, 4)
	m.SinkError("redis", "timeout")
	m.SinkRewind("redis")
	m.FeedTrades("replay", 9)
	m.FeedError("replay", "write")
	m.State(0, 3, 1000)
	m.Stalled(0)
	m.Panicked("worker")
}

// gathered reads a registry into "name{label="value"}" -> value.
func gathered(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatalf("the scrape failed: %v", err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[f.GetName()+labels(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func labels(m *dto.Metric) string {
	var parts []string
	for _, l := range m.GetLabel() {
		parts = append(parts, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if len(parts) == 0 {
		return ""
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestEveryMetricIsGatheredByAPedanticRegistry(t *testing.T) {
	m := newMetrics(clock.Real())
	config := prometheus.NewPedanticRegistry()
	if err := registerMetrics(config, m); err != nil {
		t.Fatal(err)
	}
	if err := registerMetrics(config, m); err != nil {
		t.Errorf("registering twice in one config: %v", err)
	}
	touch(m)
	got := gathered(t, config)
	for name, want := range map[string]float64{
		`caddy_kline_trades_total{partition="0",result="applied"}`:     6,
		`caddy_kline_trades_total{partition="0",result="late"}`:        2,
		`caddy_kline_rejected_total{partition="0",reason="price"}`:     2,
		`caddy_kline_late_total{partition="0",reason="too_late"}`:      2,
		`caddy_kline_klines_total{interval="1m",kind="closed"}`:        2,
		`caddy_kline_restated_total{interval="1m"}`:                    1,
		`caddy_kline_source_lag_records{partition="0"}`:                5,
		`caddy_kline_partition_state{partition="0",state="running"}`:   1,
		`caddy_kline_partition_state{partition="0",state="restoring"}`: 0,
		`caddy_kline_paused_partitions{partition="0"}`:                 1,
		`caddy_kline_sink_errors_total{reason="timeout",sink="redis"}`: 1,
		`caddy_kline_feed_trades_total{source="replay"}`:               9,
		`caddy_kline_journal_records_total{result="acted"}`:            1,
		`caddy_kline_checkpoint_bytes{partition="0"}`:                  100,
		`caddy_kline_replayed_records_total{partition="0"}`:            7,
		`caddy_kline_panics_total{goroutine="worker"}`:                 1,
		`caddy_kline_publish_seconds`:                                  1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
}

func TestCountersGoOnOverAReload(t *testing.T) {
	m := newMetrics(clock.Real())
	for load := 1; load <= 3; load++ {
		config := prometheus.NewPedanticRegistry()
		if err := registerMetrics(config, m); err != nil {
			t.Fatal(err)
		}
		m.FeedTrades("replay", 10)
		if got := gathered(t, config)[`caddy_kline_feed_trades_total{source="replay"}`]; got != float64(10*load) {
			t.Errorf("after load %d: %v", load, got)
		}
	}
}

// A symbol, a user or an address must never become a label.
func TestSeriesStayBoundedWithManySymbolsAndClients(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	k := testKlines(e)
	k.limiter = newLimiter(clock.Real(), 1e6, 1e6)
	ask(t, k, "GET", "/v1/klines?sym=S0&itv=1m")
	ask(t, k, "GET", "/v1/x0")
	before := len(gathered(t, e.metrics.registry))
	for i := range 2000 {
		ask(t, k, "GET", fmt.Sprintf("/v1/klines?sym=S%d&itv=1m", i))
		ask(t, k, "GET", fmt.Sprintf("/v1/x%d", i))
	}
	e.metrics.State(0, 100_000, 1)
	if after := len(gathered(t, e.metrics.registry)); after > before+2 {
		t.Errorf("%d series before, %d after", before, after)
	}
}

func TestMetricNames(t *testing.T) {
	m := newMetrics(clock.Real())
	touch(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		total := strings.HasSuffix(f.GetName(), "_total")
		if !strings.HasPrefix(f.GetName(), "caddy_kline_") || total != (f.GetType() == dto.MetricType_COUNTER) || f.GetHelp() == "" {
			t.Errorf("%s (%s): the prefix, the ending _total of counters alone, or the help is missing", f.GetName(), f.GetType())
		}
	}
}

func TestAPartitionThatMovedIsReportedByItsNewNodeOnly(t *testing.T) {
	m := newMetrics(clock.Real())
	touch(m)
	m.Partition(0, pipeline.StateUnassigned)
	for name := range gathered(t, m.registry) {
		if strings.Contains(name, "trades_total{") && !strings.Contains(name, "feed") || strings.Contains(name, "source_lag") {
			t.Errorf("%s is still there", name)
		}
	}
}
