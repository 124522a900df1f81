package schedule

import (
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Options choose one schedule and what to leave out of it.
type Options struct {
	// Seed fixes everything that is drawn.
	Seed uint64
	// Only lets nothing happen but the events with these numbers; nil means all.
	// Every event draws from a generator of its own, so those that are left stay
	// what they are.
	Only map[int]bool
	// Trace keeps the text of every event.
	Trace bool
	// Mutant switches guarantees off.
	Mutant Mutant
}

// Result is what one schedule did.
type Result struct {
	Hash          uint64 // of every event and of every byte left on the logs
	Events        []int  // numbers of those that happened
	Transactional bool
	Hits          [NumFaults]int
	Ticks         int // records read
	Klines        int // records of klines, repeats left out
	Restated      int // of them with a revision
	Repeats       int // dropped by the reader rule
	Decisions     int // that counted, starts left out
	Collisions    int // conflicts that the core took for duplicates
	Trace         []string
	// Err is the first violation, nil if there is none.
	Err error
}

// Runner runs schedules one after the other. It keeps what is expensive to
// build; each goroutine needs its own.
type Runner struct {
	dec    *wire.Decoder
	events []event
	total  int
}

// NewRunner returns a Runner.
func NewRunner() *Runner {
	r := &Runner{dec: wire.NewDecoder(nil), events: events()}
	for _, e := range r.events {
		r.total += e.weight
	}
	return r
}

// Run runs the schedule of o.Seed, heals it, and checks what it left.
func (r *Runner) Run(o Options) Result {
	w, err := newWorld(r.dec, o)
	if err != nil {
		return Result{Err: err}
	}
	res := Result{Transactional: w.plan.transactional, Events: r.play(w)}
	if w.err == nil {
		w.check(&res)
	}
	w.fingerprint()
	res.Hash, res.Hits, res.Collisions, res.Trace, res.Err = w.trace.hash, w.hits, w.collisions, w.trace.lines, w.err
	return res
}

// play draws the events, heals the world and returns the numbers of those that
// happened.
func (r *Runner) play(w *world) (happened []int) {
	if w.rng.IntN(4) > 0 {
		w.warm()
	}
	for w.events < w.plan.events && w.err == nil {
		w.events++
		w.draws.Seed(w.opt.Seed, uint64(w.events))
		if (w.opt.Only == nil || w.opt.Only[w.events]) && r.draw(w) {
			happened = append(happened, w.events)
		}
	}
	w.draws.Seed(w.opt.Seed, uint64(w.plan.events)+1)
	if w.err == nil {
		w.heal()
	}
	return happened
}

// warm brings everybody to the first record: most schedules are about what
// comes then.
func (w *world) warm() {
	w.healing = true
	for _, n := range w.nodes {
		n.connect()
		n.init()
	}
	for _, n := range w.nodes {
		n.sync()
		for _, x := range n.workers {
			for x != nil && x.restore() {
				continue
			}
		}
	}
	w.healing = false
}

// draw picks an event and tells whether it could happen.
func (r *Runner) draw(w *world) bool {
	x := w.rng.IntN(r.total)
	for i := range r.events {
		if x -= r.events[i].weight; x < 0 {
			if r.events[i].fault && w.rng.IntN(w.plan.calm) > 0 {
				return false
			}
			n := w.nodes[w.rng.IntN(len(w.nodes))]
			if g := w.ghost; g != nil && g.deaf > w.events && w.rng.IntN(2) == 0 {
				n = g
			}
			p := n.some(w.rng.IntN(w.plan.partitions))
			before := w.trace.hash
			// An attempt that left a note has happened, too.
			did := r.events[i].do(w, n, p) || w.trace.hash != before
			if did {
				n.decidedLast = n.decidedLast && (r.events[i].name == "tick" || r.events[i].name == "silence")
				w.trace.note(w.events, r.events[i].name, int64(n.id), int64(p), w.now-epochStart)
			}
			return did
		}
	}
	return false
}

// some returns p or, if the node does not hold it, the next one that it holds.
func (n *node) some(p int) int {
	for i := range n.workers {
		if q := (p + i) % len(n.workers); n.workers[q] != nil {
			return q
		}
	}
	return p
}

// fingerprint adds what stands on the logs.
func (w *world) fingerprint() {
	for t := range w.logs {
		for p, log := range w.logs[t] {
			w.trace.note(w.events, "end "+topicNames[t], int64(p), log.end, int64(len(log.recs)))
			for i := range log.recs {
				w.trace.text(log.recs[i].value)
			}
		}
	}
}
