package caddymodule

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// In JSON one field of rate may be left out; kline_ingest refused that, against its
// documented defaults, and klines took it.
func TestOneFieldOfARateHasItsDefaultInEveryHandler(t *testing.T) {
	for _, tt := range []struct {
		rate  Rate
		want  float64
		burst int
	}{
		{Rate{}, defaultRate, defaultBurst},
		{Rate{PerSecond: 10}, 10, defaultBurst},
		{Rate{Burst: 7}, defaultRate, 7},
	} {
		if err := (&Ingest{Rate: &tt.rate}).Validate(); err != nil {
			t.Errorf("%+v: %v", tt.rate, err)
		}
		e, _ := startedEngine(t, clock.Real(), 1)
		i := &Ingest{engine: e, Rate: &tt.rate}
		i.prepare()
		if float64(i.limiter.rate) != tt.want || i.limiter.burst != tt.burst {
			t.Errorf("%+v: %v per second, bursts of %d", tt.rate, i.limiter.rate, i.limiter.burst)
		}
	}
}

// A rate of 1e-300 made a Retry-After of less than nothing: the wait overflowed.
func TestTheSlowestRateTellsHowLongToWait(t *testing.T) {
	r := &Rate{PerSecond: minRate, Burst: 1}
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	l := r.limiter(clock.NewFake(time.Unix(1e9, 0)))
	l.allow("a")
	if ok, wait := l.allow("a"); ok || wait != 1000*time.Second || l.window() != 1000 {
		t.Errorf("%v, a wait of %v in a window of %d s", ok, wait, l.window())
	}
}

func TestRatesThatAreNoneAreRefusedWithTheLimit(t *testing.T) {
	for _, r := range []Rate{{PerSecond: -1}, {PerSecond: 1e-300}, {PerSecond: 0.0009}, {PerSecond: math.NaN()}, {PerSecond: 1e7}, {Burst: -1}, {Burst: 1e7}} {
		for name, check := range map[string]func() error{"klines": (&Klines{Rate: &r}).Validate, "kline_ingest": (&Ingest{Rate: &r}).Validate} {
			if err := check(); err == nil || !strings.Contains(err.Error(), "up to 1000000") {
				t.Errorf("%s, %+v: %v", name, r, err)
			}
		}
	}
}

// kline_ingest shares this check with kline_indicators, which the message named in
// a site that had none.
func TestIngestDoesNotBlameKlineIndicators(t *testing.T) {
	err := (&Ingest{Identity: "{http.auth.user.id}", AllowUnauthenticated: true}).Validate()
	if err == nil || strings.Contains(err.Error(), "kline_indicators") {
		t.Fatal(err)
	}
}
