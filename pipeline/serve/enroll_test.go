package serve

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// items is a selection of n different instances, none of which was asked for before.
func items(from, n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("mine/decay(%d)", from+i))
	}
	return "BTC@1m:" + strings.Join(out, ",")
}

// A client that asks for more than it may have leaves nothing behind: the quota is
// counted between the reading of a request and its answer.
func TestReadingARequestKeepsNoInstance(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 12)
	for i := range 20 {
		sel, p := h.ParseSelection(context.Background(), []string{items(200*i, 200)})
		if p != nil {
			t.Fatal(p)
		}
		if names := h.OnDemandOf(&sel); len(names) != 200 || names[0] != fmt.Sprintf("mine/decay(%d)", 200*i) {
			t.Fatalf("the quota sees %d: %v", len(names), names[:1])
		}
		q, p := h.ParseValues(context.Background(), url.Values{"sym": {"BTC"}, "itv": {"1m"}, "ind": {fmt.Sprintf("mine/decay(%d.5)", i)}}, 0)
		if p != nil || len(h.OnDemandValues(&q)) != 1 {
			t.Fatal(p, q)
		}
	}
	if n := len(h.dyn.list); n != 0 {
		t.Errorf("%d instances are kept that nobody may have", n)
	}
	if _, p := h.ParseSelection(context.Background(), []string{items(0, MaxSeries+1)}); p == nil || p.Limit != MaxSeries {
		t.Errorf("more series than a selection may have: %v", p)
	}
	sel, p := h.ParseSelection(context.Background(), []string{items(0, 2)})
	if p != nil {
		t.Fatal(p)
	}
	if p := h.Enroll(&sel); p != nil || len(h.dyn.byName) != 2 {
		t.Errorf("enrolled: %v, %d", p, len(h.dyn.byName))
	}
	if again, p := h.ParseSelection(context.Background(), []string{items(0, 2)}); p != nil || fmt.Sprint(again.Pairs[0].inds) != fmt.Sprint(sel.Pairs[0].inds) {
		t.Errorf("asked for again: %v", p)
	}
}

// However many different instances are asked for, what is remembered of them has a
// bound; later there is room again.
func TestTheTableOfInstancesHasABound(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 12)
	refused := 0
	for i := range maxNumbers + 10 {
		if _, p := h.enroll("ind", fmt.Sprintf("mine/decay(%d)", i)); p != nil {
			if refused++; p.Status != 429 || p.Code != CodeTooMany {
				t.Fatalf("instance %d: %+v", i, p)
			}
		}
	}
	if n := len(h.dyn.list); n != maxNumbers || refused != 10 || len(h.dyn.byName) != maxDynamic {
		t.Errorf("%d are remembered, %d have a name, %d were refused", n, len(h.dyn.byName), refused)
	}
	fake(h).Advance(reuseAfter + time.Second)
	if _, p := h.enroll("ind", "mine/decay(77777)"); p != nil {
		t.Errorf("later: %v", p)
	}
	if n := len(h.dyn.list); n != maxNumbers {
		t.Errorf("%d are remembered", n)
	}
}
