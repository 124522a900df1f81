package core

import (
	"fmt"
	"math"
	"testing"
)

func TestDuplicateIDs(t *testing.T) {
	cfg := testConfig(t, "1h")
	cfg.AllowedLateness = 0
	type feed func(i int) TradeID
	for name, id := range map[string]feed{
		"ascending":  func(i int) TradeID { return TradeID{Kind: IDInt, Num: int64(i)} },
		"descending": func(i int) TradeID { return TradeID{Kind: IDInt, Num: int64(-i)} },
		"steps":      func(i int) TradeID { return TradeID{Kind: IDInt, Num: int64(i) * 37} },
		"snowflakes": func(i int) TradeID { return TradeID{Kind: IDInt, Num: int64(i) * 1_000_003} },
		"scattered":  func(i int) TradeID { return TradeID{Kind: IDInt, Num: int64(mix(uint64(i)))} },
		"extremes": func(i int) TradeID {
			return TradeID{Kind: IDInt, Num: math.MaxInt64 - int64(i%2)*(math.MaxInt64-int64(i))}
		},
		"text": func(i int) TradeID { return TradeID{Kind: IDText, Text: fmt.Appendf(nil, "trade/%d", i)} },
	} {
		t.Run(name, func(t *testing.T) {
			e, out := mustNew(t, cfg), new(Outputs)
			const n = 20_000
			fresh := map[string]bool{}
			for round := range 2 {
				for i := range n {
					x := good(0, t0+int64(i))
					x.ID = id(i + 1)
					if round == 0 {
						fresh[fmt.Sprint(x.ID)] = true
					}
					step(t, e, t0+int64(i), out, x)
					out.Reset()
				}
			}
			if c := e.Counters(); c.Applied != int64(len(fresh)) || c.Duplicate != 2*n-int64(len(fresh)) {
				t.Fatalf("%d different ids: %+v", len(fresh), c)
			}
			if h := e.ClosedHorizon(); h.IDBlocks > 200 {
				t.Errorf("%d blocks of bits for %s ids", h.IDBlocks, name)
			}
		})
	}
}

func TestConflictNamesADuplicateWithOtherNumbers(t *testing.T) {
	for _, id := range []TradeID{{Kind: IDInt, Num: 7}, {Kind: IDText, Text: []byte("seven")}} {
		e, out := mustNew(t, testConfig(t)), new(Outputs)
		x := good(0, t0)
		x.ID = id
		step(t, e, t0, out, x)
		x.Price = Decimal{10000, 2} // the same number, written longer
		step(t, e, t0, out, x)
		x.Price = Decimal{10001, 2} // would widen the symbol
		step(t, e, t0, out, x)
		if c := e.Counters(); c.Applied != 1 || c.Duplicate != 1 || c.ByReason[ReasonConflict] != 1 || c.Widened != 0 || c.DedupHits != 2 {
			t.Fatalf("id %v: %+v", id, c)
		}
	}
}

func TestIDBelowTheHorizonIsNeverAppliedTwice(t *testing.T) {
	for _, text := range []bool{false, true} {
		cfg := testConfig(t, "1h")
		cfg.DedupWindow, cfg.DedupIDs, cfg.AllowedLateness = 1000, 8192, 1000
		e, out := mustNew(t, cfg), new(Outputs)
		make := func(i int, ms int64) Trade {
			x := good(int64(i), ms)
			if text {
				x.ID = TradeID{Kind: IDText, Text: fmt.Appendf(nil, "t%d", i)}
			}
			return x
		}
		for i := range 40_000 {
			step(t, e, t0+int64(i), out, make(i, t0+int64(i)))
		}
		for i := range 40_000 { // the hour is open: every one of them would be in time
			step(t, e, t0+40_000, out, make(i, t0+int64(i)))
		}
		c := e.Counters()
		if c.Applied != 40_000 || c.ByReason[ReasonDedupHorizon] == 0 || c.Duplicate+c.ByReason[ReasonDedupHorizon] != 40_000 {
			t.Fatalf("text %v: %+v", text, c)
		}
		h := e.ClosedHorizon()
		if h.IDBlocks > 4 || h.Fingerprints > 2*8192 {
			t.Errorf("text %v: remembers %+v", text, h)
		}
		checkConservation(t, e)
	}
}

func TestTradesWithoutIDAreCounted(t *testing.T) {
	e, out := mustNew(t, testConfig(t)), new(Outputs)
	x := good(0, t0)
	x.ID, x.Side = TradeID{}, SideUnknown
	step(t, e, t0, out, x, x)
	if c := e.Counters(); c.Applied != 2 || c.NoID != 2 || c.UnknownSide != 2 {
		t.Fatalf("%+v", c)
	}
}

func TestTextOfAnIntegerIsTheInteger(t *testing.T) {
	for text, want := range map[string]IDKind{
		"42": IDInt, "-42": IDInt, "042": IDText, "+42": IDText, "9223372036854775808": IDText, "a": IDText, "": IDNone, "-0": IDText,
		"9223372036854775807": IDInt,
	} {
		if got := NewTradeID([]byte(text)); got.Kind != want {
			t.Errorf("%q is of kind %d, want %d", text, got.Kind, want)
		}
	}
}

// TestAHoleThatIsFilledLateBringsNoForgottenIDBack: ids of a block that was never seen
// come in when the blocks above it are forgotten already.
func TestAHoleThatIsFilledLateBringsNoForgottenIDBack(t *testing.T) {
	cfg := testConfig(t, "1h")
	cfg.DedupWindow, cfg.DedupIDs, cfg.AllowedLateness = 1000, 100_000, 1000
	e, out := mustNew(t, cfg), new(Outputs)
	at := func(block, i int) int64 { return int64(block)*blockIDs + int64(i) }
	send := func(id, ms int64) { step(t, e, ms, out, good(id, ms)) }
	for i := range 100 { // the hole is block 2
		send(at(1, i), t0+int64(i))
		send(at(3, i), t0+1000+int64(i))
	}
	send(at(4, 0), t0+10_000) // block 1 is forgotten
	send(at(2, 0), t0+600)    // the hole is filled, and block 3 forgotten
	send(at(5, 0), t0+20_000) // block 2 is forgotten
	applied := e.Counters().Applied
	for i := range 100 { // the hour is open: each would be in time
		send(at(3, i), t0+1000+int64(i))
	}
	if c := e.Counters(); c.Applied != applied {
		t.Fatalf("%d trades counted twice: %+v", c.Applied-applied, c)
	}
	checkConservation(t, e)
}

// TestATimestampOfAnySizeLeavesAReadableSnapshot: a timestamp is whatever a producer wrote.
func TestATimestampOfAnySizeLeavesAReadableSnapshot(t *testing.T) {
	for _, ts := range []int64{-1 << 63, -1, 0, 1 << 61, 1<<63 - 1} {
		cfg := testConfig(t)
		cfg.DedupIDs = 4
		e, out := mustNew(t, cfg), new(Outputs)
		for i := range int64(20) {
			x := good(i, t0+i)
			x.ID = TradeID{Kind: IDText, Text: fmt.Appendf(nil, "t%d", i)}
			step(t, e, max(ts, ts+i), out, x)
		}
		again := mustNew(t, cfg)
		if err := again.Restore(e.Snapshot(nil)); err != nil {
			t.Errorf("timestamp %d: %v", ts, err)
		}
	}
}

// TestTwoSequencesOfIDsUnderOneSymbolStayBounded: two venues under one name, or a venue
// that gives some trades ids of another kind.
func TestTwoSequencesOfIDsUnderOneSymbolStayBounded(t *testing.T) {
	cfg := testConfig(t, "1h")
	cfg.DedupWindow, cfg.DedupIDs, cfg.AllowedLateness = 20_000, 8192, 1000
	e, out := mustNew(t, cfg), new(Outputs)
	const high, n = int64(3_000_000_000), 300_000
	most := 0
	for i := range int64(n) { // a high id each ms, and now and then one of another kind
		ms := t0 + i
		step(t, e, ms, out, good(high+i, ms))
		if i%500 == 0 {
			step(t, e, ms, out, good(i/500, ms))
		}
		if out.Reset(); i%10_000 == 0 {
			most = max(most, e.ClosedHorizon().IDBlocks)
		}
	}
	// Twenty seconds are five blocks of the higher sequence, one or two of the lower.
	if most > maxSequence+1 {
		t.Errorf("%d blocks are kept at most, want %d", most, maxSequence+1)
	}
	applied := e.Counters().Applied
	again := mustNew(t, cfg)
	if err := again.Restore(e.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	equalSnapshots(t, e, again)
	for i := int64(0); i < n; i += 777 { // the hour is open: each would be in time
		step(t, again, t0+n, out, good(high+i, t0+i))
	}
	if c := again.Counters(); c.Applied != applied || c.Duplicate == 0 || c.ByReason[ReasonDedupHorizon] == 0 {
		t.Errorf("%d trades counted twice: %+v", c.Applied-applied, c)
	}
	checkConservation(t, again)
}
