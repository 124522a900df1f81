package serve

import (
	"slices"
	"sync/atomic"
)

// extra is one instance on demand on one group: its rows, its series, and the
// state it is computed with.
//
// rows and series are guarded as those of configured instances are. What is
// below belongs to whoever holds the lock of the partition.
type extra struct {
	dyn    *dynamic
	claim  *claim
	gone   bool // it was displaced; guarded by the Hub
	values valueRows
	series series
	used   atomic.Int64                 // ms, the last read
	lead   int                          // bars in front of memory that the rows were computed from
	back   int                          // the longest snapshot that a stream has had; guarded by the Hub
	meta   atomic.Pointer[InstanceMeta] // of the version that is shown

	state *running
	// lapsed says that a bar went by without a value: the state is of no use
	// until it was computed anew.
	lapsed  atomic.Bool
	retries int // how often a failed program was given another try
	slow    int // how often a successor took too long to be prepared; of Tend
	// nexts are the versions that take over, in the order of their from. They are
	// written with the turn and the group's lock held, read with either.
	nexts []*prepared
}

// prepared is a version that computes beside the one that is shown.
type prepared struct {
	state *running
	rows  rows
	diff  difference
}

// value are the rows of instance n.
func (g *group) value(n int) *valueRows {
	if n < len(g.values) {
		return &g.values[n]
	}
	if x := g.extras[n]; x != nil {
		return &x.values
	}
	return &valueRows{}
}

// item is the series of instance n. For one on demand it has to exist.
func (g *group) item(n int) *series {
	if n < len(g.values) {
		return &g.series[n+1]
	}
	return &g.extras[n].series
}

// newExtra makes the place of instance n. It is lapsed until it was filled. The
// caller holds both locks.
func (g *group) newExtra(n int, c *claim, at point) *extra {
	x := &extra{dyn: c.dyn, claim: c, series: series{group: g, item: n + 1, floor: at, rank: g.rankOf(c.dyn.name)}}
	x.lapsed.Store(true)
	x.meta.Store(c.dyn.at(g.lastT).program.Meta())
	if g.extras == nil {
		g.extras = map[int]*extra{}
	}
	g.extras[n] = x
	return x
}

// prepared is what computes a version beside the one that is shown, nil: nothing
// does yet.
func (x *extra) prepared(v *version) *prepared {
	i := slices.IndexFunc(x.nexts, func(n *prepared) bool { return n.state.version == v })
	if i < 0 {
		return nil
	}
	return x.nexts[i]
}

// dropNexts ends the first n versions that were prepared.
func (x *extra) dropNexts(n int, old *endings) {
	for _, p := range x.nexts[:n] {
		old.add(p.state)
	}
	x.nexts = append([]*prepared(nil), x.nexts[n:]...)
}

// end ends the states of x. The caller holds the group's lock.
func (x *extra) end(old *endings) {
	old.add(x.state)
	x.state = nil
	x.dropNexts(len(x.nexts), old)
}

// begin shows a state that has seen no bar.
func (x *extra) begin(r *running) {
	x.state = r
	x.meta.Store(r.meta)
	x.lapsed.Store(false)
}

// metaOn describes instance n as it is computed on g: while versions change,
// groups differ.
func (h *Hub) metaOn(g *group, n int) *InstanceMeta {
	if x := g.extras[n]; x != nil {
		return x.meta.Load()
	}
	return h.meta(n)
}

// difference is what the shadow of a version showed.
type difference struct {
	Bars, Differing int64
	Abs, Rel        float64
}
