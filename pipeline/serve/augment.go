package serve

import (
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// addition is what instances on demand add to one record.
type addition struct {
	// values stand beside those of the record.
	values []computed
	// restated are values of earlier bars that the record changed.
	restated []restatement
	// over are the instances that another version computes from this bar on.
	over []takeover
	// begun are those that wait for the first bar of their symbol, which this is.
	begun []*extra
}

// computed is the value of one instance on demand.
type computed struct {
	x *extra
	v wire.IndRecord
}

// restatement is one instance computed anew after a bar was restated.
type restatement struct {
	x      *extra
	rec    wire.RestatedRecord
	rows   rows
	newest wire.IndRecord // the value of the last bar
	// early is one that a later record of the batch tells again: what is shown follows
	// with that.
	early bool
}

// augmenting is one batch of a partition.
type augmenting struct {
	h    *Hub
	out  []addition
	rec  wire.KlineRecord
	fed  map[*group]*feeding
	took map[*dynamic]spent
	// told are the rows that the last restatement of the batch leaves behind. What is
	// shown until the batch is applied would hide a change that is taken back in it.
	told map[*extra]*rows
	old  *endings
	all  spent // of all programs
}

// feeding is what a batch has done to the bars of a group so far.
type feeding struct {
	bars  map[int64]core.Bar // not stored yet
	lastT int64
	// redo are the records whose restated bars the states do not know yet.
	redo []said
}

// said is what a record says of the bar that it restates.
type said struct {
	i   int // its number in the batch
	rec wire.RestatedRecord
}

// augment computes what is on demand for the records of partition p, which are
// about to be applied. It is nil where there is nothing. The caller holds the
// turn of the partition, and closes old when it has given it back.
func (h *Hub) augment(p int32, recs []Record, old *endings) []addition {
	if h.dyn.extras.Load() == 0 {
		return nil
	}
	a := augmenting{h: h, out: make([]addition, len(recs)), fed: map[*group]*feeding{}, took: map[*dynamic]spent{}, told: map[*extra]*rows{}, old: old}
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
	extras, lastT, gone := g.listExtras(), g.lastT, g.left.behind(k.T) && !g.lead.holds(k.T)
	g.mu.RUnlock()
	if len(extras) == 0 || gone { // one that is gone would stand beside bars that are not its neighbours
		return
	}
	f := a.fed[g]
	if f == nil {
		f = &feeding{bars: map[int64]core.Bar{}, lastT: lastT}
		a.fed[g] = f
	}
	bar := recordBar(k)
	f.bars[bar.OpenTime] = bar
	if k.Rev > 0 || bar.OpenTime <= f.lastT {
		f.redo = append(f.redo, said{i, wire.RestatedRecord{Sym: k.Sym, Itv: k.Itv, Rev: k.Rev, Seq: k.Seq, Why: k.Why}})
		return
	}
	a.redo(g, f) // the states have to know what was restated before this bar
	first := f.lastT == never
	f.lastT = bar.OpenTime
	for _, x := range extras {
		if first {
			a.first(i, g, x, bar)
		}
		a.one(i, g, x, bar, k.Seq)
	}
}

// listExtras are the instances on demand of g, in the order of their ranks.
// The caller holds mu.
func (g *group) listExtras() []*extra {
	out := make([]*extra, 0, len(g.extras))
	for _, x := range g.extras {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *extra) int { return order(int64(a.series.rank), int64(b.series.rank)) })
	return out
}

// first makes a state for the first bar of a symbol: there is nothing before it
// that would have to be computed.
func (a *augmenting) first(i int, g *group, x *extra, bar core.Bar) {
	own := x.dyn.at(bar.OpenTime)
	if x.lapsed.Load() || x.state.version != own && x.prepared(own) == nil {
		a.old.add(x.state)
		x.begin(start(own, g.ms))
		a.out[i].begun = append(a.out[i].begun, x)
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
	var v wire.IndRecord
	if len(x.nexts) == 0 {
		v = a.feed(g, x.state, bar)
	} else {
		v = a.feedAll(g, x, own, bar, out)
	}
	v.Seq = seq
	out.values = append(out.values, computed{x, v})
	a.charge(x, began)
}

// feed runs one bar.
func (a *augmenting) feed(g *group, r *running, bar core.Bar) (out wire.IndRecord) {
	if r.run([]core.Bar{bar}, func(_ int, v *wire.IndRecord) { out = cloneValue(v) }) {
		a.old.add(r)
		a.h.fault(r.program, g, r.err)
	}
	return out
}

// endGone ends the states of what the last stream of a symbol left between its first
// bar and this moment: whoever takes such a place away cannot know of a state. The
// caller holds the turn and the Hub's lock.
func (a *addition) endGone(old *endings) {
	for _, x := range a.begun {
		if x.gone {
			x.end(old)
		}
	}
}
