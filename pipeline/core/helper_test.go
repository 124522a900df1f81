package core

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

const t0 = int64(1_795_239_360_000) // ms, on a minute

// testConfig is a small engine: 1s base, tight lateness.
func testConfig(tb testing.TB, names ...string) Config {
	tb.Helper()
	if len(names) == 0 {
		names = []string{"1s", "5s", "15s", "1m", "90s"}
	}
	return Config{
		Intervals: intervals(tb, names...), WatermarkDelay: 500, AllowedLateness: 10_000, IdleDelay: 1000, MaxFuture: 3_600_000,
	}
}

func mustNew(tb testing.TB, c Config) *Engine {
	tb.Helper()
	e, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func (t *testTrade) trade() Trade {
	p, err := ParseDecimal([]byte(t.price))
	if err != nil {
		panic(err)
	}
	q, err := ParseDecimal([]byte(t.size))
	if err != nil {
		panic(err)
	}
	return Trade{
		Symbol: []byte(t.symbol), Price: p, Size: q, EventNS: t.ns, ID: NewTradeID([]byte(t.id)), Seq: t.seq,
		HasSeq: true, Side: t.side,
	}
}

// apply offers one event as the record at offset.
func apply(e *Engine, offset int64, ev event, out *Outputs) error {
	r := Record{Offset: offset, Timestamp: ev.ts, Source: ev.source}
	if ev.trades == nil {
		return e.Heartbeat(&r, Heartbeat{Source: ev.source, TS: ev.hb, Up: true}, out)
	}
	var ts []Trade
	for i := range ev.trades {
		ts = append(ts, ev.trades[i].trade())
	}
	return e.Trades(&r, ts, out)
}

// run applies all events and returns the lines of the klines.
func run(tb rapid.TB, e *Engine, evs []event) []string {
	tb.Helper()
	var lines []string
	out := new(Outputs)
	for _, ev := range evs {
		if err := apply(e, e.Next(), ev, out); err != nil {
			tb.Fatal(err)
		}
		for i := range out.Klines {
			lines = append(lines, klineLine(&out.Klines[i]))
		}
		out.Reset()
	}
	checkConservation(tb, e)
	return lines
}

func checkConservation(tb rapid.TB, e *Engine) {
	tb.Helper()
	c := e.Counters()
	if c.Trades != c.Applied+c.Restated+c.Duplicate+c.Late+c.Rejected {
		tb.Fatalf("trades are lost in the sums: %+v", c)
	}
	sum := int64(0)
	for _, n := range c.ByReason {
		sum += n
	}
	if sum != c.Rejected+c.Late+c.Undecodable+c.BadHeartbeats {
		tb.Fatalf("reasons do not add up: %+v", c)
	}
}

// drawEvents draws a feed: mostly ascending, some disorder, some late, some
// duplicates, arrays and heartbeats. Ids are unique per symbol unless a
// duplicate is meant, so order seq = id is total.
func drawEvents(t *rapid.T, textIDs bool) []event {
	n := rapid.IntRange(1, 120).Draw(t, "events")
	now := t0 * 1_000_000
	var evs []event
	var past []testTrade
	id := int64(1000)
	for range n {
		now += rapid.Int64Range(0, 3_000_000_000).Draw(t, "step")
		source := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "source")
		ev := event{source: source, ts: now / 1_000_000}
		if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
			ev.hb = now/1_000_000 - rapid.Int64Range(0, 20_000).Draw(t, "behind")
			evs = append(evs, ev)
			continue
		}
		for range rapid.IntRange(1, 3).Draw(t, "trades") {
			if len(past) > 0 && rapid.IntRange(0, 6).Draw(t, "dup") == 0 {
				d := past[rapid.IntRange(0, len(past)-1).Draw(t, "which")]
				if rapid.IntRange(0, 2).Draw(t, "conflict") == 0 {
					d.price += "1"
				}
				ev.trades = append(ev.trades, d)
				continue
			}
			id++
			back := rapid.SampledFrom([]int64{0, 0, 0, 200, 600, 3000, 9000, 12_000, 40_000}).Draw(t, "back")
			tr := testTrade{
				symbol: source + rapid.SampledFrom([]string{"A", "B"}).Draw(t, "symbol"),
				price:  drawDecimal(t, "price"), size: drawDecimal(t, "size"),
				id: fmt.Sprint(id), ns: now - rapid.Int64Range(0, 1000).Draw(t, "jitter")*back*1000, seq: id,
				side: Side(rapid.IntRange(0, 2).Draw(t, "side")),
			}
			if textIDs {
				tr.id = fmt.Sprintf("t-%d", id)
			}
			past = append(past, tr)
			ev.trades = append(ev.trades, tr)
		}
		evs = append(evs, ev)
	}
	return evs
}

func drawDecimal(t *rapid.T, label string) string {
	places := rapid.IntRange(0, 6).Draw(t, label+" places")
	if places == 0 {
		return fmt.Sprint(rapid.IntRange(1, 99_999).Draw(t, label))
	}
	return fmt.Sprintf("%d.%0*d", rapid.IntRange(1, 999).Draw(t, label), places, rapid.IntRange(1, 9).Draw(t, label+" frac"))
}

func equalLines(tb rapid.TB, got, want []string) {
	tb.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			tb.Fatalf("line %d of %d/%d:\n got %s\nwant %s", i, len(got), len(want), g, w)
		}
	}
}

func equalSnapshots(tb rapid.TB, a, b *Engine) {
	tb.Helper()
	if !bytes.Equal(a.Snapshot(nil), b.Snapshot(nil)) {
		tb.Fatal("states differ")
	}
}
