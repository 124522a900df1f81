package verify

import (
	"context"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// emptyView shows nothing and counts how often it is asked.
type emptyView struct{ asked int }

func (v *emptyView) bars(context.Context, int32, string, string, int) (map[int64]published, bool, error) {
	v.asked++
	return nil, false, nil
}
func (*emptyView) name() string { return "redis" }
func (*emptyView) close()       {}

// hasty lets no time pass.
type hasty struct{ clock.Clock }

func (h hasty) NewTimer(time.Duration) clock.Timer { return h.Clock.NewTimer(0) }

// A view that has lost the bars of all series is waited for once, not once for each.
func TestAViewThatLostAllSeriesIsWaitedForOnce(t *testing.T) {
	r := &runner{cfg: &Config{ViewBars: 10, Found: func(Difference) {}, Clock: hasty{clock.Real()}}, report: &Report{}}
	v, tries := &emptyView{}, viewTries
	const n = 50
	for range n {
		s := &series{symbol: &symbol{name: "BTCUSDT"}, interval: &Interval{Name: "1m"}, tail: tail{bars: []tailBar{{open: 60_000}}}}
		if err := r.viewed(t.Context(), v, &seenSeries{series: s}, &tries); err != nil {
			t.Fatal(err)
		}
	}
	if v.asked != viewTries+n-1 {
		t.Errorf("the view was asked %d times for %d series, want %d", v.asked, n, viewTries+n-1)
	}
	if r.report.Differences != n {
		t.Errorf("%d differences, want %d", r.report.Differences, n)
	}
}
