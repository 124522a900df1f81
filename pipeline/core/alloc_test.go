package core

import "testing"

func TestStepAllocatesNothing(t *testing.T) {
	e, f, out := benchEngine(t, "1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"), newBenchFeed(50, 1000), new(Outputs)
	one := func() {
		r, ts := f.next()
		if err := e.Trades(r, ts, out); err != nil {
			t.Fatal(err)
		}
		out.Reset()
	}
	for range 300_000 {
		one()
	}
	if n := testing.AllocsPerRun(20_000, one); n != 0 {
		t.Errorf("%v allocations per trade", n)
	}
}

func TestStateOfASymbolIsSmall(t *testing.T) {
	e, f, out := benchEngine(t, "1m", "5m", "15m", "1h", "4h", "1d"), newBenchFeed(1000, 2000), new(Outputs)
	for range 400_000 {
		r, ts := f.next()
		if err := e.Trades(r, ts, out); err != nil {
			t.Fatal(err)
		}
		out.Reset()
	}
	h := e.ClosedHorizon()
	if h.KeptBars > 1000*6*3 || h.OpenBars > 1000*6*2 {
		t.Errorf("1,000 symbols keep %+v", h)
	}
	if n := len(e.Snapshot(nil)) / 1000; n > 3000 {
		t.Errorf("%d bytes of snapshot per symbol", n)
	} else {
		t.Logf("%d bytes of snapshot per symbol, %+v", n, h)
	}
}
