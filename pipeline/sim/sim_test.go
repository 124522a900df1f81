//go:build synctests

package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	seedsFlag = flag.Int("seeds", defaultSeeds(), "how many seeds to run (also SEEDS in the environment)")
	firstFlag = flag.Int64("first", 0, "the first of the seeds")
	seedFlag  = flag.Int64("seed", -1, "run this seed alone")
)

const (
	// fewSeeds is the number of seeds of a plain run of the tests.
	fewSeeds = 40
	// enoughSeeds is from where on a run must have met every kind of fault.
	enoughSeeds = 400
	// wallLimit is the real time after which a seed hangs: virtual time stands
	// still when something waits for what is not of its bubble.
	wallLimit = 2 * time.Minute
)

func defaultSeeds() int {
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil && n > 0 {
		return n
	}
	return fewSeeds
}

// TestSim runs the seeds, as many at a time as there are processors.
func TestSim(t *testing.T) {
	all := newTally()
	if *seedFlag >= 0 {
		virtual := runSeed(t, uint64(*seedFlag), all)
		t.Logf("seed %d, %s of virtual time:%s", *seedFlag, virtual, all)
		return
	}
	began := time.Now()
	var virtual, next atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprintf("runner-%d", i), func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1) - 1; n < int64(*seedsFlag) && !t.Failed(); n = next.Add(1) - 1 {
					virtual.Add(int64(runSeed(t, uint64(*firstFlag+n), all)))
				}
			})
		}
	})
	took := time.Since(began)
	t.Logf("%d seeds in %s: %.1f seeds/s, %s of virtual time:%s", *seedsFlag, took.Round(time.Millisecond),
		float64(*seedsFlag)/took.Seconds(), time.Duration(virtual.Load()).Round(time.Second), all)
	if *seedsFlag >= enoughSeeds && !t.Failed() {
		wantAllMet(t, all)
	}
}

// runSeed runs one seed in a bubble of its own and returns the virtual time that
// it took.
func runSeed(t *testing.T, seed uint64, all *tally) (virtual time.Duration) {
	again := fmt.Sprintf("go test -tags synctests ./pipeline/sim -run TestSim$ -v -seed=%d", seed)
	var running atomic.Pointer[world]
	hung := time.AfterFunc(wallLimit, func() {
		stacks := make([]byte, 16<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		fmt.Printf("seed %d makes no progress; again: %s\n%s\n", seed, again, stacks)
		if w := running.Load(); w != nil {
			fmt.Printf("what happened last:\n%s\n", w.trace)
		}
		os.Exit(2)
	})
	defer hung.Stop()
	ended := false
	defer func() {
		if !ended || t.Failed() {
			fmt.Printf("seed %d failed; again: %s\n", seed, again)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if v := recover(); v != nil {
				fmt.Printf("seed %d panicked; again: %s\n", seed, again)
				panic(v)
			}
		}()
		w := newWorld(t, seed, drawPlan(rand.New(rand.NewPCG(seed, 2))), all)
		running.Store(w)
		w.play()
		if w.heal() {
			w.check()
		} else {
			all := w.readAll()
			for p := range w.plan.partitions {
				t.Log(all.dump(p))
			}
		}
		w.close()
		if t.Failed() {
			t.Logf("seed %d, what happened last:\n%s", seed, w.trace)
		}
		virtual = time.Since(w.trace.begun)
	})
	ended = true
	return virtual
}

// wantAllMet refuses a run that left something out.
func wantAllMet(t *testing.T, all *tally) {
	t.Helper()
	covered := map[string]bool{}
	for _, k := range kinds() {
		covered[k.key.Name()] = true
		if all.count(k.String()) == 0 {
			t.Errorf("no request met the fault %s", k)
		}
	}
	for _, x := range losses() {
		if all.count(x.String()) == 0 {
			t.Errorf("there was no %s", x)
		}
	}
	if n := all.count("ghosts in the group, all nodes restarted"); n > *seedsFlag/50+1 {
		t.Errorf("all nodes had to be restarted %d times", n)
	}
	for _, what := range []string{
		"kills", "clean stops", "leader moves", "coordinator moves", "nodes cut off", "nodes frozen", "slow networks",
		"market: pauses", "market: aborted transactions", "market: records written twice", "decisions", "repeats dropped",
	} {
		if all.count(what) == 0 {
			t.Errorf("there were no %s", what)
		}
	}
	// Nobody waits for what the broker says to a member that leaves.
	covered[kmsg.ApiVersions.Name()], covered[kmsg.LeaveGroup.Name()] = true, true
	for key, n := range all.requests {
		if !covered[key.Name()] {
			t.Errorf("nodes sent %d requests %s, for which there is no fault", n, key.Name())
		}
	}
}
