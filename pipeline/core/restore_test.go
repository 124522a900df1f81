package core

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestIntervalsChangeAtRestart draws three sets of intervals with a restart
// between them: what is in both keeps its bars to the byte, what is new starts
// at a boundary with a partial bar.
func TestIntervalsChangeAtRestart(t *testing.T) {
	names := []string{"1s", "2s", "4s", "6s", "12s", "90s"}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []string {
			for {
				var out []string
				for _, n := range names {
					if rapid.Bool().Draw(t, label+n) {
						out = append(out, n)
					}
				}
				if len(out) > 0 {
					return out
				}
			}
		}
		evs := drawEvents(t, false)
		for i := range evs {
			for j := range evs[i].trades {
				evs[i].trades[j].ns = max(evs[i].trades[j].ns, evs[i].ts*1_000_000)
			}
			if evs[i].trades == nil {
				evs[i].hb = evs[i].ts
			}
		}
		sets := [][]string{draw("a"), draw("b"), draw("c")}
		cuts := []int{rapid.IntRange(0, len(evs)).Draw(t, "cut1"), rapid.IntRange(0, len(evs)).Draw(t, "cut2")}
		cuts[0], cuts[1] = min(cuts[0], cuts[1]), max(cuts[0], cuts[1])
		full := lineSet(run(t, propertyEngine(t, names...), evs))
		e := propertyEngine(t, sets[0]...)
		got := run(t, e, evs[:cuts[0]])
		bounds := []int{cuts[0], cuts[1], len(evs)}
		for i := 1; i < 3; i++ {
			next := propertyEngine(t, sets[i]...)
			if err := next.Restore(e.Snapshot(nil)); err != nil {
				t.Fatal(err)
			}
			again := propertyEngine(t, sets[i]...)
			if err := again.Restore(next.Snapshot(nil)); err != nil {
				t.Fatal(err)
			}
			equalSnapshots(t, again, next)
			e = next
			got = append(got, run(t, e, evs[bounds[i-1]:bounds[i]])...)
		}
		seen, counted := map[string]bool{}, map[string]int64{}
		for _, l := range got {
			// Also of an interval that was not there meanwhile.
			f := strings.Fields(l)
			series := f[0] + " " + f[1]
			if counted[series]++; f[len(f)-2] != "seq="+strconv.FormatInt(counted[series], 10) {
				t.Fatalf("sets %v cuts %v: %s\nwant number %d", sets, cuts, l, counted[series])
			}
			key, body := splitLine(l)
			if want, ok := full[key]; !ok || body != want {
				t.Fatalf("sets %v cuts %v: %s\n got %s\nwant %s", sets, cuts, key, body, want)
			}
			if seen[key] {
				t.Fatalf("%s was published twice", key)
			}
			seen[key] = true
		}
		for key := range full { // an interval that was there all the time misses nothing
			name := strings.Fields(key)[1]
			all := true
			for _, s := range sets {
				all = all && strings.Contains(" "+strings.Join(s, " ")+" ", " "+name+" ")
			}
			if all && !seen[key] {
				t.Fatalf("sets %v cuts %v: %s is missing", sets, cuts, key)
			}
		}
	})
}

func lineSet(lines []string) map[string]string {
	out := map[string]string{}
	for _, l := range lines {
		k, b := splitLine(l)
		out[k] = b
	}
	return out
}

// splitLine separates symbol, interval and open time from the numbers; seq and
// quality depend on when the interval was added.
func splitLine(l string) (key, body string) {
	f := strings.Fields(l)
	return strings.Join(f[:3], " "), strings.Join(f[3:len(f)-2], " ")
}

func TestAddedIntervalStartsPartialAtTheNextBoundary(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	step(t, e, t0+10_500, out, good(1, t0+10_500))
	n := mustNew(t, testConfig(t, "1s", "1m"))
	if err := n.Restore(e.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	for i, ms := range []int64{20_000, 61_000, 121_000, 181_000} {
		step(t, n, t0+ms, out, good(int64(i+2), t0+ms))
	}
	var got []string
	for i := range out.Klines {
		if k := &out.Klines[i]; k.Interval == "1m" {
			got = append(got, k.Q.String()+" "+string(AppendDecimal(nil, (k.OpenTime-t0)/60_000, 0)))
		}
	}
	equalLines(t, got, []string{"partial 1", "trades 2"})
}

// An interval that is taken away and configured again goes on with the numbers of
// its bars: in the topic stand the old ones, behind which 1 would be no news.
func TestAnIntervalThatComesBackGoesOnWithItsNumbers(t *testing.T) {
	next := func(e *Engine, itvs ...string) *Engine {
		n := mustNew(t, testConfig(t, itvs...))
		if err := n.Restore(e.Snapshot(nil)); err != nil {
			t.Fatal(err)
		}
		return n
	}
	e, out := mustNew(t, testConfig(t, "1s", "1m")), new(Outputs)
	id := int64(0)
	trade := func(sym string, ms int64) {
		id++
		x := good(id, t0+ms)
		x.Symbol = []byte(sym)
		step(t, e, t0+ms, out, x)
	}
	for m := range int64(3) { // two bars
		trade("A", m*60_000+10_000)
	}
	e = next(next(e, "1s"), "1s", "5s") // gone over more than one change
	trade("A", 200_000)
	trade("B", 200_001) // never had a bar of it
	e = next(e, "1s", "1m")
	out.Reset()
	for m := int64(4); m < 8; m++ {
		trade("A", m*60_000+10_000)
		trade("B", m*60_000+10_001)
	}
	var got []string
	for i := range out.Klines {
		if k := &out.Klines[i]; k.Interval == "1m" {
			got = append(got, fmt.Sprint(k.Symbol, " minute ", (k.OpenTime-t0)/60_000, " seq ", k.Seq, " ", k.Q))
		}
	}
	equalLines(t, got, []string{
		"A minute 4 seq 3 partial", "B minute 4 seq 1 partial", "A minute 5 seq 4 trades", "B minute 5 seq 2 trades",
		"A minute 6 seq 5 trades", "B minute 6 seq 3 trades",
	})
	var k Kline
	if !e.Forming(e.symbols[0].id, 1, &k) || k.Seq != 5 || k.Q != QualityTrades {
		t.Errorf("forming: seq %d quality %s, want 5, that of the last bar, and trades", k.Seq, k.Q)
	}
}

// What is remembered of intervals that are gone is bounded, and the latest stay.
func TestIntervalsThatAreGoneAreForgottenInTime(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	step(t, e, t0, out, good(1, t0))
	for i := range maxRetired + 8 {
		n := mustNew(t, testConfig(t, fmt.Sprint(61+2*i, "s")))
		if err := n.Restore(e.Snapshot(nil)); err != nil {
			t.Fatal(err)
		}
		e = n
	}
	if len(e.retired) != maxRetired || len(e.symbols[0].retired) != maxRetired ||
		e.retired[maxRetired-1] != fmt.Sprint(61+2*(maxRetired+6), "s") {
		t.Errorf("%d intervals are remembered, the last %q", len(e.retired), e.retired[len(e.retired)-1])
	}
}

func TestLongerDelayAfterRestartOpensNoClosedBar(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	step(t, e, t0, out, good(1, t0))
	step(t, e, t0+1600, out, good(2, t0+1600))
	if len(out.Klines) != 1 {
		t.Fatalf("%d klines", len(out.Klines))
	}
	cfg := testConfig(t, "1s")
	cfg.WatermarkDelay = 5000
	n := mustNew(t, cfg)
	if err := n.Restore(e.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	step(t, n, t0+1700, out, good(3, t0+500))
	if len(out.Klines) != 1 || out.Klines[0].Rev != 1 || out.Klines[0].N != 2 {
		t.Fatalf("late trade under a longer delay: %+v", out.Klines)
	}
}

func TestShorterDelayClosesDueBarsWithTheConfigDecision(t *testing.T) {
	cfg := testConfig(t, "1s")
	cfg.WatermarkDelay = 5000
	e, out := mustNew(t, cfg), new(Outputs)
	step(t, e, t0, out, good(1, t0))
	step(t, e, t0+4000, out, good(2, t0+4000))
	n := mustNew(t, testConfig(t, "1s"))
	if err := n.Restore(e.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	step(t, n, t0+4000, out, good(3, t0+10)) // due but not closed: still in time
	if c := n.Counters(); c.Applied != 3 || len(out.Klines) != 0 {
		t.Fatalf("counters %+v, %d klines", c, len(out.Klines))
	}
	if err := n.Act(n.Next(), Op{Kind: OpConfig}, out); err != nil {
		t.Fatal(err)
	}
	if len(out.Klines) != 1 || out.Klines[0].N != 2 || out.Klines[0].Rev != 0 {
		t.Fatalf("klines %+v", out.Klines)
	}
}

func TestLongerLatenessAfterRestartRestatesNothingForgotten(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s")), new(Outputs)
	for i := range int64(40) {
		step(t, e, t0+i*1000, out, good(i+1, t0+i*1000))
	}
	cfg := testConfig(t, "1s")
	cfg.AllowedLateness = 3_600_000
	n := mustNew(t, cfg)
	if err := n.Restore(e.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	step(t, n, t0+40_000, out, good(100, t0+500))
	if len(out.Klines) != 0 || len(out.Diverted) != 1 || out.Diverted[0].Reason != ReasonTooLate {
		t.Fatalf("klines %d, diverted %+v", len(out.Klines), out.Diverted)
	}
}

func TestSnapshotRefusesWhatItDoesNotKnow(t *testing.T) {
	e, out := mustNew(t, testConfig(t)), new(Outputs)
	step(t, e, t0, out, good(1, t0))
	good := e.Snapshot(nil)
	add := func(id uint16) []byte {
		b := binary.LittleEndian.AppendUint16(append([]byte(nil), good...), id)
		return append(binary.LittleEndian.AppendUint32(b, 3), "abc"...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"whole", good, true},
		{"unknown section below 0x8000", add(0x7fff), true},
		{"unknown section from 0x8000", add(0x8000), false},
		{"section twice", append(append([]byte(nil), good...), good...), false},
		{"cut", good[:len(good)-1], false},
		{"empty", nil, false},
	} {
		n := mustNew(t, testConfig(t))
		if err := n.Restore(c.b); (err == nil) != c.ok {
			t.Errorf("%s: error %v", c.name, err)
		} else if err != nil && n.Next() != 0 {
			t.Errorf("%s: a failed restore changed the engine", c.name)
		}
	}
	cfg := testConfig(t)
	cfg.Partition, cfg.Partitions = 1, 2
	if err := mustNew(t, cfg).Restore(good); err == nil || !strings.Contains(err.Error(), "partition 0, not 1") {
		t.Errorf("snapshot of another partition: %v", err)
	}
}

// fuzzConfig has small tables, so that a run spends its time on the snapshot.
func fuzzConfig(tb testing.TB) Config {
	cfg := testConfig(tb)
	cfg.DedupIDs = 64
	return cfg
}

func FuzzSnapshotLoad(f *testing.F) {
	e, out := mustNew(f, fuzzConfig(f)), new(Outputs)
	f.Add(e.Snapshot(nil))
	for i := range int64(30) {
		x := good(i*3+1, t0+i*450)
		if i%3 == 0 {
			x.ID = NewTradeID([]byte("id-" + itoa(int(i))))
		}
		x.Symbol = []byte{'A' + byte(i%4)}
		step(f, e, t0+i*450, out, x)
	}
	f.Add(e.Snapshot(nil))
	cfg := fuzzConfig(f)
	cfg.Intervals = cfg.Intervals[1:]
	fewer := mustNew(f, cfg)
	if err := fewer.Restore(e.Snapshot(nil)); err != nil {
		f.Fatal(err)
	}
	f.Add(fewer.Snapshot(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := mustNew(t, fuzzConfig(t))
		if e.Restore(b) != nil {
			return
		}
		first := e.Snapshot(nil)
		again := mustNew(t, fuzzConfig(t))
		if err := again.Restore(first); err != nil {
			t.Fatalf("own snapshot is refused: %v", err)
		}
		equalSnapshots(t, again, e)
		out := new(Outputs)
		for i := range int64(20) {
			x := good(i*1000, t0+i*700)
			x.Symbol = []byte{'A' + byte(i%4)}
			_ = e.Trades(&Record{Offset: e.Next(), Timestamp: t0 + i*700, Source: "x"}, []Trade{x}, out)
			_ = e.Heartbeat(&Record{Offset: e.Next(), Timestamp: t0 + i*700, Source: "x"}, Heartbeat{"x", t0 + i*700, true}, out)
		}
		for id := range e.Symbols() {
			var k Kline
			for i := range 5 {
				e.Forming(uint32(id), i, &k)
			}
		}
	})
}

func TestAnOrderDeclaredAfterARestartCounts(t *testing.T) {
	cfg := testConfig(t, "1s")
	e, out := mustNew(t, cfg), new(Outputs)
	send := func(e *Engine, id, seq, ms int64, price int64) {
		x := good(id, ms)
		x.Seq, x.HasSeq, x.Price = seq, true, Decimal{Coef: price}
		step(t, e, ms, out, x)
	}
	send(e, 1, 1, t0, 10)
	cfg.Symbols = []SymbolRule{{Pattern: "*", PriceScale: -1, SizeScale: -1, Order: OrderSeq}}
	again := mustNew(t, cfg)
	if err := again.Restore(e.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	// One moment: by their ids the second is the last, by the sequence the first is.
	send(again, 2, 9, t0+2000, 20)
	send(again, 3, 8, t0+2000, 30)
	send(again, 4, 10, t0+9000, 40)
	for i := range out.Klines {
		if k := &out.Klines[i]; k.OpenTime == t0+2000 && (k.O != 30 || k.C != 20) {
			t.Errorf("the bar opens at %d and closes at %d, by the sequence it is 30 and 20", k.O, k.C)
		}
	}
	if len(out.Klines) != 2 {
		t.Errorf("%d bars closed, want 2", len(out.Klines))
	}
}
