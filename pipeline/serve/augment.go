package serve

import (
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// batchTime is how long the programs on demand of one name may take for one
// batch of bars. A series that would take longer is left out and computed anew
// later: no upload holds back the bars of others.
const batchTime = 20 * time.Millisecond

// addition is what instances on demand add to one record.
type addition struct {
	// values stand beside those of the record.
	values []wire.IndRecord
	// restated are values of earlier bars that the record changed.
	restated []restatement
	// over are the instances that another version computes from this bar on.
	over []takeover
}

// takeover is an instance whose next version is shown from a record on.
type takeover struct {
	x    *extra
	rows rows
}

// restatement is one instance computed anew after a bar was restated.
type restatement struct {
	x    *extra
	rec  wire.RestatedRecord
	rows rows
}

// augmenting is one batch of a partition.
type augmenting struct {
	h    *Hub
	out  []addition
	rec  wire.KlineRecord
	fed  map[*group]*feeding
	took map[*dynamic]spent
	old  *endings
}

// feeding is what a batch has done to the bars of a group so far.
type feeding struct {
	bars  map[int64]core.Bar // not stored yet
	lastT int64
	// redo is the number of the record whose bar was restated last, -1 if all
	// states know it; said is what that record says of it.
	redo int
	said wire.RestatedRecord
}

// augment computes what is on demand for the records of partition p, which are
// about to be applied. It is nil where there is nothing. The caller holds the
// turn of the partition, and closes old when it has given it back.
func (h *Hub) augment(p int32, recs []Record, old *endings) []addition {
	if h.dyn.extras.Load() == 0 {
		return nil
	}
	a := augmenting{h: h, out: make([]addition, len(recs)), fed: map[*group]*feeding{}, took: map[*dynamic]spent{}, old: old}
	h.mu.RLock()
	at := h.at[p]
	h.mu.RUnlock()
	for i := range recs {
		r := &recs[i]
		here := point{so: r.So, sk: r.Sk}
		if here.compare(at) <= 0 {
			continue // a repeat, which will be dropped
		}
		at = here
		if r.Kind == KindKline {
			a.take(i, p, r)
		}
	}
	for g, f := range a.fed {
		a.redo(g, f)
	}
	return a.out
}

// take computes what record i adds.
func (a *augmenting) take(i int, p int32, r *Record) {
	k := &a.rec
	if wire.DecodeKline(r.Value, k) != nil || !k.Final {
		return
	}
	g := a.h.find(k.Sym, k.Itv)
	if g == nil {
		return
	}
	if at := a.h.partitionOf(g); at >= 0 && at != p {
		return
	}
	g.mu.RLock()
	extras, lastT := g.listExtras(), g.lastT
	g.mu.RUnlock()
	if len(extras) == 0 {
		return
	}
	f := a.fed[g]
	if f == nil {
		f = &feeding{bars: map[int64]core.Bar{}, lastT: lastT, redo: -1}
		a.fed[g] = f
	}
	bar := recordBar(k)
	f.bars[bar.OpenTime] = bar
	if k.Rev > 0 || bar.OpenTime <= f.lastT {
		f.redo, f.said = i, wire.RestatedRecord{Sym: k.Sym, Itv: k.Itv, Rev: k.Rev, Seq: k.Seq, Why: k.Why}
		return
	}
	a.redo(g, f) // the states have to know what was restated before this bar
	first := f.lastT == never
	f.lastT = bar.OpenTime
	for _, x := range extras {
		if first {
			a.first(g, x, bar)
		}
		a.one(i, g, x, bar, k.Seq)
	}
}

// listExtras are the instances on demand of g, in the order of their numbers.
// The caller holds mu.
func (g *group) listExtras() []*extra {
	out := make([]*extra, 0, len(g.extras))
	for _, x := range g.extras {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *extra) int { return a.series.item - b.series.item })
	return out
}

// first makes a state for the first bar of a symbol: there is nothing before it
// that would have to be computed.
func (a *augmenting) first(g *group, x *extra, bar core.Bar) {
	own := x.dyn.at(bar.OpenTime)
	if x.lapsed.Load() || x.state.version != own && x.prepared(own) == nil {
		a.old.add(x.state)
		x.begin(start(own, g.ms))
	}
}

// one computes a new bar for one instance.
func (a *augmenting) one(i int, g *group, x *extra, bar core.Bar, seq int64) {
	own := x.dyn.at(bar.OpenTime)
	if x.lapsed.Load() || a.late(x) || a.unready(x, own) || a.retry(x) {
		return
	}
	began := a.h.cfg.Clock.Now()
	out := &a.out[i]
	if len(x.nexts) == 0 {
		out.values = append(out.values, a.feed(g, x.state, bar))
	} else {
		out.values = append(out.values, a.feedAll(g, x, own, bar, out))
	}
	out.values[len(out.values)-1].Seq = seq
	a.charge(x, began)
}

// unready lets a series lapse whose bar is of a version that does not compute
// yet: a late value is better than one of the wrong version, which other nodes
// do not tell.
func (a *augmenting) unready(x *extra, own *version) bool {
	if x.state.version == own || x.prepared(own) != nil {
		return false
	}
	x.lapsed.Store(true)
	a.h.wakes.tend()
	return true
}

// maxRetries is how often a program that failed on a series is computed anew.
const maxRetries = 2

// retry lets the series of a program that failed be computed anew: was it the
// neighbour in its instance, it works now, and if not it is known as faulty.
func (a *augmenting) retry(x *extra) bool {
	if x.state.cursor != nil || x.state.flags&wire.FlagQuarantined != 0 || x.retries >= maxRetries {
		return false
	}
	x.retries++
	x.lapsed.Store(true)
	a.h.wakes.tend()
	return true
}

// feed runs one bar.
func (a *augmenting) feed(g *group, r *running, bar core.Bar) (out wire.IndRecord) {
	if r.run([]core.Bar{bar}, func(_ int, v *wire.IndRecord) { out = cloneValue(v) }) {
		a.old.add(r)
		a.h.fault(r.program, g, r.err)
	}
	return out
}

// feedAll runs one bar of the version that is shown and of those that take over,
// and returns the value of the one whose bar it is.
func (a *augmenting) feedAll(g *group, x *extra, own *version, bar core.Bar, out *addition) wire.IndRecord {
	over, values := -1, make([]wire.IndRecord, len(x.nexts))
	for i, p := range x.nexts {
		values[i] = a.feed(g, p.state, bar)
		row := appendValueRow(nil, len(p.state.meta.Outputs), bar.OpenTime, values[i].V, values[i].Flags)
		g.mu.Lock()
		p.rows.put(bar.OpenTime, row)
		g.mu.Unlock()
		if p.state.version == own {
			over = i
		}
	}
	if over < 0 {
		shown := a.feed(g, x.state, bar)
		for i, p := range x.nexts {
			p.diff.add(shown.V, values[i].V)
		}
		return shown
	}
	p := x.nexts[over]
	g.mu.Lock()
	defer g.mu.Unlock()
	x.dropNexts(over, a.old)
	a.old.add(x.state)
	x.state, x.nexts, x.retries = p.state, x.nexts[1:], 0
	out.over = append(out.over, takeover{x, p.rows})
	return values[over]
}

// spent is what the programs of one name took in a batch. The longest turn does
// not count: it may be a pause of the machine, and one must not leave out every
// other series of the batch. Fuel bounds what a program can gain by it.
type spent struct{ all, longest time.Duration }

func (a *augmenting) charge(x *extra, began time.Time) {
	took := a.h.cfg.Clock.Now().Sub(began)
	s := a.took[x.dyn]
	a.took[x.dyn] = spent{all: s.all + took, longest: max(s.longest, took)}
}

// late tells whether the program has used up its time of this batch, and lets
// the series lapse.
func (a *augmenting) late(x *extra) bool {
	if took := a.took[x.dyn]; took.all-took.longest <= batchTime {
		return false
	}
	x.lapsed.Store(true)
	a.h.wakes.tend()
	return true
}

// redo computes a group anew whose bars were restated.
func (a *augmenting) redo(g *group, f *feeding) {
	if f.redo < 0 {
		return
	}
	i := f.redo
	f.redo = -1
	g.mu.RLock()
	extras, bars := g.listExtras(), g.closedBars()
	g.mu.RUnlock()
	bars = overlay(bars, f.bars, f.lastT)
	for _, x := range extras {
		if x.lapsed.Load() || a.late(x) {
			continue
		}
		began := a.h.cfg.Clock.Now()
		if len(x.nexts) > 0 { // they do not know the bar either: they are prepared anew
			g.mu.Lock()
			x.dropNexts(len(x.nexts), a.old)
			g.mu.Unlock()
			a.h.wakes.tend()
		}
		fresh, err := a.h.computeAndEnd(x.state.version, g.ms, bars, batchTime, a.old)
		a.charge(x, began)
		if err != nil {
			x.lapsed.Store(true)
			a.h.wakes.tend()
			continue
		}
		a.old.add(x.state)
		x.state = fresh.state
		a.out[i].restated = append(a.out[i].restated, restatement{x: x, rec: x.changed(g, fresh, &f.said), rows: fresh.rows})
	}
}

// overlay puts the bars of a batch, up to lastT, into those that are stored.
func overlay(bars []core.Bar, batch map[int64]core.Bar, lastT int64) []core.Bar {
	for t, b := range batch {
		if t > lastT {
			continue
		}
		at, found := slices.BinarySearchFunc(bars, t, func(b core.Bar, t int64) int { return order(b.OpenTime, t) })
		if found {
			bars[at] = b
		} else {
			bars = slices.Insert(bars, at, b)
		}
	}
	return bars
}

// changed lists the values that differ from what is shown.
func (x *extra) changed(g *group, f *filled, said *wire.RestatedRecord) wire.RestatedRecord {
	m := f.state.meta
	r := wire.RestatedRecord{Sym: said.Sym, Itv: said.Itv, Ind: m.Name, Rev: said.Rev, Seq: said.Seq, Why: said.Why, Ver: m.Version, V: make([][][]byte, len(m.Outputs))}
	g.mu.RLock()
	defer g.mu.RUnlock()
	old := &x.values.rows
	var parts [][]byte
	for i := range f.rows.len() {
		t, row := f.rows.at(i), f.rows.row(i)
		if j := old.search(t); j < old.len() && old.at(j) == t && string(old.row(j)) == string(row) {
			continue
		}
		parts = cells(parts[:0], row)
		r.T = append(r.T, t)
		for o := range r.V {
			var text []byte
			if string(parts[o+1]) != "null" {
				text = slices.Clone(parts[o+1])
			}
			r.V[o] = append(r.V[o], text)
		}
	}
	return r
}
