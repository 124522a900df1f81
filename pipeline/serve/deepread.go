package serve

import (
	"context"
	"slices"
)

// deepRead is one read of bars behind memory. What memory holds was copied under
// one lock before anything is asked: bars that leave it meanwhile are in the
// copy, so the place where a store has to go on is one open time, kept.
type deepRead struct {
	h      *Hub
	parent context.Context // of the request
	ctx    context.Context // ends with the time for stores
	gates  []*gate
	g      *group
	q      *Range

	kept int64 // open time of the oldest bar in memory; lastOpen: there is none
	upto int64 // end of what is asked for behind memory
	// oldest is the bar at kept.
	oldest publication
	need   int // how many bars behind memory are of use
	left   departed

	page *group // the rows of the answer
	name string // of the store that answered
	down bool   // no store does
	// store are the places of the bars of the page that are the store's.
	store []publication
	// reach is how far the store goes: it holds all bars up to that open time, at
	// most kept. whole tells that what is asked for is known to be without a gap.
	reach int64
	whole bool
	met   bool // it was asked how far it goes
	// partial: what stands in the log before the oldest bar followed is being absorbed.
	partial bool
}

// readDeep returns a copy of g with the rows that a range needs from behind
// memory and the values of instances for them, or nil if memory has them, or no
// store is configured.
func (h *Hub) readDeep(ctx context.Context, g *group, q *Range, inds []int) (*group, error) {
	d := h.deepRead(ctx, g, q, inds)
	if d == nil {
		return nil, nil //nolint:nilnil // no copy is needed
	}
	var cancel context.CancelFunc
	d.ctx, cancel = h.storeTime(ctx, d.gates)
	defer cancel()
	if d.need == 0 && !d.warm() {
		return nil, ctx.Err() // the values of memory are the best there are
	}
	err := d.fill()
	if err == nil {
		err = d.compute(inds)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	d.page.origin.seal(d.page, inds)
	return d.page, nil
}

// deepRead tells what is wanted from behind memory; nil if nothing is.
func (h *Hub) deepRead(ctx context.Context, g *group, q *Range, inds []int) *deepRead {
	gates := h.stores.Load()
	if gates == nil || len(*gates) == 0 {
		return nil
	}
	d := &deepRead{h: h, parent: ctx, gates: *gates, g: g, q: q, reach: never}
	needed := h.longestWarmup(inds)
	g.mu.RLock()
	defer g.mu.RUnlock()
	d.partial = h.partial.Load()
	d.kept = g.oldest()
	if d.oldest.t = d.kept; g.bars.len() > 0 {
		d.oldest.rev, d.oldest.seq = rowRevision(g.bars.row(0))
	}
	d.upto = d.kept
	if q.HasTo {
		d.upto = min(d.upto, q.To)
	}
	w := g.window(q)
	d.need = d.lacking(&w)
	warm := w.i == w.j || int64(w.i) >= needed // no row is too near to the oldest bar of memory
	if d.upto <= firstOpen || d.need == 0 && warm || g.left.nothingBehind(d.kept, h.now()) {
		return nil
	}
	end := w.j
	if w.hasNext {
		end = min(end+1, g.bars.len()) // by which the page knows that it has a next
	}
	d.left = g.left
	d.page = g.excerpt(end)
	return d
}

// lacking is how many bars behind memory are of use beside the window of memory.
func (d *deepRead) lacking(w *window) int {
	switch {
	case d.q.HasFrom && d.q.From < d.upto:
		return d.q.Limit + 1 // one more than fits: by it the page knows that it has a next
	case d.q.HasFrom:
		return 0
	}
	n := d.q.Limit - (w.j - w.i)
	if w.forming {
		n--
	}
	return max(n, 0)
}

// excerpt copies the oldest n bars with their values, and what is newest. The
// caller holds mu.
func (g *group) excerpt(n int) *group {
	c := newGroup(g.symbol, g.itv, g.ms, len(g.values))
	c.origin = &origin{}
	for i := range n {
		c.copyBar(g, i)
	}
	c.takeNewest(g)
	return c
}

// copyBar takes over bar i of another group, with its source and its values.
func (g *group) copyBar(of *group, i int) {
	t := of.bars.at(i)
	g.bars.put(t, of.bars.row(i))
	g.sources.put(t, of.sourceOf(t))
	for n := range of.values {
		if row, ok := of.values[n].rows.find(t); ok {
			g.values[n].rows.put(t, row)
		}
	}
}

// fill puts the bars from behind memory into the page.
func (d *deepRead) fill() error {
	if d.need == 0 {
		d.parts(never)
		return nil
	}
	q := BarQuery{From: firstOpen, To: d.upto, Limit: d.need, Newest: true}
	if d.q.HasFrom {
		q.From, q.Newest = d.q.From, false
	}
	bars, err := d.ask(q, true)
	if err != nil {
		return d.without(err)
	}
	full := len(bars) == d.need
	d.store = places(bars)
	if err := d.show(bars, &q, full); err != nil {
		return err
	}
	if full && d.q.HasFrom {
		d.whole, d.reach = true, d.kept // the store was written in order: it holds all that is shown
		d.parts(lastOpen)
		return d.tellHoles(q, bars, full)
	}
	if d.meet(); !d.whole {
		d.bridge()
	}
	d.parts(d.reach + 1)
	if err := d.tellHoles(q, bars, full); err != nil {
		return err
	}
	if d.whole && len(d.page.origin.missing) == 0 && q.Newest && d.upto == d.kept && d.page.bars.search(d.kept) == 0 {
		d.noteNothing()
	}
	return nil
}

// show puts bars of the store into the page, in the newest revision that is known.
func (d *deepRead) show(bars []storeBar, q *BarQuery, full bool) error {
	if n := len(bars); n > 0 {
		if err := d.refresh(bars[n-1].t); err != nil {
			return err
		}
	}
	for _, b := range d.revise(slices.Clone(bars), q, full) {
		d.page.bars.put(b.t, b.row)
		d.page.sources.put(b.t, b.source)
	}
	return nil
}

// parts says where the rows of the page come from; those before end are the
// store's.
func (d *deepRead) parts(end int64) {
	p := &d.page.origin.parts
	if d.name != "" && end > never {
		*p = append(*p, part{min(end, d.kept), d.name})
	}
	if i := d.page.bars.search(max(end, firstOpen)); i < d.page.bars.search(d.kept) || d.down {
		*p = append(*p, part{d.kept, sourceLog})
	}
	if d.kept < lastOpen || d.page.forming != nil {
		*p = append(*p, part{lastOpen, sourceMemory})
	}
}
