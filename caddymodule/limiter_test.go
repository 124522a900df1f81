package caddymodule

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func TestLimiterRefusesBehindTheBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(clock.Real(), 10, 3)
		for i := range 3 {
			if ok, _ := l.allow("a"); !ok {
				t.Fatalf("request %d of the burst was refused", i+1)
			}
		}
		ok, wait := l.allow("a")
		if ok || wait != 100*time.Millisecond {
			t.Errorf("request 4: allowed %v, wait %v; want a wait of 100ms", ok, wait)
		}
		if ok, _ := l.allow("b"); !ok {
			t.Error("another key was refused")
		}
		time.Sleep(wait)
		if ok, _ := l.allow("a"); !ok {
			t.Error("refused after the wait that was announced")
		}
	})
}

func TestLimiterKeepsAtMostItsKeys(t *testing.T) {
	l := newLimiter(clock.Real(), 1, 1)
	for i := range limiterKeys + 1 {
		l.allow(strconv.Itoa(i))
	}
	if len(l.buckets) != limiterKeys || l.order.Len() != limiterKeys {
		t.Errorf("%d buckets, list of %d, want %d", len(l.buckets), l.order.Len(), limiterKeys)
	}
	if _, there := l.buckets["0"]; there {
		t.Error("the key that was quiet longest is still there")
	}
}
