package pipeline

import (
	"math"
	"sort"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

const testLateness = 10_000

// feeding drives a value set like a partition would: bars close in order, late
// ones are restated, and remembers what a reader would see last.
type feeding struct {
	t      *rapid.T
	set    *valueSet
	itv    core.Interval
	closes map[int64]int64      // open time -> close price
	seen   map[int64][2]float64 // open time -> last published value per instance
	seqs   [2]int64
	wm     int64
}

func newHistory(t *rapid.T) *feeding {
	itv, err := core.ParseInterval("1s")
	if err != nil {
		t.Fatal(err)
	}
	host := newNativeHost()
	host.size = rapid.SampledFrom([]int{40, 4000, 40_000}).Draw(t, "bytes of a state") // marks stand farther apart
	return &feeding{
		t: t, itv: itv, set: newValueSet(0, host, []core.Interval{itv}, testLateness),
		closes: map[int64]int64{}, seen: map[int64][2]float64{},
	}
}

func (h *feeding) kline(open, price int64, rev int32) core.Kline {
	return core.Kline{
		Symbol: "A", Interval: "1s", OpenTime: open, CloseTime: open + 999, O: price, H: price, L: price, C: price,
		N: 1, Final: true, Rev: rev, Watermark: h.wm,
	}
}

// close publishes a run of bars in one batch.
func (h *feeding) close(opens []int64, price func() int64) {
	ks := make([]core.Kline, len(opens))
	for i, open := range opens {
		h.wm = max(h.wm, open+1000)
		h.closes[open] = price()
		ks[i] = h.kline(open, h.closes[open], 0)
	}
	h.set.begin(len(ks))
	for i := range ks {
		if err := h.set.add(i, &ks[i]); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := h.set.flush(); err != nil {
		h.t.Fatal(err)
	}
	for i := range ks {
		h.publish(i, ks[i].OpenTime)
	}
}

func (h *feeding) publish(i int, open int64) {
	vals := h.set.of(i)
	h.seen[open] = [2]float64{vals[0].V[0], vals[1].V[0]}
	bars := int64(0)
	for at := range h.closes {
		if at <= open {
			bars++
		}
	}
	for j := range vals {
		if vals[j].N != bars {
			h.t.Fatalf("value %d of bar %d counts %d bars since the seed, want %d", j, open, vals[j].N, bars)
		}
		h.seqs[j]++
		if vals[j].Seq != h.seqs[j] {
			h.t.Fatalf("value %d of bar %d has seq %d, want %d", j, open, vals[j].Seq, h.seqs[j])
		}
	}
}

// restate changes a bar inside the horizon, or gives birth to a late one.
func (h *feeding) restate(open, price int64) {
	h.closes[open] = price
	k := h.kline(open, price, 1)
	h.set.begin(1)
	redone, err := h.set.restate(0, &k)
	if err != nil {
		h.t.Fatal(err)
	}
	h.publish(0, open)
	for _, r := range redone {
		if r.Seq != h.seqs[r.Instance] {
			h.t.Fatalf("the restated values have seq %d, want that of the bar's own, %d", r.Seq, h.seqs[r.Instance])
		}
		if r.T[0] != open {
			h.t.Fatalf("the restated values begin at %d, want %d", r.T[0], open)
		}
		for i, at := range r.T {
			v := h.seen[at]
			v[r.Instance] = r.V[0][i]
			h.seen[at] = v
		}
	}
}

// check compares everything that was published last with one pass in order.
func (h *feeding) check() {
	opens := make([]int64, 0, len(h.closes))
	for open := range h.closes {
		opens = append(opens, open)
	}
	sort.Slice(opens, func(i, j int) bool { return opens[i] < opens[j] })
	fresh := newNativeHost()
	a, _ := fresh.Open(0, 0, 1000)
	b, _ := fresh.Open(0, 1, 1000)
	for _, open := range opens {
		k := h.kline(open, h.closes[open], 0)
		out := [2][]float64{make([]float64, 1), make([]float64, 2)}
		jobs := []Job{{Slot: a, Bar: k.Bar(), Out: out[0]}, {Slot: b, Bar: k.Bar(), Out: out[1]}}
		if err := fresh.Apply(0, jobs); err != nil {
			h.t.Fatal(err)
		}
		for i := range out {
			if math.Float64bits(h.seen[open][i]) != math.Float64bits(out[i][0]) {
				h.t.Fatalf("value %d of bar %d is %v, in order it would be %v", i, open, h.seen[open][i], out[i][0])
			}
		}
	}
}

// restart replaces the set by one restored from its snapshot.
func (h *feeding) restart() {
	snap := h.set.snapshot(nil, func(uint32) string { return "A" })
	host := newNativeHost()
	host.failAt, host.size = h.set.host.(*nativeHost).failAt, h.set.host.(*nativeHost).size
	again := newValueSet(0, host, []core.Interval{h.itv}, testLateness)
	if err := again.restore(snap, func(string) (uint32, bool) { return 0, true }); err != nil {
		h.t.Fatal(err)
	}
	if got := again.snapshot(nil, func(uint32) string { return "A" }); string(got) != string(snap) {
		h.t.Fatal("a restored set does not give the same snapshot")
	}
	h.set = again
}

func TestRestatedValuesEqualAnOrderlyArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		price := func() int64 { return rapid.Int64Range(1, 1000).Draw(t, "price") }
		next := int64(1_000_000)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"close", "close", "close", "late", "restart"}).Draw(t, "step") {
			case "close":
				var opens []int64
				for range rapid.IntRange(1, 12).Draw(t, "bars") {
					next += 1000 * rapid.Int64Range(1, 3).Draw(t, "gap")
					opens = append(opens, next)
				}
				h.close(opens, price)
			case "late":
				lo := max(h.wm-testLateness-1000, 1_000_000)
				if h.wm == 0 || lo+1000 > h.wm-1000 {
					continue
				}
				h.restate(rapid.Int64Range(lo/1000+1, h.wm/1000-1).Draw(t, "open")*1000, price())
			case "restart":
				h.restart()
			}
		}
		h.check()
	})
}

func TestPreviewChangesNothingAndEqualsTheClose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		next := int64(0)
		price := func() int64 { return rapid.Int64Range(1, 1000).Draw(t, "price") }
		for range rapid.IntRange(1, 30).Draw(t, "bars") {
			next += 1000
			p := price()
			k := h.kline(next, p, 0)
			out := make([]([]float64), 0)
			for range rapid.IntRange(0, 3).Draw(t, "previews") {
				vals := newForming(nil, nil, 2).values
				if err := h.set.preview(&k, vals); err != nil {
					t.Fatal(err)
				}
				out = append(out, append([]float64(nil), vals[0].V...))
				if vals[0].Seq != h.seqs[0] {
					t.Fatalf("a preview has seq %d, want the last one, %d", vals[0].Seq, h.seqs[0])
				}
			}
			h.close([]int64{next}, func() int64 { return p })
			for _, o := range out {
				if o[0] != h.seen[next][0] {
					t.Fatalf("previewed %v, closed %v", o[0], h.seen[next][0])
				}
			}
		}
	})
}

func TestAnErrorMarksTheInstanceAlsoAfterARestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.set.host.(*nativeHost).failAt = 13
		n := rapid.IntRange(1, 40).Draw(t, "bars after the error")
		h.close([]int64{1000}, func() int64 { return 13 })
		for i := range n {
			if rapid.Bool().Draw(t, "restart") {
				h.restart()
			}
			h.close([]int64{int64(i+2) * 1000}, func() int64 { return 7 })
			if v := h.set.of(0)[0]; v.Flags != flagError || !math.IsNaN(v.V[0]) {
				t.Fatalf("bar %d after the error: %+v", i, v)
			}
		}
	})
}

func TestKeptBarsStayBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		for i := range 300 {
			h.close([]int64{int64(i) * 1000}, func() int64 { return 5 })
		}
		s := h.set.series[0]
		limit := testLateness/1000 + 2*int(s.spacing) + 2
		if len(s.bars) > limit || len(s.states[0].marks) > limit/int(s.spacing)+2 {
			t.Fatalf("%d bars and %d marks are kept, at most %d bars are needed", len(s.bars), len(s.states[0].marks), limit)
		}
	})
}
