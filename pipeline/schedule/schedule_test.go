package schedule

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	seedFlag  = flag.Int64("seed", -1, "run the schedule of this seed alone")
	traceFlag = flag.Bool("trace", false, "print every event of the schedule of -seed")
	seedsFlag = flag.Uint64("seeds", 1000, "number of schedules")
	firstFlag = flag.Uint64("first", 0, "seed of the first one")
)

// tally adds up what many schedules did.
type tally struct {
	Result
	events        int
	schedules     int
	transactional int
}

func (t *tally) add(r *Result) {
	t.schedules++
	if r.Transactional {
		t.transactional++
	}
	t.events, t.Ticks, t.Klines, t.Restated = t.events+len(r.Events), t.Ticks+r.Ticks, t.Klines+r.Klines, t.Restated+r.Restated
	t.Repeats, t.Decisions, t.Collisions = t.Repeats+r.Repeats, t.Decisions+r.Decisions, t.Collisions+r.Collisions
	for f, n := range r.Hits {
		t.Hits[f] += n
	}
}

func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d schedules (%d transactional): %d events, %d trade records, %d records of klines (%d of values), %d repeats, %d decisions, %d collisions of 16 bits",
		t.schedules, t.transactional, t.events, t.Ticks, t.Klines, t.Restated, t.Repeats, t.Decisions, t.Collisions)
	for f := range NumFaults {
		fmt.Fprintf(&b, "\n  %-22s %d", f, t.Hits[f])
	}
	return b.String()
}

// each runs the schedules of many seeds on all processors and calls fn with the
// result of each, one call at a time, until fn returns false.
func each(first, count uint64, o Options, fn func(seed uint64, r *Result) bool) {
	var (
		next atomic.Uint64
		mu   sync.Mutex
		stop bool
		wg   sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			r := NewRunner()
			for i := next.Add(1) - 1; i < count; i = next.Add(1) - 1 {
				o := o
				o.Seed = first + i
				res := r.Run(o)
				mu.Lock()
				stop = stop || !fn(o.Seed, &res)
				ended := stop
				mu.Unlock()
				if ended {
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSchedule(t *testing.T) {
	if *seedFlag >= 0 {
		one(t, uint64(*seedFlag))
		return
	}
	var sum tally
	each(*firstFlag, *seedsFlag, Options{}, func(seed uint64, r *Result) bool {
		sum.add(r)
		if r.Err != nil {
			t.Error(explain(seed, r))
		}
		return !t.Failed()
	})
	t.Log(&sum)
	if sum.schedules < 1000 {
		return // too few for rare faults
	}
	for f := range NumFaults {
		if sum.Hits[f] == 0 {
			t.Errorf("the fault %s never happened: the run shows nothing about it", f)
		}
	}
	if sum.Collisions*100 > sum.schedules {
		t.Errorf("%d conflicts passed as duplicates in %d schedules, 16 bits allow one in 65536", sum.Collisions, sum.schedules)
	}
}

func one(t *testing.T, seed uint64) {
	res := NewRunner().Run(Options{Seed: seed, Trace: *traceFlag})
	for _, l := range res.Trace {
		t.Log(l)
	}
	var sum tally
	sum.add(&res)
	t.Logf("hash %016x, %s", res.Hash, &sum)
	if res.Err != nil {
		t.Error(explain(seed, &res))
	}
}

// explain says how to see a failure again, and what the least of it is.
func explain(seed uint64, r *Result) string {
	_, shrunk := Shrink(NewRunner(), Options{Seed: seed})
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\nreplay: go test ./pipeline/schedule -run 'TestSchedule$' -v -seed=%d -trace\n", seed, r.Err, seed)
	fmt.Fprintf(&b, "least trace (%d of %d events): %v\n%s", len(shrunk.Events), len(r.Events), shrunk.Err, strings.Join(shrunk.Trace, "\n"))
	return b.String()
}
