package serve

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestVersionsChangeAtOneBarOnDemand(t *testing.T) {
	h, c := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	c.supersede(h, 22*minute, "00000002")
	h.mend(context.Background())
	for n := int64(20); n < 24; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
		if n == 20 {
			if got := h.Compare("mine"); got.Series != 1 || got.Bars != 11 || got.Differing != 11 || got.Relative != 2 {
				t.Errorf("comparison %+v", got)
			}
		}
	}
	var vers []string
	for _, data := range dataOf(told(t, s), "indicator") {
		e := decode[struct {
			T   int64
			Ver string
		}](t, data)
		vers = append(vers, fmt.Sprintf("%d:%s", e.T/minute, e.Ver))
	}
	want := "[20:00000001 21:00000001 22:00000002 23:00000002]"
	if fmt.Sprint(vers) != want {
		t.Errorf("versions %v, want %v", vers, want)
	}
	_, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)")
	if !strings.Contains(body, `"ver":"00000002"`) {
		t.Errorf("the answer does not name the version: %s", body)
	}
	_, wv := wantValues(h, "BTC", -0.25)
	_, gv := shownValues(h, "BTC", "mine/decay(0.25)")
	if fmt.Sprint(gv) != fmt.Sprint(wv) {
		t.Errorf("rows %v, want %v", gv, wv)
	}
	if c.open.Load() != 1 {
		t.Errorf("%d states are open, want 1", c.open.Load())
	}
}

func TestVersionsChangeAgainAndAgainOnDemand(t *testing.T) {
	h, c := demandHub(nil)
	n := int64(10)
	bars := func(count int) {
		for range count {
			h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0)})
			n++
		}
	}
	bars(5)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	want := []string{}
	for v := 2; v < 8; v++ {
		c.supersede(h, (n+2)*minute, fmt.Sprintf("%08d", v%3+1))
		h.mend(context.Background())
		bars(2)
		fake(h).Advance(time.Hour) // the time of the change has come long ago
		h.mend(context.Background())
		bars(2)
		want = append(want, fmt.Sprintf("%08d", v%3+1), fmt.Sprintf("%08d", v%3+1))
	}
	var got []string
	for _, data := range dataOf(told(t, s), "indicator") {
		got = append(got, decode[struct{ Ver string }](t, data).Ver)
	}
	for i := 0; i < len(want); i += 2 {
		if at := 2*i + 2; got[at] != want[i] || got[at+1] != want[i] {
			t.Errorf("change %d: %v, want %s", i/2, got[at:at+2], want[i])
		}
	}
	if c.open.Load() != 1 {
		t.Errorf("%d states are open, want 1", c.open.Load())
	}
}

// A version that takes over says nothing about a shadow that is not prepared yet.
func TestAShadowIsNotComparedByTheVersionThatTakesOver(t *testing.T) {
	h, c := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	c.supersede(h, 22*minute, "00000002")
	h.mend(context.Background())
	h.Shadow("mine", func(name string) (Program, error) { return c.make(name, "00000003") })
	if got := h.Compare("mine"); got.Series != 0 {
		t.Errorf("nothing is prepared, compared was %+v", got)
	}
	h.mend(context.Background())
	if got := h.Compare("mine"); got.Series != 1 || got.Bars != 10 || got.Relative != 0.5 {
		t.Errorf("compared was %+v", got)
	}
	h.Unshadow("mine")
	h.mend(context.Background())
	if got := h.Compare("mine"); got.Relative != 2 {
		t.Errorf("without the shadow compared was %+v", got)
	}
}
