//go:build unix

package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// lane is a source of faults that come one after the other.
type lane struct {
	name   string
	target int
	pause  [2]time.Duration // between the end of one and the next
	rest   time.Duration    // of that, what is kept when one took longer than planned
	kinds  []weighted
}

type weighted struct {
	kind   Kind
	weight int
	hold   [2]time.Duration
}

// Plan makes the faults of a run, ordered by time. The same configuration gives the same plan.
func Plan(c Config) []Fault {
	var all []Fault
	for i, l := range lanes(c) {
		all = append(all, l.plan(rand.New(rand.NewPCG(c.Seed, uint64(i))), c.Duration)...)
	}
	slices.SortStableFunc(all, func(a, b Fault) int { return int(a.At - b.At) })
	return all
}

func (l lane) plan(r *rand.Rand, duration time.Duration) []Fault {
	var faults []Fault
	total := 0
	for _, k := range l.kinds {
		total += k.weight
	}
	for at := between(r, l.pause); ; {
		n := r.IntN(total)
		i := 0
		for n >= l.kinds[i].weight {
			n -= l.kinds[i].weight
			i++
		}
		f := Fault{At: at, Lane: l.name, Kind: l.kinds[i].kind, Target: l.target, Hold: between(r, l.kinds[i].hold), Rest: l.rest, Extra: r.IntN(1000), Wait: r.IntN(3) > 0}
		if l.target < 0 {
			f.Target = r.IntN(-l.target)
		}
		if f.At+f.Hold > duration {
			return faults
		}
		faults = append(faults, f)
		at += f.Hold + between(r, l.pause)
	}
}

func between(r *rand.Rand, span [2]time.Duration) time.Duration {
	return span[0] + time.Duration(r.Int64N(int64(span[1]-span[0]+1)))
}

// lanes says who is hurt how often. A node is killed some 100 times in half an hour.
func lanes(c Config) []lane {
	ms, s := time.Millisecond, time.Second
	var all []lane
	for i := range c.Nodes {
		kinds := []weighted{
			{KillNode, 60, [2]time.Duration{0, 1500 * ms}},
			{ReloadSame, 6, [2]time.Duration{0, 500 * ms}},
			{ReloadEqual, 6, [2]time.Duration{0, 500 * ms}},
			{ReloadInvalid, 6, [2]time.Duration{0, 500 * ms}},
			{ZombieNode, 8, [2]time.Duration{session + s, session + 4*s}},
		}
		if c.Nodes > 1 {
			kinds = append(kinds, weighted{LeaveNode, 5, [2]time.Duration{session + s, session + 4*s}})
		}
		if c.kafka() {
			kinds = append(kinds, weighted{SlowNode, 4, [2]time.Duration{500 * ms, 4 * s}},
				weighted{CutNode, 5, [2]time.Duration{500 * ms, session + 2*s}}, weighted{ResetNode, 3, [2]time.Duration{200 * ms, 3 * s}})
		}
		all = append(all, lane{fmt.Sprint("node ", i), i, [2]time.Duration{1 * s, 6 * s}, 0, kinds})
	}
	if c.kafka() {
		all = append(all, lane{"brokers", -brokers, [2]time.Duration{4 * s, 12 * s}, 4 * s, []weighted{
			{KillBroker, 4, [2]time.Duration{500 * ms, 5 * s}},
			{SlowBroker, 1, [2]time.Duration{1 * s, 4 * s}},
		}})
	}
	return append(all, lane{"redis", 0, [2]time.Duration{3 * s, 10 * s}, 0, []weighted{
		{KillRedis, 4, [2]time.Duration{200 * ms, 4 * s}},
		{FlushRedis, 3, [2]time.Duration{0, 0}},
		{SlowRedis, 2, [2]time.Duration{500 * ms, 3 * s}},
		{CutRedis, 2, [2]time.Duration{500 * ms, 4 * s}},
	}})
}
