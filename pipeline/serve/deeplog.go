package serve

import "context"

// fromLog puts the bars of the log from low on into the page. It returns the open
// time from which on they are all there are, at most upto; never if that is as far
// as anybody asks, since the log holds a bar at or before low or fills the page.
func (d *deepRead) fromLog(low int64) (known int64) {
	start, newest, q := max(low, firstOpen), d.need, Range{Limit: d.need}
	switch {
	case d.q.HasFrom:
		start, newest = max(d.q.From, d.reach), 0
		q.HasFrom, q.From = true, start
	case d.reach != never:
		start = d.reach
	}
	span, mark, ok := d.logSpan(start, d.upto, newest)
	if !ok {
		return d.upto
	}
	old, whole, err := d.readLog(span, &q)
	if err != nil {
		return d.upto // what is not known is said
	}
	d.page.adopt(old, low, d.upto)
	first := old.begin(d.h.cfg.AllowedLateness)
	if whole {
		first = min(first, mark)
	}
	fills := !q.HasFrom && old.bars.search(d.upto)-old.bars.search(max(low, first)) >= d.need
	if first <= start || fills {
		return never
	}
	return min(first, d.upto)
}

// logSpan finds where the log holds the bars from start up to upto with all that
// became of them, or the newest of these bars if newest is not 0; and which bar the
// index has at its beginning. It is false where the log cannot be asked.
func (d *deepRead) logSpan(start, upto int64, newest int) (s logSpan, mark int64, ok bool) {
	h, g := d.h, d.g
	var end int64
	if s.log, s.p, end = h.logOf(g); s.log == nil || s.p < 0 {
		return s, 0, false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	s.from, ok = g.index.before(start, 0)
	if newest > 0 {
		near, _ := g.index.before(upto, newest)
		s.from = max(s.from, near)
	}
	s.to = g.index.after(upto+h.cfg.AllowedLateness+g.ms, end)
	return s, g.index.timeOf(s.from), ok
}

// readLog reads a span into a group of its own. whole tells that it begins with the
// record that stood there: retention has not reached it.
func (d *deepRead) readLog(s logSpan, q *Range) (old *group, whole bool, err error) {
	old = newGroup(d.g.symbol, d.g.itv, d.g.ms, len(d.g.values))
	log := &watchedLog{LogReader: s.log, first: -1}
	err = d.h.fetch(d.parent, logSpan{log, s.p, s.from, s.to}, old, q)
	return old, log.first == s.from, err
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

// adopt takes over the bars of old from low up to high with their values, where it
// has none or an older revision.
func (g *group) adopt(old *group, low, high int64) {
	for i := old.bars.search(low); i < old.bars.len() && old.bars.at(i) < high; i++ {
		if row, ok := g.bars.find(old.bars.at(i)); !ok || !newer(row, old.bars.row(i)) {
			g.copyBar(old, i)
		}
	}
}
