package serve

// window is the part of a series that a Range asks for: bars[i:j] and perhaps
// the forming bar.
type window struct {
	i, j    int
	forming bool
	// next is the open time of the first row that the limit left out.
	next    int64
	hasNext bool
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
