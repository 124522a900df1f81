package serve

import (
	"context"
	"math"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

const (
	// maxSeed bounds the bars before a page that are read to compute its values.
	maxSeed = 20_000
	// seedFactor is how many times the declared warm-up is computed before the first
	// row. Twice leaves eight digits that do not depend on the start; with eight
	// times what forgets exponentially has forgotten all bits of a float64.
	seedFactor = 8
)

// seedBars is how many bars before a page its values need: all there are where
// they depend on the first one for ever.
func seedBars(m *InstanceMeta) int {
	if m.Warmup >= neverStable {
		return maxSeed
	}
	return int(min(max(m.Warmup, 0)*seedFactor, maxSeed))
}

// longestWarmup is how many bars of memory the instances on demand need before
// their values are what a longer history gives. What depends on the first bar for
// ever does not count: in memory it begins where the stream began.
func (h *Hub) longestWarmup(inds []int) (bars int64) {
	for _, n := range inds {
		if w := h.warmupOf(n); w < neverStable {
			bars = max(bars, w)
		}
	}
	return bars
}

// warmupOf is that of an instance on demand, 0 of a configured one.
func (h *Hub) warmupOf(n int) int64 {
	if !h.isDynamic(n) {
		return 0
	}
	return h.meta(n).Warmup
}

// warm tells, for a page of memory alone, whether a store holds what is before it.
func (d *deepRead) warm() bool {
	d.name = d.gates[0].store.Name()
	d.meet()
	return d.whole && d.refresh(d.kept) == nil
}

// compute puts the values of instances into the page: those in memory and on the
// log are what was published, those of the store's bars are computed.
func (d *deepRead) compute(inds []int) error {
	if len(inds) == 0 || d.page.bars.len() == 0 {
		return nil
	}
	versions := make([]*version, len(inds))
	seed := 0
	for i, n := range inds {
		v, err := d.h.versionOf(n, d.g.newest())
		if err != nil {
			return notNow(d.h.meta(n).Name, err)
		}
		if versions[i] = v; v != nil {
			seed = max(seed, seedBars(v.program.Meta()))
		}
	}
	before, err := d.seed(seed)
	if err != nil {
		return err
	}
	first := d.page.bars.at(0)
	for i, n := range inds {
		if versions[i] == nil {
			continue
		}
		if err := d.computeOne(n, versions[i], before); err != nil {
			return notNow(d.h.meta(n).Name, err)
		}
	}
	dp := d.page.origin
	if dp.seed, dp.seeded = first, true; len(before) > 0 {
		dp.seed = before[0].OpenTime
	}
	return nil
}

// versionOf is what computes instance n for bars that nobody published values of:
// the version of the newest bar, which opened at lastT; nil where nothing can.
func (h *Hub) versionOf(n int, lastT int64) (*version, error) {
	if h.isDynamic(n) {
		return h.dynamic(n).at(lastT), nil
	}
	h.dyn.mu.RLock()
	computer := h.dyn.computer
	h.dyn.mu.RUnlock()
	if computer == nil {
		return nil, nil //nolint:nilnil // tests, and hubs that read a piece of the log
	}
	turns, err := turnsOf(context.Background(), computer, h.meta(n).Name)
	if err != nil {
		return nil, err
	}
	list := versions(h.meta(n).Name, nil, turns)
	return list[indexAt(list, lastT)], nil
}

// seed reads up to n bars that end where the page begins. There are none where the
// page does not begin with bars of the store, or next to them.
func (d *deepRead) seed(n int) ([]core.Bar, error) {
	first := d.page.bars.at(0)
	if d.down || n == 0 || first > d.reach+max(d.g.ms, 1) {
		return nil, nil
	}
	q := BarQuery{From: firstOpen, To: first, Limit: n + 1, Newest: true}
	found, err := d.ask(q, false)
	if err != nil {
		if d.parent.Err() != nil {
			return nil, d.parent.Err()
		}
		return nil, d.unavailable(err)
	}
	if len(found) == 0 && first == d.kept {
		d.noteNothing()
	}
	more := len(found) > n // one more than is used, to know whether there is one
	next := d.neighbours(found)
	d.page.origin.whole = !more && len(next) == len(found)
	if len(next) < len(found) { // what is before the hole is of no use
		found, more = next, false
		q.From = lastOpen
		if len(next) > 0 {
			q.From = next[0].t
		}
	}
	if found = d.revise(found, &q, more); more {
		found = found[1:]
	}
	out := make([]core.Bar, len(found))
	for i := range found {
		out[i] = found[i].bar
	}
	return out, nil
}

// computeOne runs one instance over the bars before the page and those in it. At
// a gap it begins anew: a value over bars that are not neighbours is none.
func (d *deepRead) computeOne(n int, v *version, before []core.Bar) error {
	bars := slices.Concat(before, d.page.closedBars())
	first, last := d.page.bars.at(0), int64(math.MaxInt64)
	dynamic := d.h.isDynamic(n)
	into := d.page.value(n)
	if dynamic {
		x := d.h.foreign(d.g, n, v)
		if d.page.extras == nil {
			d.page.extras = map[int]*extra{}
		}
		d.page.extras[n] = x
		into = &x.values
	} else {
		last = d.kept
	}
	for _, piece := range d.pieces(bars) {
		var f *filled
		var err error
		if dynamic {
			f, err = d.h.computeInTurn(d.parent, n, v, d.g.ms, piece)
		} else { // who reads what is configured does not wait for uploads
			f, err = d.h.compute(v, d.g.ms, piece, fillTime)
		}
		if err != nil {
			return err
		}
		f.state.close()
		if f.state.err != nil {
			d.h.fault(v.program, d.g, f.state.err)
		}
		for i := f.rows.search(first); i < f.rows.len() && f.rows.at(i) < last; i++ {
			t := f.rows.at(i)
			if _, published := into.rows.find(t); !published {
				into.rows.put(t, f.rows.row(i))
			}
		}
	}
	return nil
}

// foreign is the place for values of instance n that are computed for one answer;
// its newest ones are those of the series.
func (h *Hub) foreign(g *group, n int, v *version) *extra {
	x := &extra{dyn: h.dynamic(n)}
	x.meta.Store(v.program.Meta())
	g.mu.RLock()
	defer g.mu.RUnlock()
	if live := g.extras[n]; live != nil {
		x.values.closed, x.values.forming, x.values.formRow = live.values.closed, live.values.forming, live.values.formRow
	}
	return x
}

// pieces cuts bars at the gaps.
func (d *deepRead) pieces(bars []core.Bar) [][]core.Bar {
	var out [][]core.Bar
	for _, m := range d.page.origin.missing {
		i, _ := slices.BinarySearchFunc(bars, m.To, func(b core.Bar, t int64) int { return order(b.OpenTime, t) })
		if i > 0 && i < len(bars) {
			out, bars = append(out, bars[:i]), bars[i:]
		}
	}
	return append(out, bars)
}
