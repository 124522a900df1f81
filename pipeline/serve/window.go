package serve

// window is the part of a series that a Range asks for: bars[i:j] and perhaps
// the forming bar.
type window struct {
	i, j    int
	forming bool
	// next is the open time of the first row that the limit left out.
	next    int64
	hasNext bool
	// missing is what may stand in the log before the oldest bar of the group.
	missing []Gap
}

// window is that of a group, with what it may lack while the log before it is being
// absorbed. The caller holds mu, so that what is absorbed and whether more is to come
// are of one moment; a copy has taken a note of it.
func (h *Hub) window(g *group, q *Range) window {
	w := g.window(q)
	if g.partial || g.origin == nil && h.partial.Load() {
		w.missing = g.ahead(q, &w, h.now())
	}
	return w
}

// ahead is the part of a range before the oldest bar in memory. now is the time in
// ms: where there is no bar yet, all there may be opened before it.
func (g *group) ahead(q *Range, w *window, now int64) []Gap {
	low, high := firstOpen, g.oldest()
	switch {
	case high < lastOpen:
	case g.forming != nil:
		high = g.formT
	default:
		high = now
	}
	if q.HasTo {
		high = min(high, q.To)
	}
	switch {
	case q.HasFrom:
		low = q.From
	case w.rows() >= q.Limit:
		return nil
	}
	if low >= high {
		return nil
	}
	return []Gap{{low, high}}
}

// rows is how many rows the window has.
func (w *window) rows() int {
	if w.forming {
		return w.j - w.i + 1
	}
	return w.j - w.i
}

// window applies the rules of ranges: with a from the oldest rows first, else
// the newest ones. The caller holds mu.
func (g *group) window(q *Range) window {
	w := window{i: 0, j: g.bars.len()}
	w.forming = g.forming != nil && !q.Closed && (!q.HasFrom || g.formT >= q.From) && (!q.HasTo || g.formT < q.To)
	if q.HasFrom {
		w.i = g.bars.search(q.From)
	}
	if q.HasTo {
		w.j = max(g.bars.search(q.To), w.i)
	}
	if !q.HasFrom {
		rest := q.Limit
		if w.forming {
			rest--
		}
		w.i = max(w.j-rest, w.i)
		return w
	}
	switch n := w.j - w.i; {
	case n > q.Limit:
		w.j = w.i + q.Limit
		w.next, w.hasNext = g.bars.at(w.j), true
		w.forming = false
	case n == q.Limit && w.forming:
		w.next, w.hasNext = g.formT, true
		w.forming = false
	}
	return w
}

// class says how an answer with these rows may be cached.
func (h *Hub) class(g *group, q *Range) Cache {
	if !q.Closed && (!q.HasTo || q.To > g.lastT+max(g.ms, 1)) {
		return CacheLive
	}
	if q.HasFrom && q.HasTo && q.To <= g.wm-h.cfg.AllowedLateness-g.ms {
		return CacheHistory
	}
	return CacheClosed
}
