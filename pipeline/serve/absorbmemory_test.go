package serve

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// tradedLog is the log of some symbols, with bars that were restated or born late
// within the lateness, and the newest revision of each bar.
func tradedLog(t *rapid.T, lateness int64) (log *keptLog, truth map[string]map[int64]string) {
	log, truth = &keptLog{}, map[string]map[int64]string{}
	newest, seq := map[string]int64{}, map[string]int64{}
	for n := range rapid.Int64Range(50, 500).Draw(t, "records") {
		sym := rapid.SampledFrom([]string{"A", "A", "A", "B", "C"}).Draw(t, "sym")
		if truth[sym] == nil {
			truth[sym] = map[int64]string{}
		}
		back := rapid.Int64Range(0, 3*lateness/minute).Draw(t, "back")
		if late := back > 0 && back < min(newest[sym], lateness/minute); !late {
			back = 0
			newest[sym] += rapid.Int64Range(1, 2).Draw(t, "gap")
		}
		use, rev := newest[sym]-back, 0
		if back > 0 {
			rev = int(n) // never less than that of an earlier revision
		}
		seq[sym]++
		m := testBar(sym, use, seq[sym])
		m.rev, m.wm = rev, (newest[sym]+1)*minute
		log.recs = append(log.recs, m.record(n, n, 0))
		truth[sym][use*minute] = fmt.Sprint(rev, " ", seq[sym])
	}
	return log, truth
}

// Memory may be full before the past was read whole: what stands before the bars that
// it has given up is left to reads of the log. A bar with older ones in memory, and some
// of those in between gone, would be missing from answers, which take memory for whole.
func TestMemoryHasNoHolesWhereItIsFullBeforeThePastIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig(1)
		cfg.AllowedLateness = 6 * minute
		cfg.ViewMemory = rapid.Int64Range(2_000, 200_000).Draw(t, "view_memory")
		cfg.ViewBars = rapid.SampledFrom([]int{5, 50, 1000}).Draw(t, "view_bars")
		log, truth := tradedLog(t, cfg.AllowedLateness)
		live := rapid.IntRange(0, 30).Draw(t, "live") // come when the past has been read
		whole := log.recs
		log.recs = whole[:len(whole)-live]
		h := absorbed(&cfg, log, rapid.IntRange(1, 100).Draw(t, "tail"), rapid.IntRange(1, 100).Draw(t, "piece"))
		h.Apply(0, whole[len(whole)-live:])
		log.recs = whole
		for sym, want := range truth {
			times := sorted(want)
			var held []int64
			g := h.find(sym, "1m")
			for i := range g.bars.len() {
				held = append(held, g.bars.at(i))
			}
			if newest := times[max(len(times)-len(held), 0):]; !slices.Equal(held, newest) || len(held) == 0 {
				t.Fatalf("of %s memory holds %v, the newest bars are %v", sym, held, newest)
			}
			_, text := get(t, h, "/v1/klines?itv=1m&limit=1000&closed=1&sym="+sym)
			var got []int64
			for _, k := range decode[klinesBody](t, text).Bars {
				got = append(got, k.At)
				if is := fmt.Sprint(k.Rev, " ", k.Seq); is != want[k.At] {
					t.Fatalf("bar %d of %s is rev and seq %s, want %s", k.At, sym, is, want[k.At])
				}
			}
			if !slices.Equal(got, times) {
				t.Fatalf("%s is shown with %v, and has %v", sym, got, times)
			}
		}
	})
}

// The same where a bar of a piece that had no room in it was restated behind the piece.
func TestABarRestatedBehindAPieceDoesNotStandBeforeWhatThePieceGaveUp(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewMemory = 200_000
	cfg.AllowedLateness = 5000 * minute
	log := &keptLog{}
	for n := range int64(2000) {
		log.recs = append(log.recs, bare("A", n+1, 0, n+1).record(n, n, 0))
	}
	log.recs = append(log.recs, bare("A", 5, 1, 2001).record(2000, 2000, 0))
	h := absorbed(&cfg, log, 1, len(log.recs))
	bars := h.find("A", "1m").closedBars()
	for i, b := range bars {
		if want := int64(2001 - len(bars) + i); b.OpenTime != want*minute {
			t.Fatalf("bar %d of %d in memory is %d, want %d", i, len(bars), b.OpenTime/minute, want)
		}
	}
	_, text := get(t, h, "/v1/klines?sym=A&itv=1m&closed=1&from=1&limit=8")
	body := decode[klinesBody](t, text)
	if len(body.Bars) != 8 || body.Bars[4].At != 5*minute || body.Bars[4].Rev != 1 {
		t.Errorf("the restated bar is not among the first ones: %s", text)
	}
}
