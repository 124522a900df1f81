package oracle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Report is the result of a comparison. All counts but Expected, Found and Repeats are faults.
type Report struct {
	Expected int // klines that the oracle computed
	Found    int // different klines that were published
	Lost     int // due and not published
	Doubled  int // one revision of one kline published twice
	Wrong    int // a field differs
	Extra    int // published, but no trade falls into them
	Holes    int // seq or rev does not go up by one
	Repeats  int // dropped by the reader rule: a fault in transactional mode only
	Differ   int // repeats with other bytes than the first
	Diffs    []string
}

// maxDiffs bounds the text of a report: the first differences tell the cause, a million do not tell more.
const maxDiffs = 20

// Err is nil when the published klines are exactly the expected ones.
func (r Report) Err() error {
	if r.Lost+r.Doubled+r.Wrong+r.Extra+r.Holes+r.Differ == 0 {
		return nil
	}
	return errors.New(r.String())
}

// String is one line of counts, followed by the first differences.
func (r Report) String() string {
	counts := fmt.Sprintf("expected %d found %d: lost %d doubled %d wrong %d extra %d holes %d repeats %d differing %d",
		r.Expected, r.Found, r.Lost, r.Doubled, r.Wrong, r.Extra, r.Holes, r.Repeats, r.Differ)
	return strings.Join(append([]string{counts}, r.Diffs...), "\n")
}

func (r *Report) note(count *int, format string, args ...any) {
	*count++
	if len(r.Diffs) < maxDiffs {
		r.Diffs = append(r.Diffs, fmt.Sprintf(format, args...))
	}
}

// Compare holds the klines topic, read by the reader rule, against the oracle: the last revision of every kline in every field, and
// the run of seq and rev over all of them.
func Compare(topic *Reader, want []Expected) Report {
	report := Report{Repeats: topic.Repeats}
	if topic.Differing > 0 {
		report.Differ = topic.Differing
		report.Diffs = append(report.Diffs, fmt.Sprintf("%d repeats differ from the record of the same position", topic.Differing))
	}
	report.checkRuns(topic.Klines)
	report.compare(newestOf(topic.Klines), want)
	return report
}

// CompareKlines holds klines of a surface that shows one revision each (REST, a store) against the oracle. Forming klines are
// passed over.
func CompareKlines(got []Kline, want []Expected) Report {
	var report Report
	seen := map[Key]bool{}
	for _, kline := range got {
		if kline.Final && seen[kline.Key()] {
			report.note(&report.Doubled, "doubled %s", kline.name())
		}
		seen[kline.Key()] = kline.Final
	}
	report.compare(newestOf(got), want)
	return report
}

func newestOf(klines []Kline) map[Key]Kline {
	newest := map[Key]Kline{}
	for _, kline := range klines {
		if old, known := newest[kline.Key()]; kline.Final && (!known || kline.Revision >= old.Revision) {
			newest[kline.Key()] = kline
		}
	}
	return newest
}

// checkRuns looks at the order in which klines were published. A kline that is born late begins at rev 1.
func (r *Report) checkRuns(klines []Kline) {
	seq, revision := map[[2]string]int64{}, map[Key]int64{}
	for _, kline := range klines {
		name := [2]string{kline.Symbol, kline.Interval}
		if last, known := seq[name]; known && kline.Seq != last+1 {
			r.note(&r.Holes, "hole before %s: seq %d follows %d", kline.name(), kline.Seq, last)
		}
		seq[name] = kline.Seq
		last, known := revision[kline.Key()]
		switch {
		case !known && kline.Revision > 1, known && kline.Revision > last+1:
			r.note(&r.Holes, "hole before %s: rev %d", kline.name(), kline.Revision)
		case known && kline.Revision <= last:
			r.note(&r.Doubled, "doubled %s: rev %d after %d", kline.name(), kline.Revision, last)
		}
		revision[kline.Key()] = max(last, kline.Revision)
	}
}

func (r *Report) compare(got map[Key]Kline, want []Expected) {
	r.Expected, r.Found = len(want), len(got)
	for _, expected := range want {
		kline, found := got[expected.Key()]
		if !found {
			if expected.Due {
				r.note(&r.Lost, "lost %s", expected.name())
			}
			continue
		}
		delete(got, expected.Key())
		if diffs := difference(kline, expected); diffs != nil {
			r.note(&r.Wrong, "wrong %s rev %d: %s", kline.name(), kline.Revision, strings.Join(diffs, ", "))
		}
	}
	for _, kline := range sortedKlines(got) {
		r.note(&r.Extra, "extra %s: n %d", kline.name(), kline.N)
	}
}

func difference(got Kline, want Expected) []string {
	var diffs []string
	check := func(field string, got, want any) {
		if got != want {
			diffs = append(diffs, fmt.Sprintf("%s is %v, want %v", field, got, want))
		}
	}
	check("T", got.End, want.End)
	check("o", got.O, want.O)
	check("h", got.H, want.H)
	check("l", got.L, want.L)
	check("c", got.C, want.C)
	check("v", got.V, want.V)
	check("qv", got.QV, want.QV)
	check("bv", got.BV, want.BV)
	check("bqv", got.BQV, want.BQV)
	check("n", got.N, want.N)
	check("f", got.First, want.First)
	check("L", got.Last, want.Last)
	if !slices.Contains(want.VWAPs, got.VWAP) {
		check("vwap", got.VWAP, want.VWAP)
	}
	if got.Source != nil {
		check("src", *got.Source, *want.Source)
	}
	return diffs
}

func sortedKlines(klines map[Key]Kline) []Kline {
	var out []Kline
	for _, kline := range klines {
		out = append(out, kline)
	}
	slices.SortFunc(out, func(a, b Kline) int { return strings.Compare(a.name(), b.name()) })
	return out
}

func (k Kline) name() string { return fmt.Sprintf("%s %s %d", k.Symbol, k.Interval, k.Open) }
