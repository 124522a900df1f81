package schedule

import (
	"math/rand/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// epochStart is when every schedule begins, ms: on a minute.
const epochStart = 1_795_239_360_000

const (
	idleTimeout = 2_000 // silence of a source before the clock closes its bars, ms
	maxFuture   = 5_000
)

// plan is what a seed fixes before the first event.
type plan struct {
	transactional     bool
	nodes, partitions int
	events            int // that are drawn; not all of them can happen
	zombies           bool
	calm              int // one of so many chances of a fault is taken
	core              core.Config
	future            [2]int64 // max_future by the rules that a process runs with, ms
	reconfigures      bool     // processes come back with the other rules
	names             []string // of the intervals
	lens              []int64
	parts             int // records of one checkpoint
}

func drawPlan(rng *rand.Rand) plan {
	p := plan{transactional: rng.IntN(2) == 0, nodes: 1, partitions: 1 + rng.IntN(2), events: 250 + rng.IntN(650), parts: 1 + rng.IntN(3)}
	if p.transactional {
		p.nodes, p.partitions = 2+rng.IntN(2), 1+rng.IntN(3)
	}
	p.zombies = p.transactional && rng.IntN(2) == 0
	p.calm = [...]int{1, 3, 10, 40}[rng.IntN(4)]
	all := [...]string{"1s", "5s", "15s", "1m"}
	lens := [...]int64{1_000, 5_000, 15_000, 60_000}
	first := rng.IntN(3)
	p.names, p.lens = append(p.names, all[first]), append(p.lens, lens[first])
	for i := first + 1; i < len(all); i++ {
		if rng.IntN(2) == 0 || len(p.names) == 1 && i == len(all)-1 {
			p.names, p.lens = append(p.names, all[i]), append(p.lens, lens[i])
		}
	}
	p.core = core.Config{
		WatermarkDelay: 250 * rng.Int64N(3), AllowedLateness: 2_000 * rng.Int64N(4), IdleDelay: 500 * rng.Int64N(3), MaxFuture: maxFuture,
		DedupWindow: 3_600_000, DedupIDs: 256, Partitions: int32(p.partitions),
	}
	p.future = [2]int64{maxFuture, maxFuture}
	if p.transactional && rng.IntN(3) == 0 {
		p.reconfigures, p.future[1] = true, 8*maxFuture
	}
	return p
}
