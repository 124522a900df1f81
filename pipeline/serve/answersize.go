package serve

// Reserve is asked for the memory of an answer before that is built: for the bytes of
// all of it, as far as they are known. It is asked again when they are known better.
// An error ends the answer. It may be called with locks held and does not wait; nil
// bounds nothing.
type Reserve func(bytes int) error

func (r Reserve) hold(bytes int) error {
	if r == nil {
		return nil
	}
	return r(bytes)
}

// The parts of an estimate. It is to be no less than the answer, and not many times as
// much: less would let answers through that the memory has no room for, more would
// refuse those that it has.
const (
	// headSize is what a series or an answer says beside its rows.
	headSize = 512
	// unseenBar and unseenValue stand for rows of a series of which memory has none.
	unseenBar, unseenValue = 400, 48
	// wordySize is what a bar of the native format has at least beside what it has in
	// the others: names, its symbol, and figures that those leave out.
	wordySize = 120
	// exactSize are the quotes of a bar with exact=1, sourceSize is its source.
	exactSize, sourceSize = 2 * len(exactKeys), 80
	// blankSize is an empty bucket of format=lwc.
	blankSize = 24
)

// barsSize is about how many bytes the bars of a window take in a format.
func (g *group) barsSize(w *window, format string) int {
	n := g.bars.spanSize(w.i, w.j)
	if w.forming {
		n += len(g.forming) + 1
	}
	switch rows := w.j - w.i; format {
	case FormatColumns, FormatCSV:
		n -= rows * wordySize
	case FormatLWC:
		if rows > 0 && g.ms > 0 {
			n += blankSize * int(min((g.bars.at(w.j-1)-g.bars.at(w.i))/g.ms, maxWhitespace))
		}
	}
	return n + headSize
}

// valuesSize is about how many bytes the values of instance n take, a row per bar.
func (h *Hub) valuesSize(g *group, w *window, n int) int {
	m, v := h.metaOn(g, n), g.value(n)
	size, found := headSize+len(v.formRow)+len(m.Name), 0
	for _, name := range m.Outputs {
		size += len(name) + 8
	}
	if w.i < w.j {
		i, j := v.rows.search(g.bars.at(w.i)), v.rows.search(g.bars.at(w.j-1)+1)
		size, found = size+v.rows.spanSize(i, j), j-i
	}
	return size + max(w.rows()-found, 0)*emptyRowSize(m)
}

// emptyRowSize is a row of values that has none.
func emptyRowSize(m *InstanceMeta) int { return 24 + len("null,")*len(m.Outputs) }

// pairSize is about how many bytes a window takes with what a pair has of it.
func (h *Hub) pairSize(g *group, p *Pair, format string, w *window) int {
	n := headSize
	if p.kline {
		n += g.barsSize(w, format)
	}
	for _, i := range p.inds {
		n += h.valuesSize(g, w, i)
	}
	return n
}

// estimate is about how many bytes a range of a pair takes: near, of rows in memory,
// and far, of those behind it, with the bars that their values are computed from.
func (h *Hub) estimate(g *group, p *Pair, q *Range, format string) (near, far int) {
	archive, _, _ := h.logOf(g)
	gates := h.stores.Load()
	stored := gates != nil && len(*gates) > 0
	seeds, warmup := h.longestSeed(p.inds, stored), h.longestWarmup(p.inds)
	g.mu.RLock()
	defer g.mu.RUnlock()
	w := g.window(q)
	near = h.pairSize(g, p, format, &w)
	stored = stored && !g.left.nothingBehind(g.oldest(), h.now())
	rows := g.rowsBehind(q, &w, stored, archive != nil)
	if rows == 0 && (!stored || int64(w.i) >= warmup) {
		return near, 0
	}
	return near, rows*h.rowSize(g, p) + seeds*seedSize
}

// holdFar reserves what a read behind memory takes.
func (h *Hub) holdFar(g *group, p *Pair, q *Range, r Reserve) error {
	near, far := h.estimate(g, p, q, FormatNative)
	if far == 0 {
		return nil
	}
	return r.hold(near + far)
}

// rowsBehind is how many rows a range may have from behind memory.
func (g *group) rowsBehind(q *Range, w *window, stored, logged bool) int {
	first, upto, rows := firstOpen, g.oldest(), q.Limit
	logged = logged && g.first != never && g.first < upto
	switch {
	case !stored && !logged:
		return 0
	case !stored:
		first = g.first
	}
	if q.HasTo {
		upto = min(upto, q.To)
	}
	if q.HasFrom {
		first = max(first, q.From)
	} else {
		rows -= w.rows()
	}
	if rows <= 0 || first >= upto {
		return 0
	}
	if g.ms > 0 {
		rows = int(min(int64(rows), (upto-first)/g.ms+1))
	}
	return rows
}

// rowSize is about how many bytes a bar of a pair takes with its values.
func (h *Hub) rowSize(g *group, p *Pair) (n int) {
	if p.kline {
		n = g.bars.meanSize(unseenBar)
	}
	for _, i := range p.inds {
		n += max(g.value(i).rows.meanSize(unseenValue), emptyRowSize(h.metaOn(g, i)))
	}
	return n
}

// seedSize is a bar that values are computed from; there are two copies of it.
const seedSize = 2 * 80

// longestSeed is how many bars before a page the values of instances may be computed
// from: the log has those of configured ones.
func (h *Hub) longestSeed(inds []int, stored bool) (bars int) {
	for _, n := range inds {
		if stored {
			bars = max(bars, seedBars(h.meta(n)))
		} else {
			bars = max(bars, int(min(h.warmupOf(n), deepWarmup)))
		}
	}
	return bars
}

// latestSize is about how many bytes the newest bar and values of a pair take.
func (h *Hub) latestSize(p *Pair) int {
	n := headSize
	g := h.find(p.Symbol, p.Interval)
	if g == nil {
		return n + len(p.inds)*headSize
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if p.kline {
		n += len(g.forming) + g.bars.spanSize(max(g.bars.len()-1, 0), g.bars.len())
	}
	for _, i := range p.inds {
		v := g.value(i)
		n += len(h.meta(i).Name) + len(`"":{"closed":null,"forming":null},`) + len(v.closed) + len(v.forming)
	}
	return n
}
