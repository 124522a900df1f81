package serve

import "context"

// Values answers a read of one indicator on one series: a row per bar, null
// where there is no value yet.
func (h *Hub) Values(ctx context.Context, q ValuesQuery) (Answer, error) {
	if q.ind == pending {
		var p *Problem
		if q.ind, p = h.enroll("ind", q.Indicator); p != nil {
			return Answer{}, p
		}
	}
	h.want(q.Symbol, q.Interval)
	pos := h.Position()
	g := h.find(q.Symbol, q.Interval)
	if g == nil {
		g = newGroup(&symbol{name: q.Symbol, p: -1}, q.itv, h.lengths[q.itv], len(h.cfg.Instances))
	}
	var a Answer
	pair := Pair{Symbol: q.Symbol, Interval: q.Interval, itv: q.itv, inds: []int{q.ind}}
	if err := h.ensure(ctx, &pair, q.Client); err != nil {
		return a, err
	}
	q.ind = pair.inds[0]
	h.warmAll(ctx, []Pair{pair}, &q.Range, true)
	if err := h.holdFar(g, &pair, &q.Range, q.Reserve); err != nil {
		return a, err
	}
	var failed error
	if err := h.readWith(ctx, g, &q.Range, pair.inds, func(g *group) { a, failed = h.values(g, &q, pos) }); err != nil {
		return a, err
	}
	return a, failed
}

func (h *Hub) values(g *group, q *ValuesQuery, pos string) (Answer, error) {
	w := h.window(g, &q.Range)
	a := Answer{Next: w.next, HasNext: w.hasNext, Cache: h.class(g, &q.Range), Position: pos, ContentType: jsonType}
	if h.isDynamic(q.ind) {
		a.Cache = min(a.Cache, CacheClosed) // a new version or a fault changes also the oldest
	}
	a.describe(g, &w)
	m := h.metaOn(g, q.ind)
	a.stamp(g, &w, &q.Range, q.Indicator+g.stampOf(&w, q.ind))
	if matches(q.IfNoneMatch, a.ETag) {
		a.NotModified = true
		return a, nil
	}
	size := headSize + h.valuesSize(g, &w, q.ind)
	if err := q.Reserve.hold(size); err != nil {
		return Answer{}, err
	}
	dst := appendIdentity(make([]byte, 0, size), q.Symbol, q.Interval)
	dst = appendText(append(dst, `,"ind":`...), m.Name)
	dst = appendText(append(dst, `,"mod":`...), m.Module)
	dst = appendText(append(dst, `,"ver":`...), m.Version)
	dst = appendText(append(dst, `,"profile":`...), m.Profile)
	dst = appendInt(dst, `,"warmup":`, m.Warmup)
	dst = append(append(append(dst, `,"pos":"`...), a.Position...), `","outputs":[`...)
	for i, name := range m.Outputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, name)
	}
	dst = append(dst, `],"rows":[`...)
	dst = appendValueRows(dst, g, &w, q.ind, len(m.Outputs))
	dst = append(dst, ']')
	dst = appendMissing(g.origin.appendSeed(dst), a.Missing)
	a.Body = append(appendNext(dst, &w), '}')
	return a, nil
}

// appendValueRows writes the rows of a window. Where every bar has its value
// they are one copy.
func appendValueRows(dst []byte, g *group, w *window, n, outputs int) []byte {
	v := g.value(n)
	start := len(dst)
	if w.i < w.j {
		i, j := v.rows.search(g.bars.at(w.i)), v.rows.search(g.bars.at(w.j-1)+1)
		if j-i == w.j-w.i {
			dst = v.rows.appendSpan(dst, i, j)
		} else {
			dst = appendSparse(dst, g, w, &v.rows, i, outputs)
		}
	}
	if w.forming {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if v.formRow != nil {
			return append(dst, v.formRow...)
		}
		return appendValueRow(dst, outputs, g.formT, nil, 0)
	}
	return dst
}

// appendSparse writes rows for bars some of which have no value: they are older
// than the instance.
func appendSparse(dst []byte, g *group, w *window, r *rows, k, outputs int) []byte {
	for i := w.i; i < w.j; i++ {
		if i > w.i {
			dst = append(dst, ',')
		}
		t := g.bars.at(i)
		for k < r.len() && r.at(k) < t {
			k++
		}
		if k < r.len() && r.at(k) == t {
			dst = append(dst, r.row(k)...)
			continue
		}
		dst = appendValueRow(dst, outputs, t, nil, 0)
	}
	return dst
}
