package serve

import (
	"bytes"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

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
			a.lapse(x)
			continue
		}
		a.old.add(x.state)
		x.state = fresh.state
		a.out[i].restated = append(a.out[i].restated, restatement{x: x, rec: x.changed(g, a.told[x], fresh, &f.said), rows: fresh.rows, newest: fresh.newest})
		a.told[x] = &fresh.rows
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

// changed lists the values that differ from told, which an earlier record of the batch
// says, or where there is none from what is shown.
func (x *extra) changed(g *group, told *rows, f *filled, said *wire.RestatedRecord) wire.RestatedRecord {
	m := f.state.meta
	r := wire.RestatedRecord{Sym: said.Sym, Itv: said.Itv, Ind: m.Name, Rev: said.Rev, Seq: said.Seq, Why: said.Why, Ver: m.Version, V: make([][][]byte, len(m.Outputs))}
	g.mu.RLock()
	defer g.mu.RUnlock()
	old := told
	if old == nil {
		old = &x.values.rows
	}
	var parts [][]byte
	for i := range f.rows.len() {
		t, row := f.rows.at(i), f.rows.row(i)
		if was, ok := old.find(t); ok && bytes.Equal(was, row) {
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
