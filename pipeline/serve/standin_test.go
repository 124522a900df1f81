package serve

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// laterHub has mine/decay(1) in its configuration, which the records of bars up
// to 30 do not carry.
func laterHub(t *testing.T, viewBars int, change func(*decay)) (*Hub, *decays) {
	t.Helper()
	cfg := testConfig(1)
	cfg.ViewBars = viewBars
	cfg.Instances = append(slices.Clone(testInstances), InstanceMeta{Name: "mine/decay(1)", Outputs: []string{"value"}, Module: "mine", Version: "00000001", Warmup: 10})
	h := NewHub(cfg)
	h.Loaded()
	c := &decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}, change: change}
	h.SetComputer(c)
	closeBars(h, 10, 30)
	return h, c
}

// carry closes bars whose records carry the value 1 of mine/decay(1).
func carry(h *Hub, from, to int64) {
	for n := from; n < to; n++ {
		m := bare("BTC", n, 0, n)
		m.foreign = "mine/decay(1)"
		h.Apply(0, []Record{m.record(n, n, 0)})
	}
}

// laterValues are the values of mine/decay(1) that a read gets, "null" for none.
func laterValues(t *testing.T, h *Hub) (values []string) {
	t.Helper()
	_, text := get(t, h, "/v1/values?sym=BTC&itv=1m&closed=1&limit=100&ind=mine/decay(1)")
	var a struct{ Rows [][]json.RawMessage }
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Rows == nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, row := range a.Rows {
		values = append(values, string(row[1]))
	}
	return values
}

// An indicator that was configured later is answered over all bars in memory, as
// it would be for whoever asks without configuring it, until each bar has its value.
func TestAnInstanceConfiguredLaterHasTheBarsOfBefore(t *testing.T) {
	h, c := laterHub(t, 40, nil)
	equal := func(when string) {
		t.Helper()
		if _, want := wantValues(h, "BTC", 1); !slices.Equal(laterValues(t, h), want) {
			t.Errorf("%s: values %v, want %v", when, laterValues(t, h), want)
		}
	}
	equal("no bar has its value")
	s := stream(t, h, "s=BTC@1m:kline,mine/decay(1)&snapshot=20", "")
	if text := fmt.Sprint(read(t, s)); !strings.Contains(text, `"mine/decay(1)":{"t":[600000,`) {
		t.Errorf("the snapshot begins with %.600s", text)
	}
	carry(h, 30, 32)
	equal("two bars have")
	_, want := wantValues(h, "BTC", 1)
	if text := fmt.Sprint(read(t, s)); !strings.Contains(text, want[21]) || strings.Contains(text, `"v":[1]`) {
		t.Errorf("want %s alone in %s", want[21], text)
	}
	s.Close()
	carry(h, 32, 80) // those of before leave memory
	if got := laterValues(t, h); len(got) != 40 || slices.ContainsFunc(got, func(v string) bool { return v != "1" }) {
		t.Errorf("each bar has its value, and readers get %v", got)
	}
	fake(h).Advance(2 * idleAfter)
	h.forgetIdle()
	if c.open.Load() != 0 {
		t.Errorf("%d states are left", c.open.Load())
	}
}

// One that was taken away for a while lacks bars in the middle.
func TestAnInstanceThatWasAwayHasTheBarsOfMeanwhile(t *testing.T) {
	h, _ := laterHub(t, 1000, nil)
	carry(h, 30, 35)
	closeBars(h, 35, 40)
	carry(h, 40, 45)
	if _, want := wantValues(h, "BTC", 1); !slices.Equal(laterValues(t, h), want) {
		t.Errorf("values %v, want %v", laterValues(t, h), want)
	}
}

// It is still a configured one: it counts for no client and waits for nobody, and
// what cannot be computed is answered with what was published.
func TestAStandInCountsForNoClient(t *testing.T) {
	h, _ := laterHub(t, 1000, nil)
	for range fillParallel { // others compute
		if err := h.fills.enter(t.Context(), time.Second, errFillBusy); err != nil {
			t.Fatal(err)
		}
	}
	sel, p := h.ParseSelection(t.Context(), []string{"BTC@1m:mine/decay(1)"})
	if p != nil {
		t.Fatal(p)
	}
	sel.Client = "i1"
	if p := h.Enroll(&sel); p != nil {
		t.Fatal(p)
	}
	if names := h.OnDemandOf(&sel); names != nil {
		t.Errorf("%v counts as on demand", names)
	}
	a, err := h.Latest(t.Context(), sel, "")
	if _, want := wantValues(h, "BTC", 1); err != nil || !strings.Contains(string(a.Body), want[19]) {
		t.Errorf("%v: want %s in %s", err, want[19], a.Body)
	}
	if len(h.claims.clients) != 0 {
		t.Errorf("clients %v are charged", h.claims.clients)
	}
	h.claims.clients["i1"] = maxClientExtras
	if p := h.room([]placeKey{{"BTC", 1, sel.Pairs[0].inds[0]}}, "i1", "s"); p != nil {
		t.Errorf("a client with all it may have gets %v", p)
	}
}

func TestAStandInThatFailsLeavesWhatWasPublished(t *testing.T) {
	var h *Hub
	h, _ = laterHub(t, 1000, func(d *decay) { d.delay, d.clock = time.Minute, fake(h) })
	carry(h, 30, 32)
	got := laterValues(t, h)
	if len(got) != 22 || got[19] != "null" || got[20] != "1" || got[21] != "1" {
		t.Errorf("values %v, want those of the records", got)
	}
	if left := leftOver(h); !strings.HasPrefix(left, "0 series 0 claims") {
		t.Errorf("there is %s", left)
	}
}

// Another version of the module than the configured one answers for nothing.
func TestAStandInIsOfTheConfiguredVersion(t *testing.T) {
	h, c := laterHub(t, 1000, nil)
	c.plan[0].version = "00000003"
	if got := laterValues(t, h); slices.ContainsFunc(got, func(v string) bool { return v != "null" }) {
		t.Errorf("values %v of another version", got)
	}
}
