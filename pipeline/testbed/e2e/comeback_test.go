package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// numbered is what of a bar tells its place in the series.
type numbered struct {
	T, Seq int64
	Q      string
	Final  bool
}

// seconds are the bars of S0000 by the second, the forming one included.
func (g *guest) seconds() (bars []numbered) {
	g.t.Helper()
	p := g.page("/v1/klines?sym=S0000&itv=1s")
	for _, row := range p.Bars {
		var n numbered
		if err := json.Unmarshal(row, &n); err != nil {
			g.t.Fatalf("%v in %s", err, row)
		}
		bars = append(bars, n)
	}
	return bars
}

// An interval and an indicator that are taken out of the configuration and put
// back go on: readers see the forming bar at once, the numbers of the bars have
// no hole, and verify calls nothing wrong.
func TestEmbeddedIntervalsAndIndicatorsComeBack(t *testing.T) {
	t.Parallel()
	words := func(intervals, indicators string) string {
		return "intervals " + intervals + "\n\t\tindicators {\n\t\t\tcompute " + indicators + "\n\t\t}"
	}
	g := newGuest(t, words("1s 2s 1m", "ema(3) rsi(3)"))
	f := startFlow(t, g.bed, 400, 7)
	const first = 12
	if !eventually(func() bool { return len(g.seconds()) > first }) {
		t.Fatalf("%d bars, want more than %d", len(g.seconds()), first)
	}
	g.reload(g.config(words("2s 1m", "rsi(3)"), ""))
	minimum := time.Now().Add(5 * time.Second) // bars by the second that nobody makes
	if !eventually(func() bool { s := g.page("/v1/klines?sym=S0000&itv=1s").status; return s == 404 || s == 400 }) {
		t.Error("an interval that is not configured is answered")
	}
	time.Sleep(time.Until(minimum))
	g.reload(g.config(words("1s 2s 1m", "ema(3) rsi(3)"), ""))

	var bars []numbered
	back := func() (n int) {
		for _, b := range bars {
			if b.Final && b.T >= minimum.UnixMilli() {
				n++
			}
		}
		return n
	}
	if !eventually(func() bool {
		bars = g.seconds()
		return len(bars) > 0 && !bars[len(bars)-1].Final
	}) {
		t.Fatalf("no bar is forming in %+v", bars)
	}
	if back() > first/2 {
		t.Errorf("the forming bar was shown when %d had closed", back())
	}
	if !eventually(func() bool { bars = g.seconds(); return back() > 5 }) {
		t.Fatalf("%d bars behind the change", back())
	}
	for i, b := range bars[1:] {
		if was := bars[i]; b.Final && b.Seq != was.Seq+1 {
			t.Errorf("behind %+v comes %+v", was, b)
		} else if back := was.T < minimum.UnixMilli() && b.T >= minimum.UnixMilli(); b.Final && back != (b.Q == "partial") {
			t.Errorf("behind %+v comes %+v: partial is the first that is back", was, b)
		}
	}
	// Published are no values of meanwhile, and none at first behind it.
	values := g.page("/v1/values?sym=S0000&itv=2s&ind=ema(3)&closed=1")
	for i, row := range values.Rows {
		if i > 1 && bytes.Contains(row, []byte("null")) {
			t.Errorf("bar %d of %d has no value in %s", i, len(values.Rows), values.text)
			break
		}
	}

	f.stop()
	f.done.Wait()
	g.settle(patience)
	out, err := g.verify()
	t.Logf("%v\n%s", err, out)
	if err != nil || !strings.Contains(out, "\nequal\n") || strings.Count(out, "not configured meanwhile") != 2 {
		t.Errorf("want equal, and what was not configured meanwhile: %v", err)
	}
}
