package serve

import "sync/atomic"

// extra is one instance on demand on one group: its rows, its series, and the
// state it is computed with.
//
// rows and series are guarded as those of configured instances are. What is
// below belongs to whoever holds the lock of the partition.
type extra struct {
	dyn    *dynamic
	values valueRows
	series series
	used   atomic.Int64                 // ms, the last read
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
	from  int64 // open time of the first bars that are its own, ms
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
func (g *group) newExtra(n int, d *dynamic, at point) *extra {
	x := &extra{dyn: d, series: series{group: g, item: n + 1, floor: at}}
	x.lapsed.Store(true)
	x.meta.Store(d.meta.Load())
	if g.extras == nil {
		g.extras = map[int]*extra{}
	}
	g.extras[n] = x
	d.series.Add(1)
	return x
}

// dropNexts ends the first n versions that were prepared.
func (x *extra) dropNexts(n int) {
	for _, p := range x.nexts[:n] {
		p.state.close()
	}
	x.nexts = append([]*prepared(nil), x.nexts[n:]...)
}

// close ends the states of x. The caller holds the group's lock.
func (x *extra) close() {
	x.state.close()
	x.state = nil
	x.dropNexts(len(x.nexts))
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
