package serve

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
)

// Rehearse computes two programs over the bars in memory of at most that many
// series, those that were read last first, and compares them. It stops when ctx
// ends.
func (h *Hub) Rehearse(ctx context.Context, old, fresh Program, most int) Comparison {
	var c Comparison
	for _, g := range h.busiest(most) {
		if ctx.Err() != nil {
			break
		}
		g.mu.RLock()
		bars := g.closedBars()
		g.mu.RUnlock()
		var d difference
		a, err1 := h.compute(&version{program: old}, g.ms, bars, fillTime)
		b, err2 := h.compute(&version{program: fresh}, g.ms, bars, fillTime)
		if err2 != nil || b.state.err != nil {
			c.Failed++
		}
		if err1 == nil && err2 == nil {
			d.rows(&a.rows, &b.rows)
			c.take(&d)
		}
		for _, f := range []*filled{a, b} {
			if f != nil {
				f.state.close()
			}
		}
	}
	return c
}

// busiest lists groups with bars, those that were read last first.
func (h *Hub) busiest(most int) []*group {
	h.mu.RLock()
	var out []*group
	for _, s := range h.symbols {
		for _, g := range s.groups {
			if g != nil && g.lastT != never {
				out = append(out, g)
			}
		}
	}
	h.mu.RUnlock()
	slices.SortFunc(out, func(a, b *group) int {
		return cmp.Or(order(b.lastRead.Load(), a.lastRead.Load()), cmp.Compare(a.symbol.name, b.symbol.name), cmp.Compare(a.itv, b.itv))
	})
	return out[:min(most, len(out))]
}

// Comparison is what two versions of a module computed for the same bars.
type Comparison struct {
	// Series is the number of series compared, Bars that of their bars,
	// Differing that of bars with an output whose bits differ.
	Series, Bars, Differing int64
	// Absolute and Relative are the largest differences of an output.
	Absolute, Relative float64
	// Failed is the number of series on which the new version failed.
	Failed int64
}

// Add adds what was compared elsewhere.
func (c *Comparison) Add(o Comparison) {
	c.Series, c.Bars, c.Differing, c.Failed = c.Series+o.Series, c.Bars+o.Bars, c.Differing+o.Differing, c.Failed+o.Failed
	c.Absolute, c.Relative = max(c.Absolute, o.Absolute), max(c.Relative, o.Relative)
}

func (c *Comparison) take(d *difference) {
	c.Series++
	c.Bars += d.Bars
	c.Differing += d.Differing
	c.Absolute, c.Relative = max(c.Absolute, d.Abs), max(c.Relative, d.Rel)
}

// Compare sums up the series of a module that a version is prepared for: a shadow
// where there is one, else the version that takes over last.
func (h *Hub) Compare(module string) Comparison {
	var c Comparison
	for _, p := range h.places() {
		if !mentions(p.x.dyn.name, module) {
			continue
		}
		turn := h.turn(h.partitionOf(p.g))
		turn.Lock()
		next := p.x.compared()
		if next != nil {
			c.take(&next.diff)
			if next.state.err != nil {
				c.Failed++
			}
		}
		turn.Unlock()
	}
	return c
}

// compared is what is prepared beside the version that is shown, to be compared with
// it. A version that takes over says nothing about a shadow that is not ready yet.
func (x *extra) compared() *prepared {
	if s := x.dyn.shadow.Load(); s != nil {
		return x.prepared(s)
	}
	if n := len(x.nexts); n > 0 {
		return x.nexts[n-1]
	}
	return nil
}

// rows compares bars that both have computed.
func (d *difference) rows(old, fresh *rows) {
	var a, b [][]byte
	for i := range fresh.len() {
		row, ok := old.find(fresh.at(i))
		if !ok {
			continue
		}
		a, b = cells(a[:0], row), cells(b[:0], fresh.row(i))
		d.add(a[1:len(a)-1], b[1:len(b)-1])
	}
}

// add compares the outputs of one bar, as texts.
func (d *difference) add(a, b [][]byte) {
	d.Bars++
	if len(a) != len(b) {
		d.Differing++
		return
	}
	differs := false
	for i := range a {
		if string(a[i]) == string(b[i]) {
			continue
		}
		differs = true
		x, err1 := strconv.ParseFloat(string(a[i]), 64)
		y, err2 := strconv.ParseFloat(string(b[i]), 64)
		if err1 != nil || err2 != nil { // one of them has no value
			continue
		}
		abs := math.Abs(x - y)
		d.Abs = max(d.Abs, abs)
		if m := math.Max(math.Abs(x), math.Abs(y)); m > 0 {
			d.Rel = max(d.Rel, abs/m)
		}
	}
	if differs {
		d.Differing++
	}
}
