//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// verdict is what the comparison of one surface gave.
type verdict struct {
	surface string
	report  oracle.Report
	err     error // what could not be compared, or differs in another way
}

func (v verdict) fault() error {
	if v.err != nil {
		return v.err
	}
	return v.report.Err()
}

// judge holds everything that can be read against the trades.
type judge struct {
	s    *site
	book *diary

	input   oracle.Input
	klines  oracle.Reader
	late    oracle.Refused
	dead    oracle.Refused
	refused map[oracle.Place]string
	want    []oracle.Expected

	verdicts []verdict
}

// read takes all topics in, again and again until they are what is due, for limit at most.
func (j *judge) read(ctx context.Context, limit time.Duration) error {
	options := oracle.Options{WatermarkDelayMS: 500}
	for _, name := range intervals {
		interval, err := oracle.ParseInterval(name)
		if err != nil {
			return err
		}
		options.Intervals = append(options.Intervals, interval)
	}
	var report oracle.Report
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Second) {
		j.input, j.klines, j.late, j.dead = oracle.Input{}, oracle.Reader{}, oracle.Refused{}, oracle.Refused{}
		for topic, each := range map[string]func(oracle.Record) error{
			"ticks": j.input.Add, "klines": j.klines.Add, "late": j.late.Add, "dlq": j.dead.Add,
		} {
			if err := oracle.Kcat(ctx, j.s.direct, j.s.topic(topic), each); err != nil {
				return err
			}
		}
		j.refused = maps.Clone(j.late.Places)
		if j.refused == nil {
			j.refused = map[oracle.Place]string{}
		}
		maps.Copy(j.refused, j.dead.Places)
		options.Refused = j.refused
		j.want = oracle.Bars(slices.Clone(j.input.Trades), options)
		report = oracle.Compare(&j.klines, j.want)
		if report.Err() == nil || time.Now().After(deadline) {
			break
		}
	}
	v := verdict{surface: "topic klines", report: report}
	if report.Found == 0 {
		v.err = fmt.Errorf("no kline was published")
	}
	if repeats := report.Repeats + j.late.Repeats() + j.dead.Repeats(); j.s.c.Delivery == "transactional" && repeats > 0 {
		v.err = fmt.Errorf("%d positions stand twice before a read_committed reader of klines, late and dlq", repeats)
	}
	j.verdicts = append(j.verdicts, v, verdict{surface: "conservation", err: j.conserved()})
	return nil
}

// conserved tells whether every record of the input is in one place: a published bar of a second, a second that is still open, a repeat,
// late or dlq.
func (j *judge) conserved() error {
	newest := map[oracle.Key]oracle.Kline{}
	for _, k := range j.klines.Klines {
		if old, known := newest[k.Key()]; k.Interval == "1s" && (!known || k.Revision >= old.Revision) {
			newest[k.Key()] = k
		}
	}
	var applied, open int64
	for _, k := range newest {
		applied += k.N
	}
	for _, w := range j.want {
		if _, published := newest[w.Key()]; w.Interval == "1s" && !published {
			open += w.N
		}
	}
	seen := map[[2]string]bool{}
	repeats, taken := int64(0), int64(0)
	for _, t := range j.input.Trades {
		key := [2]string{t.Symbol, t.ID}
		switch _, out := j.refused[t.Place]; {
		case out:
			taken++
		case seen[key]:
			repeats++
		default:
			seen[key] = true
		}
	}
	for at := range j.input.Bad {
		if _, there := j.refused[at]; !there {
			return fmt.Errorf("%v is no trade and stands in no dlq", at)
		}
		taken++
	}
	records := int64(len(j.input.Trades) + len(j.input.Bad))
	j.book.note("conservation: %d records = %d in published seconds + %d in open ones + %d repeats + %d late or dead", records, applied, open, repeats, taken)
	if sum := applied + open + repeats + taken; sum != records || taken != int64(len(j.refused)) {
		return fmt.Errorf("%d records, but %d are found: %d applied, %d open, %d repeats, %d refused (%d on late and dlq)", records, sum, applied, open, repeats, taken, len(j.refused))
	}
	return nil
}

// rest pages through every series of every node.
func (j *judge) rest(ctx context.Context) {
	for _, n := range j.s.nodes {
		v := verdict{surface: fmt.Sprintf("REST of node %d", n.number)}
		// The newest bars may still be on their way to a node.
		until(time.Minute, func() bool {
			var got []oracle.Kline
			if got, v.err = j.rows(ctx, n.http); v.err == nil {
				v.report = oracle.CompareKlines(got, j.restWant(got))
			}
			return v.fault() == nil
		})
		j.verdicts = append(j.verdicts, v)
	}
}

// restWant is what a node has to show: of a series that is longer than its memory the oldest bars may be gone, never one in between.
func (j *judge) restWant(got []oracle.Kline) []oracle.Expected {
	oldest, rows := map[[2]string]int64{}, map[[2]string]int{}
	for _, k := range got {
		name := [2]string{k.Symbol, k.Interval}
		if at, known := oldest[name]; !known || k.Open < at {
			oldest[name] = k.Open
		}
		rows[name]++
	}
	var want []oracle.Expected
	for _, w := range j.want {
		name := [2]string{w.Symbol, w.Interval}
		if rows[name] >= viewBars && w.Open < oldest[name] {
			continue
		}
		want = append(want, w)
	}
	return want
}

// readers is how many series are read at a time. A read of a series that nobody looks at waits a moment for its bar in progress.
const readers = 16

func (j *judge) rows(ctx context.Context, base string) ([]oracle.Kline, error) {
	type series struct{ symbol, interval string }
	todo := make(chan series)
	var mu sync.Mutex
	var all []oracle.Kline
	var failed error
	var done sync.WaitGroup
	for range readers {
		done.Go(func() {
			for s := range todo {
				rows, err := oracle.REST(ctx, http.DefaultClient, base, s.symbol, s.interval, 1000)
				rows = slices.DeleteFunc(rows, func(k oracle.Kline) bool { return !k.Final })
				mu.Lock()
				all, failed = append(all, rows...), errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	symbols := map[string]bool{}
	for _, w := range j.want {
		if symbols[w.Symbol] {
			continue
		}
		symbols[w.Symbol] = true
		for _, interval := range intervals {
			todo <- series{w.Symbol, interval}
		}
	}
	close(todo)
	done.Wait()
	return all, failed
}

// view compares Redis byte for byte with the topic.
func (j *judge) view(ctx context.Context) {
	st, _ := j.s.nodes[0].status()
	v := verdict{surface: "redis view"}
	var want oracle.View
	took, ok := until(60*time.Second, func() bool {
		// Read again each time: the clock may close the last minute of a silent topic after the first look at it.
		var err error
		if want, err = oracle.WantedView(ctx, j.s.direct, j.s.topic("klines"), keyPrefix, st.Cluster, viewBars); err != nil {
			v.err = err
			return false
		}
		got, problem := oracle.FoundView(ctx, keyPrefix, st.Cluster, j.s.redis.Port())
		differs := want.Differs(got)
		v.report = oracle.Report{Expected: fields(want), Found: fields(got)}
		if v.err = problem; v.err == nil && differs != "" {
			v.err = fmt.Errorf("the view is not the topic: %s", differs)
		}
		return v.err == nil && len(want.Bars) > 0
	})
	if !ok && v.err == nil {
		v.err = fmt.Errorf("there is no bar to compare")
	}
	j.book.note("the view was compared after %v", took.Round(time.Millisecond))
	j.verdicts = append(j.verdicts, v)
}

func fields(v oracle.View) (n int) {
	for _, hash := range v.Bars {
		n += len(hash)
	}
	for _, hash := range v.Values {
		n += len(hash)
	}
	return n
}

// streams compares what each client has collected.
func (j *judge) streams(clients []*client) {
	sum := verdict{surface: fmt.Sprintf("%d streams", len(clients))}
	var faults []string
	for i, k := range clients {
		var report oracle.Report
		var err error
		until(time.Minute, func() bool {
			report, err = k.compare(j.want)
			return err != nil || report.Err() == nil
		})
		if err == nil {
			err = report.Err()
		}
		if err != nil {
			faults = append(faults, fmt.Sprintf("client %d, %v@%v: %v", i, k.symbols, k.itvs, err))
		}
		sum.report.Expected += report.Expected
		sum.report.Found += report.Found
		sum.report.Lost += report.Lost
		sum.report.Doubled += report.Doubled
		sum.report.Wrong += report.Wrong
		sum.report.Extra += report.Extra
	}
	if len(faults) > 0 {
		sum.err = fmt.Errorf("%d of %d clients differ: %s", len(faults), len(clients), strings.Join(faults[:min(3, len(faults))], "\n"))
	}
	j.verdicts = append(j.verdicts, sum)
}

// table is one line per surface.
func (j *judge) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %-16s %9s %9s %6s %8s %6s %6s %6s %8s %7s\n", "surface", "expected", "found", "lost", "doubled", "wrong", "extra", "holes", "repeats", "differ")
	for _, v := range j.verdicts {
		r := v.report
		word := ""
		if v.fault() != nil {
			word = "  <-- differs"
		}
		fmt.Fprintf(&b, "  %-16s %9d %9d %6d %8d %6d %6d %6d %8d %7d%s\n", v.surface, r.Expected, r.Found, r.Lost, r.Doubled, r.Wrong, r.Extra, r.Holes, r.Repeats, r.Differ, word)
	}
	return b.String()
}
