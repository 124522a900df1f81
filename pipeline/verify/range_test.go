package verify

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// A node that runs has published more than it has committed, or less than there
// is: neither is a difference.
func TestARangeThatEndsAnywhereIsFoundEqual(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := run(t, drawTrades(rt), 3*time.Second, decisions(rt))
		b.to = rapid.Int64Range(1, int64(len(b.ticks))).Draw(rt, "committed")
		b.cfg.REST, b.cfg.ViewBars = "http://localhost", 1000 // remember what views show
		// Some of what lies behind is on the topics, some is not yet.
		keep := rapid.Int64Range(b.to, int64(len(b.ticks))).Draw(rt, "published")
		for _, topic := range []*[]kafka.Rec{&b.klines, &b.late, &b.dlq} {
			*topic = slices.DeleteFunc(slices.Clone(*topic), func(r kafka.Rec) bool { so, _ := number(&r, "so"); return so > keep })
		}
		if r, found := b.verify(t); !r.Equal() {
			rt.Fatalf("%+v\n%v", r.Tally, found[:min(len(found), 10)])
		}
		for _, s := range b.found.ordered() {
			for _, sr := range s.series {
				faults := &viewFaults{s: &seenSeries{series: sr}, shown: b.shown(t, sr)}
				if faults.compare(1000, false); len(sr.tail.bars) > 0 && len(faults.bars) > 0 {
					rt.Fatalf("a view of all that is published shows %v of %s %s wrongly", faults.bars, s.name, sr.interval.Name)
				}
			}
		}
	})
}

// shown is what a node shows of a series: the newest revision of each bar.
func (b *bed) shown(t testing.TB, s *series) map[int64]published {
	t.Helper()
	bars := map[int64]published{}
	for i := range b.klines {
		var k published
		if kind, _ := b.klines[i].Header("k"); len(kind) > 0 {
			continue
		}
		if err := parsePublished(b.klines[i].Value, &k); err != nil {
			t.Fatal(err)
		}
		if string(k.sym) == s.symbol.name && string(k.itv) == s.interval.Name {
			bars[k.t] = k
		}
	}
	return bars
}

// What retention has removed cannot be proven, and is not called wrong.
func TestALogThatBeginsAnywhereIsFoundEqual(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := run(t, drawTrades(rt), 3*time.Second, decisions(rt))
		if b.ticks = b.ticks[rapid.IntRange(0, len(b.ticks)-1).Draw(rt, "trades gone"):]; rapid.Bool().Draw(rt, "klines too") && len(b.klines) > 1 {
			gone := rapid.IntRange(1, len(b.klines)-1).Draw(rt, "klines gone")
			b.klines, b.cut = b.klines[gone:], true
			b.oldest, _ = number(&b.klines[0], "so")
		}
		if rapid.Bool().Draw(rt, "late too") && len(b.late) > 1 {
			b.late, b.cut = b.late[rapid.IntRange(1, len(b.late)-1).Draw(rt, "late gone"):], true
			b.refusedFrom, _ = number(&b.late[0], "so")
		}
		if r, found := b.verify(t); !r.Equal() {
			rt.Fatalf("%+v\n%v", r.Tally, found[:min(len(found), 10)])
		}
	})
}

func TestRepeatsOfACrashAreDropped(t *testing.T) {
	b := run(t, benchTrades(2000, 2), 3*time.Second, nil)
	at := len(b.klines) / 2
	b.klines = append(slices.Clone(b.klines[:at]), b.klines[at-20:]...)
	if r := b.equal(t); r.Repeats != 20 {
		t.Errorf("%d repeats, want 20", r.Repeats)
	}
}

// Rows that a database refused lie in dlq without a position: they are counted, and
// what is foreign in dlq, or lies elsewhere, still differs.
func TestDeadLettersOfAHistoryAreNoDifference(t *testing.T) {
	b := run(t, benchTrades(2000, 2), 3*time.Second, nil)
	letter := func(reason string) kafka.Rec {
		header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
		return kafka.Rec{Value: []byte("{}"), Headers: []kafka.Header{header("reason", reason), header("sink", "archive.trades"), header("topic", "ticks"),
			header("sp", "0"), header("off", "7"), header("idx", "0"), header("cause", "22021")}}
	}
	b.dlq = append([]kafka.Rec{letter("sink")}, append(b.dlq, letter("sink"))...)
	if r := b.equal(t); r.HistoryRefused != 2 {
		t.Errorf("%d rows that a history refused, want 2", r.HistoryRefused)
	}
	b.dlq, b.late = append(b.dlq, letter("decode")), append(b.late, letter("sink"))
	if r, _ := b.verify(t); r.ByField["dlq foreign record"] != 1 || r.ByField["late foreign record"] != 1 {
		t.Errorf("differences %v, want a foreign record of each", r.ByField)
	}
}

// An interval that was added later has no bars from before, whose trades are
// there.
func TestAnIntervalAddedLaterLacksItsFirstBars(t *testing.T) {
	b := run(t, benchTrades(4000, 2), 3*time.Second, nil)
	added := func(rec *kafka.Rec) bool {
		so, _ := number(rec, "so")
		return so >= 2000 || !slices.Contains([]string{"7s"}, seriesOf(rec))
	}
	var kept []kafka.Rec
	seq := map[string]int{}
	for i := range b.klines {
		if !added(&b.klines[i]) {
			continue
		}
		rec := b.klines[i]
		if seriesOf(&rec) == "7s" {
			var k published
			if err := parsePublished(rec.Value, &k); err != nil {
				t.Fatal(err)
			}
			seq[string(k.sym)]++
			q := "trades"
			if seq[string(k.sym)] == 1 {
				q = "partial"
			}
			rec.Value = replaced(t, rec.Value, fmt.Sprintf(`"seq":%d,"q":"%s"`, k.seq, k.q), fmt.Sprintf(`"seq":%d,"q":"%s"`, seq[string(k.sym)], q))
		}
		kept = append(kept, rec)
	}
	b.klines, b.cfg.Instances = kept, nil
	if r := b.equal(t); r.Reasons[reasonAdded] == 0 {
		t.Errorf("%v: want bars from before", r.Reasons)
	}
}

// without leaves out the bars of the interval from one position to another, as a
// node does whose configuration lacks it meanwhile: the numbers of the others go on.
func (b *bed) without(t *testing.T, itv string, from, to int64) {
	t.Helper()
	var kept []kafka.Rec
	seq, back := map[string]int64{}, map[string]bool{}
	for _, rec := range b.klines {
		so, _ := number(&rec, "so")
		away := so >= from && so < to
		if seriesOf(&rec) != itv {
			kept = append(kept, rec)
			continue
		}
		var k published
		if err := parsePublished(rec.Value, &k); err != nil {
			t.Fatal(err)
		}
		if away || k.rev > 0 { // a bar of before that is restated would not be there
			continue
		}
		seq[string(k.sym)]++
		q := string(k.q)
		if so >= to && !back[string(k.sym)] {
			back[string(k.sym)], q = true, "partial"
		}
		rec.Value = replaced(t, rec.Value, fmt.Sprintf(`"seq":%d,"q":"%s"`, k.seq, k.q), fmt.Sprintf(`"seq":%d,"q":"%s"`, seq[string(k.sym)], q))
		kept = append(kept, rec)
	}
	b.klines = kept
}

// An interval that was taken away and configured again lacks the bars of
// meanwhile, which is no difference where the journal tells of two changes and
// none of its bars was published between them.
func TestAnIntervalThatWasAwayLacksItsBarsOfMeanwhile(t *testing.T) {
	for _, lateness := range []time.Duration{0, time.Minute} { // bars are judged before the next one is there, and behind it
		b := run(t, benchTrades(6000, 2), lateness, nil)
		b.cfg.Instances = nil
		b.without(t, "7s", 2000, 4000)
		for _, c := range []struct {
			name    string
			changes []int64
			equal   bool
		}{
			{"two changes", []int64{2000, 4000}, true},
			{"in the journal twice, and others", []int64{2000, 2000, 2000, 3100, 4000, 5000}, true},
			{"no change", nil, false},
			{"one change", []int64{2000}, false},
			{"changes of before", []int64{100, 900}, false},
			{"changes between which there are bars", []int64{1000, 3000}, false},
			{"changes of behind", []int64{4400, 4900}, false},
		} {
			b.changes = c.changes
			r, found := b.verify(t)
			if r.Equal() != c.equal {
				t.Errorf("lateness %s, %s: equal %v: %+v\n%v", lateness, c.name, r.Equal(), r.Tally, found[:min(len(found), 5)])
			}
			if n := r.Reasons[reasonAway]; c.equal != (n > 0) {
				t.Errorf("lateness %s, %s: %d bars unproven", lateness, c.name, n)
			}
			if n := r.ByField["klines missing"]; c.equal != (n == 0) {
				t.Errorf("lateness %s, %s: %v, want some missing", lateness, c.name, r.ByField)
			}
		}
	}
}

var valueOfEMASeq = regexp.MustCompile(`("ema\(5\)":\{"v":\[[^]]*\],"n":\d+,"fl":\d+,"seq":)\d+`)

var valueOfEMA = regexp.MustCompile(`("ema\(5\)":\{"v":\[[^]]*\],)"n":\d+,"fl":\d+,"seq":\d+`)

// The same of an indicator, whose values begin anew with the number 1.
func TestAnIndicatorThatWasAwayLacksItsValuesOfMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []int64
		begins  bool // with 1
		equal   bool
	}{
		{"two changes", []int64{2000, 4000}, true, true},
		{"no change", nil, true, false},
		{"changes of before", []int64{100, 900}, true, false},
		{"changes of behind", []int64{5500, 5800}, true, false},
		{"goes on with its numbers", []int64{2000, 4000}, false, false},
	} {
		for _, lateness := range []time.Duration{0, time.Minute} {
			b := run(t, benchTrades(6000, 2), lateness, nil)
			seq := map[string]int{}
			for i := range b.klines {
				rec := &b.klines[i]
				switch so, _ := number(rec, "so"); {
				case so < 2000:
				case so < 4000:
					rec.Value = bytes.Replace(rec.Value, append(valueOfEMA.Find(rec.Value), `,"ver":"0a0b0c0d"},`...), nil, 1)
					if bytes.Contains(rec.Value, []byte("ema")) {
						t.Fatalf("a value is left in %s", rec.Value)
					}
				case c.begins:
					series := string(rec.Key[:bytes.LastIndexByte(rec.Key, '|')])
					seq[series]++
					rec.Value = valueOfEMA.ReplaceAll(rec.Value, fmt.Appendf(nil, `$1"n":%d,"fl":0,"seq":%d`, seq[series], seq[series]))
				}
			}
			b.changes = c.changes
			r, found := b.verify(t)
			if r.Equal() != c.equal || c.equal && r.Reasons[reasonAnew] == 0 {
				t.Errorf("%s, lateness %s: equal %v: %+v\n%v", c.name, lateness, r.Equal(), r.Tally, found[:min(len(found), 5)])
			}
		}
	}
}

// An indicator that was added has no values of the bars before, whether these are judged
// before its first one is there or, within a long lateness, behind it.
func TestAnIndicatorAddedLaterLacksItsFirstValues(t *testing.T) {
	for _, lateness := range []time.Duration{0, time.Hour} {
		for _, c := range []struct {
			changes []int64
			equal   bool
		}{{[]int64{2000}, true}, {[]int64{100, 2500}, false}, {nil, false}} {
			b := run(t, benchTrades(4000, 2), lateness, nil)
			seq := map[string]int{}
			for i := range b.klines {
				rec := &b.klines[i]
				if so, _ := number(rec, "so"); so < 2000 {
					rec.Value = bytes.Replace(rec.Value, append(valueOfEMA.Find(rec.Value), `,"ver":"0a0b0c0d"},`...), nil, 1)
					continue
				}
				series := string(rec.Key[:bytes.LastIndexByte(rec.Key, '|')])
				seq[series]++
				rec.Value = valueOfEMASeq.ReplaceAll(rec.Value, fmt.Appendf(nil, `${1}%d`, seq[series]))
			}
			b.changes = c.changes
			r, found := b.verify(t)
			if r.Equal() != c.equal || r.Values == 0 {
				t.Errorf("lateness %s, changes at %v: equal %v: %+v\n%v", lateness, c.changes, r.Equal(), r.Tally, found[:min(len(found), 5)])
			}
		}
	}
}

// seriesOf is the interval in the key of a kline.
func seriesOf(rec *kafka.Rec) string {
	var k published
	if parsePublished(rec.Value, &k) != nil {
		return ""
	}
	return string(k.itv)
}

// What is held does not grow with the log.
func TestMemoryIsBoundedByWhatMayChange(t *testing.T) {
	b := run(t, benchTrades(60_000, 2), 3*time.Second, nil)
	report := &Report{}
	cfg := b.cfg
	a, err := newAuditor(&cfg, &Range{To: 60_000, End: 60_000}, report)
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	w := walker{a: a, ticks: cursor{feed: &slice{recs: b.ticks}}, klines: newOutputs("klines", &slice{recs: b.klines}),
		late: newOutputs("late", &slice{}), dlq: newOutputs("dlq", &slice{})}
	for i := range b.ticks {
		if err := w.step(t.Context(), &b.ticks[i]); err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, s := range a.symbols {
			for _, sr := range s.series {
				held += len(sr.windows)
			}
		}
		most = max(most, held)
	}
	// 3 s of lateness, 0.5 of delay, 1 s base and 1 s of slack, in bars of 1 s,
	// and one or two of each longer interval; 50 minutes of trades.
	if most > 2*(8+4*2) || report.Bars < 3000 {
		t.Errorf("%d bars were held at a time, %d compared", most, report.Bars)
	}
}

func TestIdsAreRememberedAsLongAsTheEngineDoes(t *testing.T) {
	s, table := &ids{}, newIDTable()
	for i := range int64(3_000_000) {
		tr := trade{kind: idNumber, num: i, ms: i * 5}
		if known, _ := s.known(&tr, table, 1); known {
			t.Fatalf("id %d is known", i)
		}
		s.note(&tr, table, 1, tr.ms, 60_000)
	}
	if n := len(s.pages); n > horizonIDs/pageIDs+2 {
		t.Errorf("%d pages are held", n)
	}
	for back := int64(0); back < 65_536; back += 997 {
		if known, _ := s.known(&trade{kind: idNumber, num: 2_999_999 - back}, table, 1); !known {
			t.Fatalf("the id %d before the last is forgotten", back)
		}
	}
	for i := range int64(1_000_000) {
		table.put(uint64(i)*0x9e3779b97f4a7c15, i)
	}
	if n := len(table.gens[0]) + len(table.gens[1]); n > 2*horizonIDs {
		t.Errorf("%d entries are held", n)
	}
}

// TestATradeWhoseRefusalIsGoneSettlesNoScale: nobody can tell any more that it counted for
// nothing, and a vwap has as many places as trades that counted have needed.
func TestATradeWhoseRefusalIsGoneSettlesNoScale(t *testing.T) {
	recs := benchTrades(4000, 1)
	for _, i := range []int{1000, 2000} { // a minute too late
		recs[i].Value = fmt.Appendf(nil, `{"symbol":"SYM0USDT","price":"60000.123456789","size":"1","ts":%d,"id":%d,"side":"buy"}`, 1_700_000_000_000+int64(i)*50-20_000, 900_000+i)
	}
	b := run(t, recs, 3*time.Second, nil)
	if len(b.late) != 2 {
		t.Fatalf("%d trades are too late, want 2", len(b.late))
	}
	b.late, b.cut = b.late[1:], true
	b.refusedFrom, _ = number(&b.late[0], "so")
	if r := b.equal(t); r.Bars == 0 {
		t.Errorf("nothing is proven: %+v", r.Tally)
	}
	// Without the first trades nobody knows either what they have needed.
	recs = benchTrades(60_000, 1) // fifty minutes
	recs[10].Value = fmt.Appendf(nil, `{"symbol":"SYM0USDT","price":"60000.123456789","size":"1","ts":%d,"id":10,"side":"buy"}`, 1_700_000_000_500)
	b = run(t, recs, 3*time.Second, nil)
	b.ticks = b.ticks[20:]
	if r := b.equal(t); r.Bars == 0 {
		t.Errorf("nothing is proven: %+v", r.Tally)
	}
}
