package serve

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// restarted is a hub that has followed bars 101 to 110 of A and has yet to absorb
// what stands before them, which the second result does.
func restarted(viewBars int) (h *Hub, absorb func()) {
	cfg := testConfig(1)
	cfg.ViewBars = viewBars
	h, log := NewHub(cfg), &keptLog{}
	h.Loaded()
	for i := range int64(110) {
		log.recs = append(log.recs, testBar("A", i+1, i+1).record(i, i, 0))
	}
	h.SetArchive(log)
	h.Partial(true)
	h.Apply(0, log.recs[100:])
	return h, func() {
		old := h.Sibling()
		old.Apply(0, log.recs[:100])
		h.Absorb(old)
		h.Partial(false)
	}
}

// While the past is absorbed an answer says which bars it may lack, and nothing
// keeps it.
func TestWhatIsNotAbsorbedYetIsSaid(t *testing.T) {
	for _, viewBars := range []int{1000, 5} { // with 5 the log is asked for the others
		h, absorb := restarted(viewBars)
		oldest := int64(101 * minute)
		now := fake(h).Now().UnixMilli()
		for target, want := range map[string]string{
			"/v1/klines?sym=A&itv=1m&from=600000&to=1200000":            "600000-1200000",
			"/v1/klines?sym=A&itv=1m&from=600000&to=1200000&format=csv": "600000-1200000",
			"/v1/klines?sym=A&itv=1m&from=600000&limit=3":               fmt.Sprint("600000-", oldest),
			"/v1/klines?sym=A&itv=1m&limit=50&closed=1":                 fmt.Sprint("-", oldest),
			"/v1/klines?sym=A&itv=1m&to=1200000&closed=1":               "-1200000",
			"/v1/klines?sym=A&itv=1m&limit=10&closed=1":                 "",
			"/v1/klines?sym=A&itv=1m&from=6060000&closed=1":             "",
			"/v1/values?sym=A&itv=1m&ind=ema(3)&from=600000&to=1200000": "600000-1200000",
			"/v1/bundle?s=A@1m&limit=50":                                fmt.Sprint("-", oldest),
			"/v1/klines?sym=B&itv=1m&from=600000&to=1200000":            "600000-1200000",
			"/v1/klines?sym=B&itv=1m&closed=1":                          fmt.Sprint("-", now),
			"/v1/klines?sym=A&itv=5m&from=600000&to=1200000":            "600000-1200000",
		} {
			a, text := get(t, h, target)
			if a.MissingText() != want || want != "" && a.Cache != CacheLive {
				t.Errorf("%d bars, %s: missing %q, %q, want %q and no-cache in %s", viewBars, target, a.MissingText(), a.Cache.Control(), want, text)
			}
			if said := strings.Contains(text, `"missing":[[`); said != (want != "") && !strings.Contains(target, "csv") {
				t.Errorf("%d bars, %s: %s", viewBars, target, text)
			}
		}
		before, _ := get(t, h, "/v1/klines?sym=A&itv=1m&from=600000&to=1200000")
		absorb()
		a, text := get(t, h, "/v1/klines?sym=A&itv=1m&from=600000&to=1200000")
		if len(decode[klinesBody](t, text).Bars) != 10 || a.Missing != nil || a.Cache != CacheHistory || a.ETag == before.ETag {
			t.Errorf("%d bars, absorbed: %q %q %s", viewBars, a.Cache.Control(), a.MissingText(), text)
		}
	}
}

// A store that holds nothing says nothing about what is still to be absorbed.
func TestAnEmptyStoreDoesNotHideWhatIsNotAbsorbedYet(t *testing.T) {
	h, absorb := restarted(1000)
	h.SetStores([]Store{newFakeStore()}, StoreConfig{Timeout: time.Minute})
	for range 2 { // the second time it is known that the store holds nothing
		if a, text := get(t, h, "/v1/klines?sym=A&itv=1m&limit=50&closed=1"); a.MissingText() != fmt.Sprint("-", 101*minute) {
			t.Errorf("missing %q in %s", a.MissingText(), text)
		}
	}
	absorb()
	if a, text := get(t, h, "/v1/klines?sym=A&itv=1m&limit=50&closed=1"); a.Missing != nil || len(decode[klinesBody](t, text).Bars) != 50 {
		t.Errorf("absorbed: missing %q in %s", a.MissingText(), text)
	}
}
