package caddymodule

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func TestAUserMayAskForSixtyFourIndicators(t *testing.T) {
	c := clock.NewFake(time.UnixMilli(1e12))
	a := newDemandQuotas(c)
	for i := range maxDemanded {
		if p := a.take("uann", []string{fmt.Sprintf("sma(%d)", i+2)}); p != nil {
			t.Fatalf("indicator %d: %v", i, p)
		}
	}
	if p := a.take("uann", []string{"sma(2)", "sma(3)"}); p != nil {
		t.Errorf("what she has already: %v", p)
	}
	if p := a.take("uann", []string{"sma(500)"}); p == nil || p.status != http.StatusTooManyRequests || p.retryAfter == 0 {
		t.Errorf("one more: %v", p)
	}
	if p := a.take("ubob", []string{"sma(500)"}); p != nil {
		t.Errorf("somebody else: %v", p)
	}
	c.Advance(demandedTime + time.Second)
	if p := a.take("uann", []string{"sma(500)"}); p != nil {
		t.Errorf("later: %v", p)
	}
}

// A request that is refused computes nothing, and so takes nothing of what is left: the
// user asks for less and gets it.
func TestARefusedRequestTakesNoIndicators(t *testing.T) {
	a := newDemandQuotas(clock.NewFake(time.UnixMilli(1e12)))
	names := func(from, n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("sma(%d)", from+i))
		}
		return out
	}
	if p := a.take("uann", names(0, maxDemanded-4)); p != nil {
		t.Fatal(p)
	}
	if p := a.take("uann", names(100, 5)); p == nil || p.value != "sma(104)" {
		t.Errorf("five where four are left: %+v", p)
	}
	if p := a.take("uann", append(names(200, 4), names(200, 4)...)); p != nil {
		t.Errorf("four others: %v", p)
	}
}

func TestRoutesCountWhatIsComputedOnDemand(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 5)
	k := testKlines(e)
	k.limiter = newLimiter(e.clock, 1e6, 1_000_000)
	last := 0
	for i := range maxDemanded + 1 {
		path := fmt.Sprintf("/v1/values?sym=BTCUSD&itv=1m&ind=sma(%d)", i+30)
		if i%2 == 1 {
			path = fmt.Sprintf("/v1/latest?s=BTCUSD@1m:sma(%d)", i+30)
		}
		w, _ := ask(t, k, "GET", path)
		last = w.Code
		if i < maxDemanded && last != http.StatusOK {
			t.Fatalf("indicator %d: %d %s", i, last, w.Body)
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("one more was answered with %d", last)
	}
}
