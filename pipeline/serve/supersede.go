package serve

import (
	"context"
	"math"
	"strconv"
)

// Supersede tells the hub that the programs of a module mean another version
// now: series computed on demand change to it with the first bar that opens at
// or after from (ms). Until then both compute, and one is shown. A bar has its
// value from one version, on every node that is told the same.
func (h *Hub) Supersede(module string, from int64) {
	h.dyn.mu.RLock()
	computer := h.dyn.computer
	h.dyn.mu.RUnlock()
	if computer == nil {
		return
	}
	for _, d := range h.dyn.ofModule(module) {
		p, err := computer.Program(d.meta.Load().Name)
		if err != nil {
			p = refused{d.meta.Load(), err}
		}
		d.from.Store(from)
		d.meta.Store(p.Meta())
		d.program.Store(&p)
	}
	h.wakes.tend()
}

// refused stands for an instance that a new version does not have any more: its
// values are null.
type refused struct {
	meta *InstanceMeta
	err  error
}

func (r refused) Meta() *InstanceMeta         { return r.meta }
func (r refused) Start(int64) (Cursor, error) { return nil, r.err }

// prepare computes the version that takes over, over the bars in memory.
func (h *Hub) prepare(ctx context.Context, p place) {
	program := *p.x.dyn.program.Load()
	if !h.stale(p, program) {
		return
	}
	for range fillTries {
		if ctx.Err() != nil {
			return
		}
		p.g.mu.RLock()
		seen, bars, lastT := p.g.at, p.g.closedBars(), p.g.lastT
		p.g.mu.RUnlock()
		f, err := h.compute(program, p.g.ms, bars, fillTime)
		if err != nil {
			h.abandon(p, err)
			return
		}
		if f.state.count == 0 {
			f.state.last = lastT
		}
		if h.installNext(p, seen, f) {
			return
		}
		f.state.close()
	}
}

// stale tells whether the program shown is not the one that is wanted, and the
// wanted one is not prepared yet.
func (h *Hub) stale(p place, wanted Program) bool {
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	if p.x.state == nil || p.x.state.program == wanted {
		return false
	}
	return p.x.next == nil || p.x.next.program != wanted
}

func (h *Hub) installNext(p place, seen point, f *filled) bool {
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.g.at != seen || p.g.extras[p.n] != p.x {
		return false
	}
	p.x.next.close()
	p.x.next, p.x.nextRows, p.x.from = f.state, f.rows, p.x.dyn.from.Load()
	p.x.diff = difference{}
	p.x.compare()
	return true
}

// compare looks at the bars both versions have computed already.
func (x *extra) compare() {
	old, fresh := &x.values.rows, &x.nextRows
	var a, b [][]byte
	for i := range fresh.len() {
		j := old.search(fresh.at(i))
		if j == old.len() || old.at(j) != fresh.at(i) {
			continue
		}
		a, b = cells(a[:0], old.row(j)), cells(b[:0], fresh.row(i))
		x.diff.add(a[1:len(a)-1], b[1:len(b)-1])
	}
}

// Comparison is what two versions of a module computed for the same bars.
type Comparison struct {
	// Series is the number of series compared, Bars that of their bars,
	// Differing that of bars with an output whose bits differ.
	Series, Bars, Differing int64
	// Absolute and Relative are the largest differences of an output.
	Absolute, Relative float64
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
			c.Series++
			c.Bars += p.x.diff.Bars
			c.Differing += p.x.diff.Differing
			c.Absolute, c.Relative = max(c.Absolute, p.x.diff.Abs), max(c.Relative, p.x.diff.Rel)
		}
		turn.Unlock()
	}
	return c
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
