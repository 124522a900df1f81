package serve

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
)

// successor is a program that computes beside the one that is shown and takes
// over with the bars that open at or after from, ms.
type successor struct {
	program Program
	from    int64
}

// Supersede tells the hub that instances of a module are computed by other
// programs from the bars on that open at or after from (ms UTC); resolve gives
// the program of a canonical name. Until then both compute, and the old one is
// shown. So each bar has its value from one version, on every node that is told
// the same.
func (h *Hub) Supersede(module string, from int64, resolve func(name string) (Program, error)) {
	for _, d := range h.dyn.ofModule(module) {
		m := d.meta.Load()
		p, err := resolve(m.Name)
		if err != nil {
			p = &refused{m, err}
		}
		d.next.Store(&successor{program: p, from: from})
	}
	h.dyn.succeed(h.now())
	h.wakes.tend()
}

// Shadow computes other programs of a module beside those that are shown, to be
// compared. They never take over.
func (h *Hub) Shadow(module string, resolve func(name string) (Program, error)) {
	h.Supersede(module, math.MaxInt64, resolve)
}

// Unshadow ends what Shadow began.
func (h *Hub) Unshadow(module string) {
	for _, d := range h.dyn.ofModule(module) {
		if s := d.next.Load(); s != nil && s.from == math.MaxInt64 {
			d.next.CompareAndSwap(s, nil)
		}
	}
	h.wakes.tend()
}

// succeed makes successors whose time has come the programs of new series.
func (d *dynamics) succeed(now int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, n := range d.byName {
		x := d.list[n]
		if s := x.next.Load(); s != nil && s.from <= now && *x.program.Load() != s.program {
			x.program.Store(&s.program)
			x.meta.Store(s.program.Meta())
		}
	}
}

// refused stands for an instance that a new version does not have any more: its
// values are null.
type refused struct {
	meta *InstanceMeta
	err  error
}

// Meta implements Program.
func (r *refused) Meta() *InstanceMeta { return r.meta }

// Start implements Program.
func (r *refused) Start(int64) (Cursor, error) { return nil, r.err }

// prepare computes the version that takes over, over the bars in memory.
func (h *Hub) prepare(ctx context.Context, p place) {
	wanted := p.x.dyn.next.Load()
	if p.x.slow >= maxRetries || !h.stale(p, wanted) {
		return
	}
	for range fillTries {
		if ctx.Err() != nil {
			return
		}
		p.g.mu.RLock()
		seen, bars, lastT := p.g.at, p.g.closedBars(), p.g.lastT
		p.g.mu.RUnlock()
		f, err := h.compute(wanted.program, p.g.ms, bars, fillTime)
		if err != nil {
			p.x.slow++
			h.fault(wanted.program, p.g, err)
			return
		}
		if f.state.err != nil {
			h.fault(wanted.program, p.g, f.state.err)
		}
		if f.state.count == 0 {
			f.state.last = lastT
		}
		if h.installNext(p, seen, f, wanted) {
			return
		}
		f.state.close()
	}
}

// stale tells whether the successor has to be prepared. One that is not wanted
// any more is ended.
func (h *Hub) stale(p place, wanted *successor) bool {
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	x := p.x
	if x.next != nil && (wanted == nil || x.next.program != wanted.program) {
		x.next.close()
		x.next = nil
		p.g.mu.Lock()
		x.nextRows = rows{}
		p.g.mu.Unlock()
	}
	if wanted == nil || x.state == nil || x.state.program == wanted.program {
		return false
	}
	if x.next != nil {
		x.from = wanted.from
		return false
	}
	return true
}

func (h *Hub) installNext(p place, seen point, f *filled, by *successor) bool {
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.g.at != seen || p.g.extras[p.n] != p.x {
		return false
	}
	p.x.next.close()
	p.x.next, p.x.nextRows, p.x.from, p.x.slow = f.state, f.rows, by.from, 0
	p.x.diff = difference{}
	p.x.diff.rows(&p.x.values.rows, &f.rows)
	return true
}

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
		a, err1 := h.compute(old, g.ms, bars, fillTime)
		b, err2 := h.compute(fresh, g.ms, bars, fillTime)
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

// Compare sums up the series of a module that a version is prepared for.
func (h *Hub) Compare(module string) Comparison {
	var c Comparison
	for _, p := range h.places() {
		if p.x.dyn.meta.Load().Module != module {
			continue
		}
		turn := h.turn(h.partitionOf(p.g))
		turn.Lock()
		if p.x.next != nil {
			c.take(&p.x.diff)
			if p.x.next.err != nil {
				c.Failed++
			}
		}
		turn.Unlock()
	}
	return c
}

// rows compares bars that both have computed.
func (d *difference) rows(old, fresh *rows) {
	var a, b [][]byte
	for i := range fresh.len() {
		j := old.search(fresh.at(i))
		if j == old.len() || old.at(j) != fresh.at(i) {
			continue
		}
		a, b = cells(a[:0], old.row(j)), cells(b[:0], fresh.row(i))
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
