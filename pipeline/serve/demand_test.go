package serve

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestValuesOnDemandEqualAComputationOfAllBars(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, c := demandHub(nil)
		next, so := int64(10), int64(0)
		rev := map[int64]int{}
		asked := false
		var seq int64
		for range rapid.IntRange(1, 25).Draw(t, "batches") {
			if !asked && rapid.IntRange(0, 3).Draw(t, "ask") == 0 {
				asked = true
				if _, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)"); strings.Contains(body, "problem") {
					t.Fatal(body)
				}
			}
			var recs []Record
			for range rapid.IntRange(1, 6).Draw(t, "records") {
				so++
				seq++
				bar := next
				if next > 12 && rapid.IntRange(0, 2).Draw(t, "late") == 0 {
					bar = next - rapid.Int64Range(1, 4).Draw(t, "back")
				} else {
					next += rapid.Int64Range(1, 2).Draw(t, "gap") // holes, which may be born late
				}
				m := testBar("BTC", bar, seq)
				m.values = 0
				m.close = fmt.Sprint(rapid.IntRange(1, 1000).Draw(t, "close"))
				if _, ok := rev[bar]; ok {
					rev[bar]++
				} else if bar < next-2 {
					rev[bar] = 1
				} else {
					rev[bar] = 0
				}
				m.rev = rev[bar]
				recs = append(recs, m.record(so, so, 0))
			}
			h.Apply(0, recs)
		}
		if !asked {
			return
		}
		if _, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)"); strings.Contains(body, "problem") {
			t.Fatal(body)
		}
		wt, wv := wantValues(h, "BTC", 0.25)
		gt, gv := shownValues(h, "BTC", "mine/decay(0.25)")
		if fmt.Sprint(wt, wv) != fmt.Sprint(gt, gv) {
			t.Fatalf("values\n%v %v\nwant\n%v %v", gt, gv, wt, wv)
		}
		if n := c.open.Load(); n != 1 {
			t.Fatalf("%d states are open, want 1", n)
		}
	})
}

// A stream of an instance on demand gets every bar's value once, restatements
// included, and what it was told in the end is what the rows say.
func TestStreamsOnDemandAreToldEveryValue(t *testing.T) {
	h, c := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)&snapshot=1000", "")
	defer s.Close()
	known := map[string]string{}
	read := func() string {
		text := told(t, s)
		note(t, known, text)
		return text
	}
	if text := read(); !strings.Contains(text, `"mine/decay(0.25)"`) {
		t.Fatalf("no snapshot in %s", text)
	}
	h.Apply(0, []Record{bare("BTC", 20, 0, 20).record(20, 20, 0), bare("BTC", 21, 0, 21).record(21, 21, 0)})
	if text := read(); strings.Count(text, "event: indicator") != 2 {
		t.Fatalf("two bars closed, told %s", text)
	}
	late := bare("BTC", 15, 1, 22)
	late.close = "7777"
	h.Apply(0, []Record{late.record(22, 22, 0)})
	if text := read(); strings.Count(text, "event: revise") != 1 {
		t.Fatalf("a bar was restated, told %s", text)
	}
	wt, wv := wantValues(h, "BTC", 0.25)
	for i := range wt {
		if known[fmt.Sprint(wt[i])] != wv[i] {
			t.Errorf("bar %d: told %q, want %s", wt[i], known[fmt.Sprint(wt[i])], wv[i])
		}
	}
	if c.open.Load() != 1 {
		t.Errorf("%d states are open, want 1", c.open.Load())
	}
}

// Of three records that come at once the first changes a bar, the second closes one, and
// the third changes the first bar back: the values are those of before, which a stream
// that was told of the first change has to hear.
func TestStreamsOnDemandAreToldWhatIsTakenBack(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)&snapshot=1000", "")
	defer s.Close()
	known := map[string]string{}
	note(t, known, told(t, s))
	there, back := bare("BTC", 15, 1, 20), bare("BTC", 15, 2, 22)
	there.close = "7777"
	h.Apply(0, []Record{there.record(20, 20, 0), bare("BTC", 20, 0, 21).record(21, 21, 0), back.record(22, 22, 0)})
	note(t, known, told(t, s))
	wt, wv := wantValues(h, "BTC", 0.25)
	for i := range wt {
		if known[fmt.Sprint(wt[i])] != wv[i] {
			t.Errorf("bar %d: told %q, want %s", wt[i], known[fmt.Sprint(wt[i])], wv[i])
		}
	}
}

// seq goes up by one with each restated bar, also of those that come at once: by a hole
// a client sees that it has lost an event.
func TestEveryRestatementIsToldOnDemand(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	read(t, s)
	var recs []Record
	for so := range int64(3) {
		m := bare("BTC", 15+so, 1, 20+so)
		m.close = fmt.Sprint(1000 + so)
		recs = append(recs, m.record(20+so, 20+so, 0))
	}
	h.Apply(0, recs)
	var seq []int64
	for _, m := range read(t, s) {
		seq = append(seq, decode[struct{ Seq int64 }](t, m.data).Seq)
	}
	if want := []int64{20, 21, 22}; !slices.Equal(seq, want) {
		t.Errorf("seq are %v, want %v", seq, want)
	}
}

func TestProvisionalValuesOnDemand(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	forming := bare("BTC", 20, 0, 19)
	forming.final = false
	h.Forming(0, [][]byte{forming.json()})
	for g := range h.wakes.take() {
		h.previewGroup(g)
	}
	fake(h).Advance(50 * time.Millisecond)
	text := told(t, s)
	_, wv := wantValues(h, "BTC", 0.25)
	var last float64
	if _, err := fmt.Sscan(wv[len(wv)-1], &last); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`"t":1200000,"v":{"value":%v},"final":false`, last/2+0.25*120.5)
	if !strings.Contains(text, want) {
		t.Errorf("told %s, want %s", text, want)
	}
	if math.IsNaN(last) {
		t.Error("no value at all")
	}
}

// The first reader of an instance on demand gets the value of the forming bar, as all
// later ones do: the loop of previews does not run in this test, so nothing but the
// read itself can have computed it.
func TestFirstReadersOnDemandGetTheProvisionalValue(t *testing.T) {
	forming := bare("BTC", 20, 0, 19)
	forming.final = false
	for _, target := range []string{
		"/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)&limit=1",
		"/v1/bundle?s=BTC@1m:mine/decay(0.25)&limit=1",
		"/v1/latest?s=BTC@1m:mine/decay(0.25)",
	} {
		h, _ := demandHub(nil)
		closeBars(h, 10, 20)
		h.Forming(0, [][]byte{forming.json()})
		_, body := get(t, h, target)
		_, wv := wantValues(h, "BTC", 0.25)
		var last float64
		if _, err := fmt.Sscan(wv[len(wv)-1], &last); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(last/2 + 0.25*120.5); !strings.Contains(body, want) {
			t.Errorf("%s: no provisional value %s in %s", target, want, body)
		}
	}
}

func TestIdleInstancesOnDemandAreForgotten(t *testing.T) {
	h, c := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	told(t, s)
	get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.75)")
	fake(h).Advance(idleAfter + time.Second)
	h.forgetIdle()
	h.forgetIdle()
	if c.open.Load() != 1 || h.dyn.extras.Load() != 1 {
		t.Errorf("%d states, %d series, want the one that is listened to", c.open.Load(), h.dyn.extras.Load())
	}
	s.Close()
	fake(h).Advance(idleAfter + time.Second)
	h.forgetIdle()
	if c.open.Load() != 0 || h.dyn.extras.Load() != 0 || len(h.computed) != 0 {
		t.Errorf("%d states, %d series are left", c.open.Load(), h.dyn.extras.Load())
	}
}

// Values on demand change with the version of their module, also the oldest.
func TestValuesOnDemandAreNotKeptForLong(t *testing.T) {
	h, _ := demandHub(nil)
	h.Apply(0, []Record{testBar("BTC", 1, 1).record(1, 1, 0), testBar("BTC", 2, 2).record(2, 2, 0)})
	late := testBar("BTC", 100, 3)
	late.wm = 101 * minute
	h.Apply(0, []Record{late.record(3, 3, 0)})
	for ind, want := range map[string]Cache{"mine/decay(1)": CacheClosed, "ema(3)": CacheHistory} {
		if a, text := get(t, h, "/v1/values?sym=BTC&itv=1m&from=60000&to=180000&ind="+ind); a.Cache != want {
			t.Errorf("%s: %q for %s", ind, a.Cache.Control(), text)
		}
	}
}
