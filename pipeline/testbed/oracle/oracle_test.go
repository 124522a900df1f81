package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func intervals(t testing.TB, names ...string) []Interval {
	t.Helper()
	var list []Interval
	for _, name := range names {
		interval, err := ParseInterval(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, interval)
	}
	return list
}

// record is a trade at an offset of partition 3.
func record(offset int64, payload string) Record {
	return Record{Topic: "ticks", Partition: 3, Offset: offset, Payload: &payload}
}

// handTrades is small enough to be summed by hand: two minutes, one repeat, one trade out of order, a tie of two ids.
func handTrades(t testing.TB) []Trade {
	t.Helper()
	var in Input
	for offset, payload := range []string{
		`{"symbol":"A","price":"10.5","size":"2","ts":60000,"id":1,"side":"buy"}`,
		`{"symbol":"A","price":11,"size":1e-1,"ts":119999,"id":4,"side":"sell"}`,
		`{"symbol":"A","price":"9.75","size":"0.4","ts":90000,"id":3,"side":"buy"}`,
		`{"symbol":"A","price":"10.5","size":"2","ts":60000,"id":1,"side":"buy"}`,
		`{"symbol":"A","price":"10","size":"1","ts":60000,"id":0}`,
		`[{"symbol":"A","price":"12","size":"3","ts":120000,"id":5,"side":"buy"},{"symbol":"A","price":"x","size":"3","ts":1,"id":6}]`,
	} {
		if err := in.Add(record(int64(offset), payload)); err != nil {
			t.Fatal(err)
		}
	}
	if len(in.Bad) != 1 || in.Bad[Place{3, 5, 1}] == nil {
		t.Fatalf("bad trades: %v", in.Bad)
	}
	return in.Trades
}

func TestBarsAgreeWithSumsMadeByHand(t *testing.T) {
	got := Bars(handTrades(t), Options{Intervals: intervals(t, "1m"), WatermarkDelayMS: 0})
	if len(got) != 2 {
		t.Fatalf("%d klines", len(got))
	}
	// 10 x 1 + 10.5 x 2 + 9.75 x 0.4 + 11 x 0.1 = 36; 36 / 3.5 = 10.285714285714..
	want := Kline{
		Symbol: "A", Interval: "1m", Open: 60000, End: 119999, O: "10", H: "11", L: "9.75", C: "11", V: "3.5", QV: "36", BV: "2.4", BQV: "24.9",
		VWAP: "10.28571429", N: 4, First: "0", Last: "4", Final: true,
	}
	kline := got[0].Kline
	if *kline.Source != (Source{3, 0, 4}) {
		t.Errorf("source %+v", *kline.Source)
	}
	kline.Source = nil
	if kline != want {
		t.Errorf("got  %+v\nwant %+v", kline, want)
	}
	if !got[0].Due || got[1].Due {
		t.Errorf("due: %v %v", got[0].Due, got[1].Due)
	}
}

func TestRefusedTradesAreLeftOut(t *testing.T) {
	got := Bars(handTrades(t), Options{Intervals: intervals(t, "1m"), Refused: map[Place]string{{3, 4, 0}: "too_late"}})
	if got[0].O != "10.5" || got[0].N != 3 {
		t.Errorf("o %s n %d", got[0].O, got[0].N)
	}
}

func TestDivisionRoundsHalfToEven(t *testing.T) {
	tests := []struct {
		a, b     string
		decimals int
		want     string
	}{
		{"1", "8", 2, "0.12"}, {"3", "8", 2, "0.38"}, {"1.25", "1", 1, "1.2"}, {"1.35", "1", 1, "1.4"},
		{"1.2500001", "1", 1, "1.3"}, {"2", "3", 8, "0.66666667"}, {"-1", "8", 2, "-0.12"}, {"-3", "8", 2, "-0.38"}, {"0.0000001", "1", 8, "0.0000001"},
	}
	for _, test := range tests {
		a, errA := parseDecimal(test.a)
		b, errB := parseDecimal(test.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := divide(a, b, test.decimals).String(); got != test.want {
			t.Errorf("%s/%s at %d decimals is %s, want %s", test.a, test.b, test.decimals, got, test.want)
		}
	}
}

func TestDecimalTextIsShortest(t *testing.T) {
	for text, want := range map[string]string{
		"1e-07": "0.0000001", "1.50": "1.5", "100": "100", "0.0": "0", "-0.0": "0", "12e2": "1200", "1E3": "1000", "00.10": "0.1", "-0.05": "-0.05",
	} {
		d, err := parseDecimal(text)
		if err != nil || d.String() != want {
			t.Errorf("%q is %q, %v; want %q", text, d, err, want)
		}
	}
	for _, text := range []string{"", ".", "1.2.3", "0x10", "NaN", "1e99", "1_000", strings.Repeat("1", 41)} {
		if d, err := parseDecimal(text); err == nil {
			t.Errorf("%q was read as %s", text, d)
		}
	}
}

func TestBucketsOpenWhereTheDesignSays(t *testing.T) {
	tests := []struct {
		name           string
		at, open, next int64
	}{
		{"1m", 60_001, 60_000, 120_000},
		{"7m", 1_385_337_600_000, 1_385_337_240_000, 1_385_337_660_000},
		{"1d", 1_723_161_255_342, 1_723_075_200_000, 1_723_161_600_000},
		{"1w", 1_723_161_255_342, 1_722_816_000_000, 1_723_420_800_000}, // Monday 2024-08-05
		{"1w", 0, -259_200_000, 345_600_000},                            // Monday 1969-12-29
		{"7h", 22 * hour, 21 * hour, 24 * hour},                         // the last one ends at midnight
		{"1M", 1_709_164_800_000, 1_706_745_600_000, 1_709_251_200_000}, // 29 February 2024
		{"1q", 1_709_164_800_000, 1_704_067_200_000, 1_711_929_600_000},
	}
	for _, test := range tests {
		if open, next := intervals(t, test.name)[0].Bucket(test.at); open != test.open || next != test.next {
			t.Errorf("%s at %d: %d to %d, want %d to %d", test.name, test.at, open, next, test.open, test.next)
		}
	}
	for _, name := range []string{"", "m", "0m", "1x", "1Min", "-1m", "1m "} {
		if _, err := ParseInterval(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

// publish makes the records of the klines topic from expected klines, as a faultless engine would write them.
func publish(t testing.TB, bars []Expected) []Record {
	t.Helper()
	seq := map[string]int64{}
	var records []Record
	for i, bar := range bars {
		k := bar.Kline
		seq[k.Symbol+k.Interval]++
		payload := fmt.Sprintf(`{"sym":%q,"itv":%q,"t":%d,"T":%d,"o":%q,"h":%q,"l":%q,"c":%q,"v":%q,"qv":%q,"n":%d,"bv":%q,"bqv":%q,"vwap":%q,"f":%s,"L":%s,"final":true,"rev":0,"seq":%d,"src":{"p":%d,"o0":%d,"o1":%d}}`,
			k.Symbol, k.Interval, k.Open, k.End, k.O, k.H, k.L, k.C, k.V, k.QV, k.N, k.BV, k.BQV, k.VWAP, k.First, k.Last, seq[k.Symbol+k.Interval], k.Source.Partition, k.Source.From, k.Source.To)
		records = append(records, Record{Topic: "klines", Partition: 3, Offset: int64(i), Headers: Headers{"so": fmt.Sprint(100 + i/2), "sk": fmt.Sprint(i % 2)}, Payload: &payload})
	}
	return records
}

func read(t testing.TB, records []Record) *Reader {
	t.Helper()
	var r Reader
	for _, record := range records {
		if err := r.Add(record); err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

func TestComparisonSeesEachKindOfFault(t *testing.T) {
	var in Input
	for i := range 40 {
		if err := in.Add(record(int64(i), fmt.Sprintf(`{"symbol":"A","price":"%d.25","size":"1","ts":%d,"id":%d,"side":"buy"}`, 10+i%7, 60_000*i/4, i))); err != nil {
			t.Fatal(err)
		}
	}
	want := Bars(in.Trades, Options{Intervals: intervals(t, "1m"), AllClosed: true})
	edit := func(r Record, old, replacement string) Record {
		changed := strings.Replace(*r.Payload, old, replacement, 1)
		if changed == *r.Payload {
			t.Fatalf("%q is not in %s", old, changed)
		}
		r.Payload = &changed
		return r
	}
	at := func(r Record, so string) Record {
		r.Headers = Headers{"so": so, "sk": "0"}
		return r
	}
	tests := []struct {
		name   string
		change func(rs []Record) []Record
		want   Report
	}{
		{"nothing", func(rs []Record) []Record { return rs }, Report{}},
		{"repeats after a crash", func(rs []Record) []Record { return append(rs[:6:6], rs[2:]...) }, Report{Repeats: 4}},
		{"repeat with other bytes", func(rs []Record) []Record {
			return append(rs[:6:6], append([]Record{edit(rs[5], `"n":4`, `"n":5`)}, rs[6:]...)...)
		}, Report{Repeats: 1, Differ: 1}},
		{"lost", func(rs []Record) []Record { return append(rs[:4:4], rs[5:]...) }, Report{Lost: 1, Holes: 1}},
		{"doubled", func(rs []Record) []Record { return append(rs, at(edit(rs[9], `"seq":10`, `"seq":11`), "900")) }, Report{Doubled: 1}},
		{"wrong volume", func(rs []Record) []Record { rs[3] = edit(rs[3], `"v":"4"`, `"v":"5"`); return rs }, Report{Wrong: 1}},
		{"id as a string", func(rs []Record) []Record { rs[3] = edit(rs[3], `"f":12`, `"f":"12"`); return rs }, Report{Wrong: 1}},
		{"extra", func(rs []Record) []Record {
			return append(rs, at(edit(edit(rs[9], `"t":540000`, `"t":600000`), `"seq":10`, `"seq":11`), "900"))
		}, Report{Extra: 1}},
		{"hole in seq", func(rs []Record) []Record { rs[9] = edit(rs[9], `"seq":10`, `"seq":12`); return rs }, Report{Holes: 1}},
		{"restated", func(rs []Record) []Record {
			rs[3] = edit(rs[3], `"v":"4"`, `"v":"3"`)
			again := edit(edit(edit(rs[3], `"v":"3"`, `"v":"4"`), `"rev":0`, `"rev":1`), `"seq":4`, `"seq":11`)
			return append(rs, at(again, "900"))
		}, Report{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Compare(read(t, test.change(publish(t, want))), want)
			if (got.Err() == nil) != (test.want.Err() == nil) || (got.Err() != nil && len(got.Diffs) == 0) {
				t.Errorf("error %v with %d differences", got.Err(), len(got.Diffs))
			}
			got.Diffs, got.Expected, got.Found = nil, 0, 0
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %v\nwant %v", got, test.want)
			}
		})
	}
}

func TestKlinesDoNotDependOnArrivalWhereIDsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		var in Input
		for i := range n {
			payload := fmt.Sprintf(`{"symbol":"S%d","price":"%d.%d","size":"0.%d","ts":%d,"id":%d,"side":"%s"}`, i%2, rapid.IntRange(1, 50).Draw(t, "p"), rapid.IntRange(0, 99).Draw(t, "d"),
				rapid.IntRange(1, 999).Draw(t, "s"), rapid.IntRange(0, 200_000).Draw(t, "ts"), i, []string{"buy", "sell"}[i%2])
			if err := in.Add(record(int64(i), payload)); err != nil {
				t.Fatal(err)
			}
		}
		options := Options{Intervals: []Interval{{"1m", 1, "m"}, {"1h", 1, "h"}}}
		want := Bars(in.Trades, options)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		shuffled := append(append([]Trade(nil), in.Trades...), in.Trades[:n/2]...) // half of them twice
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for i := range shuffled {
			shuffled[i].Place.Offset = int64(i)
		}
		got := Bars(shuffled, options)
		for i := range got {
			got[i].Source, want[i].Source = nil, nil
		}
		if a, b := asJSON(got), asJSON(want); a != b {
			t.Fatalf("shuffled %s\nin order %s", a, b)
		}
	})
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
