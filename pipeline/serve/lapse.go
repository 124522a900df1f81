package serve

import (
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// batchTime is how long the programs on demand of one name may take for one
// batch of bars. A series that would take longer is left out and computed anew
// later: no upload holds back the bars of others.
const batchTime = 20 * time.Millisecond

// allTime bounds what all programs on demand take of one batch together, with what they
// wait for others: a reader of a slow one must not hold back the bars of everybody.
const allTime = 500 * time.Millisecond

// lapse leaves a series out until it was computed anew.
func (a *augmenting) lapse(x *extra) {
	x.lapsed.Store(true)
	a.h.wakes.tend()
}

// spent is what the programs of one name took in a batch. The longest turn does
// not count: it may be a pause of the machine, and one must not leave out every
// other series of the batch. Fuel bounds what a program can gain by it.
type spent struct{ all, longest time.Duration }

func (s spent) and(took time.Duration) spent {
	return spent{all: s.all + took, longest: max(s.longest, took)}
}

func (a *augmenting) charge(x *extra, began time.Time) {
	took := a.h.cfg.Clock.Now().Sub(began)
	a.took[x.dyn] = a.took[x.dyn].and(took)
	a.all = a.all.and(took)
}

// late tells whether the program, or all, have used up their time of this batch, and lets
// the series lapse.
func (a *augmenting) late(x *extra) bool {
	took := a.took[x.dyn]
	if took.all-took.longest <= batchTime && a.all.all-a.all.longest <= allTime {
		return false
	}
	a.lapse(x)
	return true
}

// unready lets a series lapse whose bar is of a version that does not compute
// yet: a late value is better than one of the wrong version, which other nodes
// do not tell.
func (a *augmenting) unready(x *extra, own *version) bool {
	if x.state.version == own || x.prepared(own) != nil {
		return false
	}
	a.lapse(x)
	return true
}

// maxRetries is how often a program that failed on a series is computed anew.
const maxRetries = 2

// retry lets the series of a program that failed be computed anew. If another
// program in the same instance was the cause it works now; else it fails again, and
// is known as faulty.
func (a *augmenting) retry(x *extra) bool {
	if x.state.cursor != nil || x.state.flags&wire.FlagQuarantined != 0 || x.retries >= maxRetries {
		return false
	}
	x.retries++
	a.lapse(x)
	return true
}

// lapse notes that a bar went by without a value where a series on demand has
// lapsed: nobody can resume from here, the series is told anew.
func (g *group) lapse(at point) {
	for _, x := range g.extras {
		if x.lapsed.Load() {
			x.series.floor = at.after()
		}
	}
}
