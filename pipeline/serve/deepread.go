package serve

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// nothingTime is how long it is believed that no store holds more of a series
// than memory: charts of a young series must not ask for its past each time, ms.
const nothingTime = 30_000

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

// storeTimeKey is under which the reads of one request share their time.
type storeTimeKey struct{}

// shareStoreTime lets all reads with the context share the time for stores.
func (h *Hub) shareStoreTime(ctx context.Context) (context.Context, context.CancelFunc) {
	gates := h.stores.Load()
	if gates == nil || len(*gates) == 0 {
		return ctx, func() {}
	}
	bounded, cancel := h.storeTime(ctx, *gates)
	return context.WithValue(ctx, storeTimeKey{}, bounded), cancel
}

// storeTime bounds the questions of a request.
func (*Hub) storeTime(ctx context.Context, gates []*gate) (context.Context, context.CancelFunc) {
	if shared, ok := ctx.Value(storeTimeKey{}).(context.Context); ok {
		return shared, func() {}
	}
	return context.WithTimeout(ctx, gates[0].cfg.Timeout)
}

// deepRead tells what is wanted from behind memory; nil if nothing is.
func (h *Hub) deepRead(ctx context.Context, g *group, q *Range, inds []int) *deepRead {
	gates := h.stores.Load()
	if gates == nil || len(*gates) == 0 {
		return nil
	}
	d := &deepRead{h: h, parent: ctx, gates: *gates, g: g, q: q, kept: lastOpen, reach: never}
	needed := h.longestWarmup(inds)
	g.mu.RLock()
	defer g.mu.RUnlock()
	d.kept = g.oldest()
	if d.oldest.t = d.kept; g.bars.len() > 0 {
		d.oldest.rev, d.oldest.seq = rowRevision(g.bars.row(0))
	}
	d.upto = d.kept
	if q.HasTo {
		d.upto = min(d.upto, q.To)
	}
	w := g.window(q)
	end := w.j
	switch {
	case !q.HasFrom:
		if d.need = q.Limit - (w.j - w.i); w.forming {
			d.need--
		}
	case q.From < d.upto:
		d.need = q.Limit + 1
	}
	if w.hasNext {
		end = min(end+1, g.bars.len()) // by which the page knows that it has a next
	}
	if d.need = max(d.need, 0); d.upto <= firstOpen || d.need == 0 && (w.i == w.j || int64(w.i) >= needed) {
		return nil
	}
	if l := &g.left; l.nothing && l.nothingBefore == d.kept && h.now()-l.nothingAt < nothingTime {
		return nil
	}
	d.left = g.left
	d.page = g.excerpt(0, end)
	return d
}

// excerpt copies bars i to j-1 with their values, and what is newest. The caller
// holds mu.
func (g *group) excerpt(i, j int) *group {
	c := newGroup(g.symbol, g.itv, g.ms, len(g.values))
	c.origin = &origin{}
	for ; i < j; i++ {
		t := g.bars.at(i)
		c.bars.put(t, g.bars.row(i))
		c.sources.put(t, g.sourceOf(t))
		for n := range g.values {
			r := &g.values[n].rows
			if k := r.search(t); k < r.len() && r.at(k) == t {
				c.values[n].rows.put(t, r.row(k))
			}
		}
	}
	for n := range g.values {
		v := &g.values[n]
		c.values[n].closed, c.values[n].forming, c.values[n].formRow = v.closed, v.forming, v.formRow
	}
	c.forming, c.formT, c.formSrc = g.forming, g.formT, g.formSrc
	c.lastT, c.first, c.at, c.pos, c.wm = g.lastT, g.first, g.at, g.pos, g.wm
	return c
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
	stored := bars
	if n := len(bars); n > 0 {
		if err := d.refresh(bars[n-1].t); err != nil {
			return err
		}
	}
	bars = d.revise(slices.Clone(bars), &q, full)
	for i := range bars {
		d.page.bars.put(bars[i].t, bars[i].row)
		d.page.sources.put(bars[i].t, bars[i].source)
	}
	if full && d.q.HasFrom {
		d.whole, d.reach = true, d.kept // the store was written in order: it holds all that is shown
		d.parts(lastOpen)
		return d.tellHoles(q, stored, full)
	}
	if err := d.meet(); err != nil {
		return d.parent.Err()
	}
	if !d.whole {
		d.bridge()
	}
	d.parts(d.reach + 1)
	if err := d.tellHoles(q, stored, full); err != nil {
		return err
	}
	if d.whole && len(d.page.origin.missing) == 0 && q.Newest && d.upto == d.kept && d.page.bars.search(d.kept) == 0 {
		d.nothing()
	}
	return nil
}

// revise puts in what left memory restated and the store may not hold yet.
func (d *deepRead) revise(bars []storeBar, q *BarQuery, full bool) []storeBar {
	low, high := q.From, q.To
	if full && q.Newest {
		low = bars[0].t
	} else if full {
		high = bars[len(bars)-1].t + 1
	}
	for _, b := range d.left.bars {
		if b.t < low || b.t >= high {
			continue
		}
		fresh := storeBar{t: b.t, row: b.row, source: b.source, bar: readBar(b.row)}
		i, found := slices.BinarySearchFunc(bars, b.t, func(s storeBar, t int64) int { return order(s.t, t) })
		switch {
		case !found:
			bars = slices.Insert(bars, i, fresh)
		case bars[i].row == nil || newer(b.row, bars[i].row):
			bars[i] = fresh
		}
	}
	return bars
}

// refresh reads from the log what restated bars up to the one that opens at newest
// became behind the place that the store has come to, where more of them have left
// memory than are remembered. A bar is final once one that closed a lateness later
// is in the store.
func (d *deepRead) refresh(newest int64) error {
	l, late := &d.left, d.h.cfg.AllowedLateness
	if !l.forgets || l.forgot < newest-late || l.sealedBy == d.name && newest+late < l.sealed {
		return nil
	}
	if err := d.meet(); err != nil {
		return err
	}
	low := max(d.reach, newest) - late
	if newest < low || l.forgot < low {
		return nil
	}
	fresh, known := d.revisions(low, max(d.reach, newest))
	if !known {
		d.missAlso(Gap{low, newest + max(d.g.ms, 1)})
	}
	l.bars = append(fresh, l.bars...)
	return d.parent.Err()
}

// revisions reads the restated bars from low to high from the log, from where the
// last of them was published. known is false where the log does not go back that
// far.
func (d *deepRead) revisions(low, high int64) (fresh []departedBar, known bool) {
	h, g := d.h, d.g
	archive, p, end := h.logOf(g)
	g.mu.RLock()
	from, ok := g.index.before(high, 0)
	ok = ok && g.index.timeOf(from) <= high
	to := g.index.after(high+h.cfg.AllowedLateness+g.ms, end)
	g.mu.RUnlock()
	if archive == nil || p < 0 || !ok {
		return nil, false
	}
	old := newGroup(g.symbol, g.itv, g.ms, len(g.values))
	log := &watchedLog{LogReader: archive, first: -1}
	if err := h.fetch(d.parent, log, old, &Range{}, p, from, to); err != nil {
		return nil, false
	}
	for i := old.bars.search(low); i < old.bars.len() && old.bars.at(i) <= high; i++ {
		if rev, _ := rowRevision(old.bars.row(i)); rev > 0 {
			fresh = append(fresh, departedBar{old.bars.at(i), old.bars.row(i), old.sourceOf(old.bars.at(i))})
		}
	}
	return fresh, log.first == from
}

// newer tells whether a is the same or a later revision of a bar than b.
func newer(a, b []byte) bool {
	_, x := rowRevision(a)
	_, y := rowRevision(b)
	return x >= y
}

// meet finds out whether the store goes on where memory begins: it was written in
// the order of the log, so it does if it holds the oldest bar of memory.
func (d *deepRead) meet() error {
	if d.met {
		return nil
	}
	d.met = true
	switch {
	case d.kept == lastOpen:
		d.whole, d.reach = true, d.kept
		return nil
	case d.left.sealedBy == d.name && d.upto <= d.left.sealed:
		d.whole, d.reach = true, min(d.left.sealed, d.kept)
		return nil
	}
	found, err := d.ask(BarQuery{From: firstOpen, To: d.kept + 1, Limit: 1, Newest: true}, false)
	if err != nil { // all that is known is what it said before
		if n := len(d.store); n > 0 {
			d.reach = d.store[n-1].t
		}
		return nil
	}
	if len(found) > 0 {
		d.reach = found[0].t
	}
	if d.reach == d.kept {
		d.whole = true
		d.g.seal(d.name, d.kept)
	}
	return nil
}

// seal notes that a store holds the bar that opens at t.
func (g *group) seal(store string, t int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left.sealedBy != store || t > g.left.sealed {
		g.left.sealed, g.left.sealedBy = t, store
	}
}

// nothing notes that no store holds anything before memory.
func (d *deepRead) nothing() {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	l := &d.g.left
	l.nothing, l.nothingBefore, l.nothingAt = true, d.kept, d.h.now()
}

// bridge reads what lies between the store, which lags, and memory from the log,
// and says what may be missing if the log does not hold it.
func (d *deepRead) bridge() {
	low := d.reach + 1
	if d.reach == never {
		low = firstOpen
	}
	if d.q.HasFrom {
		low = max(low, d.q.From)
	}
	if low >= d.upto || d.begins(d.upto) { // nothing of what is asked for lies between
		d.whole = true
		return
	}
	known := d.fromLog(low)
	if d.whole = known == never || d.begins(known); !d.whole {
		d.miss(low, known)
	}
}

// begins tells that what is known from that open time on goes back to the first
// bar of the series that the log ever showed, and the store holds none at all: one
// that was just configured.
func (d *deepRead) begins(known int64) bool { return d.reach == never && known <= d.page.first }

// miss notes that bars from low to high may be missing. There may be some that
// were remembered when they left memory, which says nothing about their neighbours.
func (d *deepRead) miss(low, high int64) {
	if d.reach != never && low == d.reach+1 {
		low = d.reach + max(d.g.ms, 1)
	}
	if low < high {
		d.page.origin.missing = append(d.page.origin.missing, Gap{low, high})
	}
}

// fromLog puts the bars of the log from low on into the page. It returns the open
// time from which on they are all there are, at most upto; never if that is as far
// as anybody asks, since the log holds a bar at or before low or fills the page.
func (d *deepRead) fromLog(low int64) (known int64) {
	h, g := d.h, d.g
	archive, p, end := h.logOf(g)
	if archive == nil || p < 0 {
		return d.upto
	}
	start, q := max(low, firstOpen), Range{Limit: d.need}
	if d.reach != never && !d.q.HasFrom {
		start = d.reach
	}
	if d.q.HasFrom {
		start = max(d.q.From, d.reach)
		q.HasFrom, q.From = true, start
	}
	g.mu.RLock()
	from, ok := g.index.before(start, 0)
	if !q.HasFrom {
		near, _ := g.index.before(d.upto, d.need)
		from = max(from, near)
	}
	mark := g.index.timeOf(from)
	to := g.index.after(d.upto+h.cfg.AllowedLateness+g.ms, end)
	g.mu.RUnlock()
	if !ok {
		return d.upto
	}
	old := newGroup(g.symbol, g.itv, g.ms, len(g.values))
	log := &watchedLog{LogReader: archive, first: -1}
	if err := h.fetch(d.parent, log, old, &q, p, from, to); err != nil {
		return d.upto // what is not known is said
	}
	i, j := old.bars.search(low), old.bars.search(d.upto)
	d.page.adopt(old, i, j)
	first := old.begin(h.cfg.AllowedLateness)
	if log.first == from { // retention has not reached the record of that mark
		first = min(first, mark)
	}
	if known = min(first, d.upto); first <= start || !q.HasFrom && j-old.bars.search(max(low, first)) >= d.need {
		return never
	}
	return known
}

// watchedLog notes where a read really began.
type watchedLog struct {
	LogReader
	first int64 // offset of the first record, -1 before
}

// Read implements LogReader.
func (l *watchedLog) Read(ctx context.Context, p int32, from, to int64, fn func(Record) bool) error {
	return l.LogReader.Read(ctx, p, from, to, func(r Record) bool {
		if l.first < 0 {
			l.first = r.Offset
		}
		return fn(r)
	})
}

// timeOf is the open time of the mark at an offset, lastOpen if there is none.
func (x *offsets) timeOf(offset int64) int64 {
	for _, m := range x.entries {
		if m.offset == offset {
			return m.t
		}
	}
	return lastOpen
}

// begin is the open time from which on rows, read from the log in its order, have
// every bar. A later revision proves nothing, its record stands behind those of
// younger bars; neither does a first one about those younger by the lateness, since
// its bar may have been born late.
func (g *group) begin(lateness int64) int64 {
	for i := range g.bars.len() {
		if rev, _ := rowRevision(g.bars.row(i)); rev == 0 {
			return g.bars.at(i) + lateness + max(g.ms, 1)
		}
	}
	return lastOpen
}

// adopt takes over bars i to j-1 of old with their values, where it has none.
func (g *group) adopt(old *group, i, j int) {
	for ; i < j; i++ {
		t := old.bars.at(i)
		if k := g.bars.search(t); k < g.bars.len() && g.bars.at(k) == t && newer(g.bars.row(k), old.bars.row(i)) {
			continue
		}
		g.bars.put(t, old.bars.row(i))
		g.sources.put(t, old.sourceOf(t))
		for n := range old.values {
			r := &old.values[n].rows
			if k := r.search(t); k < r.len() && r.at(k) == t {
				g.values[n].rows.put(t, r.row(k))
			}
		}
	}
}

// without answers from the log and memory while no store does. Rows that begin at
// a given time cannot begin anywhere else; the newest ones can be fewer.
func (d *deepRead) without(cause error) error {
	if err := d.parent.Err(); err != nil {
		return err
	}
	d.down = true
	low := firstOpen
	if d.q.HasFrom {
		low = d.q.From
	}
	known := d.fromLog(low)
	d.parts(never)
	if d.whole = known == never; d.whole {
		return nil
	}
	if d.q.HasFrom || d.page.bars.len() == 0 {
		return d.unavailable(cause)
	}
	d.miss(low, known)
	return nil
}

// unavailable is the answer for a client whose bars are in a store alone. The
// cause is for the operator: the observer of the stores was told.
func (d *deepRead) unavailable(cause error) error {
	names := make([]string, len(d.gates))
	for i, g := range d.gates {
		names[i] = g.store.Name()
	}
	why := "does not answer"
	if errors.Is(cause, errBusy) {
		why = "is busy"
	}
	return &Problem{Status: 503, Code: CodeHistoryAway, RetryAfter: 2,
		Detail: "these bars are in the history (" + strings.Join(names, ", ") + "), which " + why + " just now; those in memory are answered"}
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
