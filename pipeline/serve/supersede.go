package serve

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
)

// version is a program that computes the bars that open at or after from, ms. The
// same program may come again as another version of it.
type version struct {
	program Program
	from    int64
}

// maxSuccessors bounds the changes of version that lie ahead of a series.
const maxSuccessors = 8

// Supersede tells the hub that instances of a module are computed by other
// programs from the bars on that open at or after from (ms UTC); resolve gives
// the program of a canonical name. Until then both compute, and the old one is
// shown. So each bar has its value from one version, on every node that is told
// the same in the same order.
func (h *Hub) Supersede(module string, from int64, resolve func(name string) (Program, error)) {
	for _, d := range h.dyn.ofModule(module) {
		m := d.meta.Load()
		p, err := resolve(m.Name)
		if err != nil {
			p = &refused{m, err}
		}
		d.succeedBy(&version{program: p, from: from})
	}
	h.dyn.succeed(h.now())
	h.wakes.tend()
}

// succeedBy adds a change of version. What was to begin later than it never
// does.
func (d *dynamic) succeedBy(s *version) {
	var list []*version
	for _, o := range d.successors() {
		if o.from < s.from {
			list = append(list, o)
		}
	}
	list = append(list, s)
	list = list[max(len(list)-maxSuccessors, 0):]
	d.next.Store(&list)
}

func (d *dynamic) successors() []*version {
	if l := d.next.Load(); l != nil {
		return *l
	}
	return nil
}

// Shadow computes other programs of a module beside those that are shown, to be
// compared. They never take over.
func (h *Hub) Shadow(module string, resolve func(name string) (Program, error)) {
	h.Supersede(module, math.MaxInt64, resolve)
}

// Unshadow ends what Shadow began.
func (h *Hub) Unshadow(module string) {
	for _, d := range h.dyn.ofModule(module) {
		list := slices.DeleteFunc(slices.Clone(d.successors()), func(s *version) bool { return s.from == math.MaxInt64 })
		d.next.Store(&list)
	}
	h.wakes.tend()
}

// succeed makes successors whose time has come the programs of new series.
func (d *dynamics) succeed(now int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, n := range d.byName {
		x := d.list[n]
		for _, s := range slices.Backward(x.successors()) {
			if s.from > now {
				continue
			}
			if x.current.Load() != s {
				x.current.Store(s)
				x.meta.Store(s.program.Meta())
			}
			break
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

// prepare computes the versions that take over, over the bars in memory.
func (h *Hub) prepare(ctx context.Context, p place) {
	for try := 0; try < fillTries && p.x.slow < maxRetries && ctx.Err() == nil; try++ {
		s := h.unprepared(p)
		if s == nil {
			return
		}
		p.g.mu.RLock()
		seen, bars, lastT := p.g.at, p.g.closedBars(), p.g.lastT
		p.g.mu.RUnlock()
		f, err := h.compute(s, p.g.ms, bars, fillTime)
		if err != nil {
			p.x.slow++
			h.fault(s.program, p.g, err)
			return
		}
		if f.state.err != nil {
			h.fault(s.program, p.g, f.state.err)
		}
		if f.state.count == 0 {
			f.state.last = lastT
		}
		if !h.installNext(p, seen, f, s.from) {
			f.state.close()
		}
	}
}

// unprepared is the first version ahead that does not compute yet. Those that
// are not wanted any more are ended.
func (h *Hub) unprepared(p place) *version {
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	x, wanted := p.x, p.x.dyn.successors()
	if x.state == nil || x.lapsed.Load() {
		return nil
	}
	for i, s := range wanted { // the one that is shown, and what was before it
		if s == x.state.version {
			wanted = wanted[i+1:]
			break
		}
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	kept := x.nexts[:0:0]
	for _, n := range x.nexts {
		if slices.ContainsFunc(wanted, func(s *version) bool { return s == n.state.version }) {
			kept = append(kept, n)
		} else {
			n.state.close()
		}
	}
	x.nexts = kept
	for _, s := range wanted {
		if !slices.ContainsFunc(kept, func(n *prepared) bool { return n.state.version == s }) {
			return s
		}
	}
	return nil
}

func (h *Hub) installNext(p place, seen point, f *filled, from int64) bool {
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.g.at != seen || p.g.extras[p.n] != p.x {
		return false
	}
	n := &prepared{state: f.state, rows: f.rows, from: from}
	n.diff.rows(&p.x.values.rows, &f.rows)
	at, _ := slices.BinarySearchFunc(p.x.nexts, from, func(n *prepared, from int64) int { return order(n.from, from) })
	p.x.nexts = slices.Insert(slices.Clone(p.x.nexts), at, n)
	p.x.slow = 0
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

// Compare sums up the series of a module that a version is prepared for.
func (h *Hub) Compare(module string) Comparison {
	var c Comparison
	for _, p := range h.places() {
		if p.x.dyn.meta.Load().Module != module {
			continue
		}
		turn := h.turn(h.partitionOf(p.g))
		turn.Lock()
		if n := len(p.x.nexts); n > 0 {
			next := p.x.nexts[n-1]
			c.take(&next.diff)
			if next.state.err != nil {
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
