package serve

import (
	"bytes"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// redo computes a group anew whose bars were restated.
func (a *augmenting) redo(g *group, f *feeding) {
	if len(f.redo) == 0 {
		return
	}
	list := f.redo
	f.redo = nil
	g.mu.RLock()
	extras, over := g.listExtras(), g.stretch()
	g.mu.RUnlock()
	over.bars = overlay(over.bars, f.bars, f.lastT)
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
		fresh, err := a.h.computeAndEnd(x.state.version, g.ms, over.enough(x.state.meta), batchTime, a.old)
		a.charge(x, began)
		if err != nil {
			a.lapse(x)
			continue
		}
		a.old.add(x.state)
		x.state = fresh.state
		a.restate(list, restatement{x: x, rec: x.changed(g, a.told[x], fresh), rows: fresh.rows, newest: fresh.newest})
		a.told[x] = &fresh.rows
	}
}

// restate has each record of the list say all that they have changed together. Another
// node reads the log in other pieces and says less with each; a client that is cut goes
// on there, or comes from there, and whichever it has heard last, the next one leads it
// to the same values. Where clients are to begin anew instead, the first record tells
// those that are here, and the last one those that come.
func (a *augmenting) restate(list []said, r restatement) {
	for k, s := range list {
		r.early = k < len(list)-1
		if r.long() && r.early && k > 0 {
			continue
		}
		of := r
		of.rec.Sym, of.rec.Itv, of.rec.Rev, of.rec.Seq, of.rec.Why = s.rec.Sym, s.rec.Itv, s.rec.Rev, s.rec.Seq, s.rec.Why
		if r.long() && r.early {
			of.rows = r.rows.clone() // bars that are born late make the series shorter at its front
		}
		a.out[s.i].restated = append(a.out[s.i].restated, of)
	}
}

// overlay puts the bars of a batch, up to lastT, into those that are stored.
func overlay(bars []core.Bar, batch map[int64]core.Bar, lastT int64) []core.Bar {
	for t, b := range batch {
		if t > lastT {
			continue
		}
		at, found := slices.BinarySearchFunc(bars, t, openOrder)
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
func (x *extra) changed(g *group, told *rows, f *filled) wire.RestatedRecord {
	m := f.state.meta
	r := wire.RestatedRecord{Ind: m.Name, Ver: m.Version, V: make([][][]byte, len(m.Outputs))}
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
