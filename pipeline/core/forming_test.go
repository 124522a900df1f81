package core

import (
	"fmt"
	"testing"
)

// Between the end of a bar and the watermark's passing it two bars are open. A
// reader who was shown the younger one would see time go back when the older
// one closes, and meanwhile a hole in its place.
func TestFormingNeverOvertakesAnOpenBar(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s", "5s", "1m", "90s")), new(Outputs)
	shown, overlaps := map[string]int64{}, 0
	for i := range int64(400) {
		at := t0 + i*170
		step(t, e, at, out, good(i, at))
		for j := range out.Klines {
			k := &out.Klines[j]
			if last, ok := shown[k.Interval]; ok && k.OpenTime != last {
				t.Fatalf("trade at +%d ms: %s closed the bar at +%d, shown was +%d", i*170, k.Interval, k.OpenTime-t0, last-t0)
			}
			shown[k.Interval] = k.OpenTime
		}
		out.Reset()
		for j, in := range e.cfg.Intervals {
			var k Kline
			if !e.Forming(0, j, &k) {
				t.Fatalf("trade at +%d ms: no bar of %s is open", i*170, in.Name())
			}
			if k.OpenTime < shown[in.Name()] {
				t.Fatalf("trade at +%d ms: %s goes back from +%d to +%d", i*170, in.Name(), shown[in.Name()]-t0, k.OpenTime-t0)
			}
			if k.OpenTime != e.cas.open(j, at) {
				overlaps++
			}
			shown[in.Name()] = k.OpenTime
		}
	}
	if overlaps == 0 {
		t.Fatal("no two bars were ever open at once: the test proves nothing")
	}
}

// An older bar that a trade out of order opens is the one that closes first.
func TestFormingTurnsToAnOlderBarThatOpens(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	var got []string
	for id, at := range []int64{t0 + 1100, t0 + 900, t0 + 1400, t0 + 1500} {
		step(t, e, at, out, good(int64(id), at))
		var k Kline
		if !e.Forming(0, 0, &k) {
			t.Fatal("no bar is open")
		}
		got = append(got, fmt.Sprintf("+%d n=%d", k.OpenTime-t0, k.N))
	}
	if want := "[+1000 n=1 +0 n=1 +0 n=1 +1000 n=3]"; fmt.Sprint(got) != want {
		t.Fatalf("forming %v, want %s", got, want)
	}
}
