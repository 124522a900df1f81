package core

import "testing"

func beat(tb testing.TB, e *Engine, source string, ts int64, up bool, out *Outputs) {
	tb.Helper()
	if err := e.Heartbeat(&Record{Offset: e.Next(), Timestamp: ts, Source: source}, Heartbeat{source, ts, up}, out); err != nil {
		tb.Fatal(err)
	}
}

func tradeOf(source, symbol string, id, ms int64) func(testing.TB, *Engine, *Outputs) {
	return func(tb testing.TB, e *Engine, out *Outputs) {
		tb.Helper()
		x := good(id, ms)
		x.Symbol = []byte(symbol)
		if err := e.Trades(&Record{Offset: e.Next(), Timestamp: ms, Source: source}, []Trade{x}, out); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestBusySymbolNeverClosesAQuietOne(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	tradeOf("x", "QUIET", 1, t0)(t, e, out)
	tradeOf("y", "OTHER", 1, t0)(t, e, out)
	for i := range int64(100) {
		tradeOf("x", "BUSY", i+1, t0+i*1000)(t, e, out)
	}
	for i := range out.Klines {
		if out.Klines[i].Symbol != "BUSY" {
			t.Fatalf("closed %s", klineLine(&out.Klines[i]))
		}
	}
	out.Reset()
	beat(t, e, "x", t0+200_000, true, out)
	if len(out.Klines) != 3 || out.Klines[0].Symbol != "QUIET" || out.Klines[1].Symbol != "BUSY" {
		t.Fatalf("heartbeat of x closed %d bars", len(out.Klines))
	}
	out.Reset()
	beat(t, e, "y", t0+1499, true, out)
	if len(out.Klines) != 0 {
		t.Fatal("a bar closed 1 ms before its end and delay")
	}
	beat(t, e, "y", t0+1500, true, out)
	if len(out.Klines) != 1 || out.Klines[0].Symbol != "OTHER" || out.Klines[0].So != e.Next()-1 {
		t.Fatalf("heartbeat of y: %+v", out.Klines)
	}
}

func TestHeartbeatsNeverGoBack(t *testing.T) {
	e, out := mustNew(t, testConfig(t)), new(Outputs)
	beat(t, e, "x", t0, true, out)
	beat(t, e, "x", t0-60_000, false, out)
	if s := e.Sources()[0]; s.Watermark != t0 || !s.Down {
		t.Fatalf("source %+v", s)
	}
	beat(t, e, "x", t0+1, true, out)
	if s := e.Sources()[0]; s.Watermark != t0+1 || s.Down {
		t.Fatalf("source %+v", s)
	}
}

func TestIdleDecision(t *testing.T) {
	build := func(event, timestamp int64) (*Engine, *Outputs) {
		e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
		x := good(1, event)
		if err := e.Trades(&Record{Timestamp: timestamp, Source: "x"}, []Trade{x}, out); err != nil {
			t.Fatal(err)
		}
		return e, out
	}
	e, out := build(t0, t0+200)
	// E + (now-K) - idle_delay must reach end + watermark_delay.
	if op, ok := e.IdleOp("x", t0+200+2499); ok {
		t.Fatalf("a millisecond early: %+v", op)
	}
	op, ok := e.IdleOp("x", t0+200+2500)
	if !ok || op.TS != t0+1500 || op.Now != t0+2700 || op.Kind != OpIdle || op.Source != "x" {
		t.Fatalf("decision %+v %v", op, ok)
	}
	if err := e.Act(e.Next(), op, out); err != nil {
		t.Fatal(err)
	}
	if len(out.Klines) != 1 || out.Klines[0].So != e.Next() || e.Counters().Decisions != 1 {
		t.Fatalf("klines %+v", out.Klines)
	}
	if op, ok := e.IdleOp("x", t0+100_000); ok {
		t.Fatalf("nothing is open: %+v", op)
	}
	if e, _ := build(t0, t0+liveWithin); func() bool { _, ok := e.IdleOp("x", t0+900_000); return !ok }() {
		t.Fatal("five minutes old is live")
	}
	if e, _ := build(t0, t0+liveWithin+1); func() bool { _, ok := e.IdleOp("x", t0+900_000); return ok }() {
		t.Fatal("the clock closed the bar of a source that is not live")
	}
	if e, _ := build(t0, -1); func() bool { _, ok := e.IdleOp("x", t0+900_000); return ok }() {
		t.Fatal("the clock closed a bar of a record without timestamp")
	}
	e, out = build(t0, t0)
	beat(t, e, "x", t0, false, out)
	if _, ok := e.IdleOp("x", t0+60_000); ok {
		t.Fatal("the clock closed the bar of a source that is down")
	}
}

// Its producers may share a source, and one of them may have a fast clock: the time
// that has not come closes nothing of the others.
func TestIdleDecisionStaysBehindTheClock(t *testing.T) {
	const hour = 3_600_000
	for name, ahead := range map[string]struct{ event, timestamp, maxFuture int64 }{
		"trade and record":         {t0 + hour, t0 + hour, 5000},
		"trade, within max_future": {t0 + hour, t0, 2 * hour},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t, "1s")
			cfg.MaxFuture = ahead.maxFuture
			e, out := mustNew(t, cfg), new(Outputs)
			tradeOf("x", "BTC", 1, t0)(t, e, out)
			fast := good(2, ahead.event)
			fast.Symbol = []byte("FAST")
			if err := e.Trades(&Record{Offset: e.Next(), Timestamp: ahead.timestamp, Source: "x"}, []Trade{fast}, out); err != nil {
				t.Fatal(err)
			}
			op, ok := e.IdleOp("x", t0+10_000)
			if !ok || op.TS != t0+10_000-cfg.IdleDelay {
				t.Fatalf("decision %+v %v, want %d", op, ok, t0+10_000-cfg.IdleDelay)
			}
			if err := e.Act(e.Next(), op, out); err != nil {
				t.Fatal(err)
			}
			tradeOf("x", "BTC", 3, t0+11_000)(t, e, out)
			if c := e.Counters(); c.Late != 0 || c.Applied != 3 {
				t.Fatalf("after the pause: %+v", c)
			}
		})
	}
}

func TestHistoricalSourceWaitsForItsOwnTrades(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	month := t0 - 30*86_400_000
	tradeOf("x", "BTC", 1, month)(t, e, out) // stamps the event time: looks live
	if _, ok := e.LivenessOp("x", month, t0, false); ok {
		t.Fatal("a backlog is not a replay")
	}
	op, ok := e.LivenessOp("x", month, t0, true)
	if !ok || op.Kind != OpHistorical {
		t.Fatalf("decision %+v", op)
	}
	if err := e.Act(e.Next(), op, out); err != nil {
		t.Fatal(err)
	}
	if _, ok := e.IdleOp("x", t0); ok {
		t.Fatal("the clock closed a historical bar")
	}
	if _, ok := e.LivenessOp("x", month+1000, t0, true); ok {
		t.Fatal("declared twice")
	}
	tradeOf("x", "BTC", 2, month+600_000)(t, e, out)
	if c := e.Counters(); c.Late != 0 || c.Applied != 2 {
		t.Fatalf("after the pause: %+v", c)
	}
	op, ok = e.LivenessOp("x", t0-liveWithin, t0, false)
	if !ok || op.Kind != OpLive {
		t.Fatalf("decision %+v", op)
	}
	if err := e.Act(e.Next(), op, out); err != nil || e.Sources()[0].Historical {
		t.Fatalf("source %+v, %v", e.Sources()[0], err)
	}
}

func TestDecisionsAheadOrUnknownAreRefused(t *testing.T) {
	e, out := mustNew(t, testConfig(t)), new(Outputs)
	step(t, e, t0, out, good(1, t0))
	before := string(e.Snapshot(nil))
	if err := e.Act(e.Next()+1, Op{Kind: OpIdle, Source: "x", TS: t0 + 60_000}, out); err == nil {
		t.Error("acted before its offset")
	}
	for _, k := range []OpKind{OpNone, OpConfig + 1} {
		if err := e.Act(e.Next(), Op{Kind: k}, out); err == nil {
			t.Errorf("acted on kind %d", k)
		}
	}
	if string(e.Snapshot(nil)) != before {
		t.Error("a refused decision changed the state")
	}
	if err := e.Act(e.Next(), Op{Kind: OpStart}, out); err != nil || e.Counters().Starts != 1 || e.Counters().Decisions != 0 {
		t.Errorf("start: %v %+v", err, e.Counters())
	}
	for k := OpIdle; k <= OpConfig; k++ {
		if back, ok := ParseOpKind(k.String()); !ok || back != k {
			t.Errorf("%v reads back as %v", k, back)
		}
	}
}

func TestSourcesAreBounded(t *testing.T) {
	e, out := mustNew(t, testConfig(t)), new(Outputs)
	for i := range maxSources { // with a symbol each
		tradeOf("feed"+itoa(i), "S"+itoa(i), int64(i), t0)(t, e, out)
	}
	tradeOf("one more", "BTC", 99_999, t0)(t, e, out)
	beat(t, e, "one more", t0, true, out)
	if len(e.Sources()) != maxSources || e.Counters().Rejected != 1 || e.Counters().BadHeartbeats != 1 {
		t.Fatalf("%d sources, %+v", len(e.Sources()), e.Counters())
	}
	checkConservation(t, e)
}

// A producer that names itself after its process is a new source after each
// restart. The symbols stay with the first one, so the others can be forgotten:
// refusing trades from the 1,025th on would lose them.
func TestSourcesWithoutSymbolsMakeRoomForNewOnes(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	for i := range int64(3 * maxSources) {
		tradeOf("pod-"+itoa(int(i)), "BTC", i, t0+i*1000)(t, e, out)
		if i%100 == 0 { // as a restart at any time
			n := mustNew(t, testConfig(t, "1s"))
			if err := n.Restore(e.Snapshot(nil)); err != nil {
				t.Fatal(err)
			}
			equalSnapshots(t, n, e)
			e = n
		}
	}
	beat(t, e, "beats alone", t0+3*maxSources*1000, true, out)
	c, sources := e.Counters(), e.Sources()
	if c.Rejected != 0 || c.BadHeartbeats != 0 || c.Applied != 3*maxSources || len(sources) != maxSources {
		t.Fatalf("%d sources, %+v", len(sources), c)
	}
	if sources[0].Name != "pod-0" || e.sourceByName["pod-1"] != nil || e.sourceByName["pod-"+itoa(3*maxSources-1)] == nil || e.sourceByName["beats alone"] == nil {
		t.Errorf("the first source %q has the symbol, and the newest are known", sources[0].Name)
	}
	for name, s := range e.sourceByName {
		if s.name != name || e.sources[s.idx] != s {
			t.Errorf("source %q is %q, number %d", name, s.name, s.idx)
		}
	}
	checkConservation(t, e)
}
