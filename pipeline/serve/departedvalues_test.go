package serve

import (
	"fmt"
	"testing"
)

// A bar that had left memory before anything was computed, or is born before one that had,
// has no place among those that values are computed from: nothing is known of the bars
// between.
func TestBarsThatHaveLeftMemoryChangeNoValuesOnDemand(t *testing.T) {
	for name, c := range map[string]struct {
		late made
		with []Record // in the same batch
	}{
		"restated":    {late: bare("BTC", 14, 1, 30)},
		"born late":   {late: bare("BTC", 12, 0, 30)},
		"with others": {late: bare("BTC", 14, 1, 30), with: []Record{bare("BTC", 31, 0, 31).record(31, 31, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(1)
			cfg.ViewBars, cfg.AllowedLateness = 5, 60*minute
			h, plain := NewHub(cfg), NewHub(cfg)
			for _, x := range []*Hub{h, plain} {
				x.Loaded()
				x.SetComputer(&decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}})
				closeBars(x, 10, 12)
				closeBars(x, 13, 20)
				get(t, x, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)")
				closeBars(x, 20, 30)
			}
			s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
			defer s.Close()
			read(t, s)
			c.late.close = "1000000"
			h.Apply(0, append([]Record{c.late.record(30, 30, 0)}, c.with...))
			plain.Apply(0, c.with)
			_, got := shownValues(h, "BTC", "mine/decay(0.25)")
			if _, want := shownValues(plain, "BTC", "mine/decay(0.25)"); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("values %v, want those without the bar, %v", got, want)
			}
			for _, m := range read(t, s) {
				if m.event == eventRevise {
					t.Errorf("told %s, want no values of a bar that has left", m.data)
				}
			}
		})
	}
}

// What is restated beside it is still in memory, and changes the values after it.
func TestABarInMemoryChangesValuesBesideOneThatHasLeft(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewBars, cfg.AllowedLateness = 5, 60*minute
	h := NewHub(cfg)
	h.Loaded()
	h.SetComputer(&decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}})
	closeBars(h, 10, 30)
	get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)")
	here, gone := bare("BTC", 27, 1, 30), bare("BTC", 15, 1, 31)
	here.close, gone.close = "7777", "1000000"
	h.Apply(0, []Record{here.record(30, 30, 0), gone.record(31, 31, 0)})
	_, want := wantValues(h, "BTC", 0.25)
	if _, got := shownValues(h, "BTC", "mine/decay(0.25)"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("values %v, want those of the bars in memory, %v", got, want)
	}
}
