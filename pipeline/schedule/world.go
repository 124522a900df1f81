package schedule

import (
	"fmt"
	"math/rand/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// world is all there is in one schedule. One goroutine owns it.
type world struct {
	opt   Options
	dec   *wire.Decoder
	rng   *rand.Rand
	draws *rand.PCG // behind rng: seeded anew for every event
	plan  plan
	now   int64 // the wall clock, ms
	logs  [numTopics][]*partition
	coord coordinator
	group *group
	nodes []*node
	ghost *node // the last zombie: it gets the more to do the less time it has

	market  *market
	view    *view
	delayed []delayedSend
	nonces  int

	damaged    []bool // by partition: a checkpoint was damaged, repeats are allowed
	late       []bool // by partition: an old checkpoint may have landed late
	failed     []bool // by partition: given up loudly, as it had to be
	collisions int    // conflicts that passed as duplicates
	healing    bool   // nothing fails any more
	hits       [NumFaults]int
	events     int
	trace      trace
	err        error // the first violation
}

// delayedSend is a produce request that its client has given up, or that the
// broker will apply a second time.
type delayedSend struct {
	topic topic
	p     int
	recs  []record
	copy  bool
}

func newWorld(dec *wire.Decoder, o Options) (*world, error) {
	draws := rand.NewPCG(o.Seed, 0)
	w := &world{opt: o, dec: dec, rng: rand.New(draws), draws: draws, now: epochStart}
	w.trace.keep = o.Trace
	w.plan = drawPlan(w.rng)
	for _, name := range w.plan.names {
		itv, err := core.ParseInterval(name)
		if err != nil {
			return nil, err
		}
		w.plan.core.Intervals = append(w.plan.core.Intervals, itv)
	}
	n, parts := w.plan.nodes, w.plan.partitions
	for t := range w.logs {
		for range parts {
			w.logs[t] = append(w.logs[t], &partition{})
		}
	}
	w.coord = coordinator{epoch: make([]int, n), current: make([]*transaction, n)}
	w.group = newGroup(n, parts)
	w.market = newMarket(w.rng, w.logs[ticks])
	w.view = newView(parts)
	w.damaged, w.late, w.failed = make([]bool, parts), make([]bool, parts), make([]bool, parts)
	for id := range n {
		n := &node{w: w, id: id, up: true, have: make([]int64, parts)}
		if w.plan.reconfigures {
			n.rules = w.rng.IntN(2) // in the middle of a rolling restart
		}
		w.nodes = append(w.nodes, n)
	}
	return w, nil
}

// machine builds the state of partition p before its first record.
func (w *world) machine(p, rules int, cut Mutant) (*machine, error) {
	cfg := w.plan.core
	cfg.Partition = int32(p)
	return newMachine(w.dec, cfg, w.plan.future, rules, cut)
}

// violate notes the first thing that must not happen.
func (w *world) violate(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
		w.trace.note(w.events, "VIOLATION", 0, 0, 0)
	}
}

// hit counts a fault that happened.
func (w *world) hit(f Fault) {
	w.hits[f]++
	w.trace.note(w.events, faultNames[f], int64(f), 0, 0)
}

// chance draws whether something goes wrong now: one time out of the plan's
// calm times rarity.
func (w *world) chance(rarity int) bool {
	return w.rng.IntN(w.plan.calm*rarity) == 0 && !w.healing
}

// fails is a chance that is counted when it comes true.
func (w *world) fails(f Fault, rarity int) bool {
	if !w.chance(rarity) {
		return false
	}
	w.hit(f)
	return true
}

// land applies a send that nobody waits for any more.
func (w *world) land(i int) {
	d := w.delayed[i]
	w.delayed = append(w.delayed[:i], w.delayed[i+1:]...)
	log := w.logs[d.topic][d.p]
	for _, r := range d.recs {
		log.append(r, nil)
	}
	switch {
	case d.topic == journal && !d.copy:
		w.hit(LateDecision)
	case d.copy:
		w.hit(RepeatedSend)
	default:
		w.hit(LateSend)
	}
	if d.topic == state {
		w.late[d.p] = true
	}
}
