package serve

import "context"

// Latest answers the newest closed and the forming bar and values of a
// selection:
//
//	{"pos","series":[{"sym","itv","closed":kline|null,"forming":kline|null,
//	  "ind":{"ema(20)":{"closed":{..}|null,"forming":{..}|null}}}]}
//
// closed and forming stand there if klines are selected.
func (h *Hub) Latest(ctx context.Context, sel Selection, ifNoneMatch string) (Answer, error) {
	if p := h.enrollAll(&sel); p != nil {
		return Answer{}, p
	}
	h.wantAll(&sel)
	if err := h.ensureAll(ctx, &sel); err != nil {
		return Answer{}, err
	}
	pos := h.Position()
	body := []byte(`"series":[`)
	for i := range sel.Pairs {
		if i > 0 {
			body = append(body, ',')
		}
		body = h.appendLatest(body, &sel.Pairs[i])
	}
	return assemble(pos, append(body, `]}`...), ifNoneMatch), nil
}

// assemble puts the position before a body that does not depend on it, so that
// the ETag tells changes of the rows and not of other symbols.
func assemble(pos string, rest []byte, ifNoneMatch string) Answer {
	a := Answer{Position: pos, ContentType: jsonType, Cache: CacheLive, ETag: tag(true, rest)}
	if matches(ifNoneMatch, a.ETag) {
		a.NotModified = true
		return a
	}
	a.Body = append(append(append([]byte(`{"pos":"`), pos...), `",`...), rest...)
	return a
}

func (h *Hub) appendLatest(dst []byte, p *Pair) []byte {
	dst = appendIdentity(dst, p.Symbol, p.Interval)
	g := h.find(p.Symbol, p.Interval)
	if g == nil {
		g = newGroup(&symbol{name: p.Symbol}, p.itv, 0, len(h.cfg.Instances))
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if p.kline {
		var closed []byte
		if n := g.bars.len(); n > 0 {
			closed = g.bars.row(n - 1)
		}
		dst = appendOrNull(append(dst, `,"closed":`...), closed)
		dst = appendOrNull(append(dst, `,"forming":`...), g.forming)
	}
	dst = append(dst, `,"ind":{`...)
	for i, n := range p.inds {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, h.meta(n).Name)
		dst = appendOrNull(append(dst, `:{"closed":`...), g.value(n).closed)
		dst = append(appendOrNull(append(dst, `,"forming":`...), g.value(n).forming), '}')
	}
	return append(dst, `}}`...)
}

func appendOrNull(dst, json []byte) []byte {
	if json == nil {
		return append(dst, "null"...)
	}
	return append(dst, json...)
}

// Bundle answers bars and values of a selection over one range, with one
// position: {"pos","series":[{"sym","itv","bars":[..],"ind":{..},"next"?}]}.
// With format=columns bars are {"t":[],"o":[],..}. Values are columns whose t
// are those of the bars.
func (h *Hub) Bundle(ctx context.Context, q BundleQuery, ifNoneMatch string) (Answer, error) {
	if p := h.enrollAll(&q.Selection); p != nil {
		return Answer{}, p
	}
	h.wantAll(&q.Selection)
	if err := h.ensureAll(ctx, &q.Selection); err != nil {
		return Answer{}, err
	}
	ctx, cancel := h.shareStoreTime(shareLogTime(ctx))
	defer cancel()
	pos := h.Position()
	body := []byte(`"series":[`)
	var found Answer
	for i := range q.Selection.Pairs {
		p := &q.Selection.Pairs[i]
		if i > 0 {
			body = append(body, ',')
		}
		g := h.find(p.Symbol, p.Interval)
		if g == nil {
			g = newGroup(&symbol{name: p.Symbol, p: -1}, p.itv, h.lengths[p.itv], len(h.cfg.Instances))
		}
		err := h.readWith(ctx, g, &q.Range, p.inds, func(g *group) {
			w := h.window(g, &q.Range)
			found.describe(g, &w)
			body = h.appendBundle(body, g, p, &q, &w)
		})
		if err != nil {
			return Answer{}, err
		}
	}
	a := assemble(pos, append(body, `]}`...), ifNoneMatch)
	a.Sources, a.Missing = found.Sources, found.Missing
	return a, nil
}

func (h *Hub) appendBundle(dst []byte, g *group, p *Pair, q *BundleQuery, w *window) []byte {
	dst = append(appendIdentity(dst, p.Symbol, p.Interval), `,"bars":`...)
	switch {
	case !p.kline:
		dst = append(dst, "[]"...)
	case q.Format == FormatColumns:
		dst = appendBarColumns(dst, g, w)
	default:
		dst = g.bars.appendSpan(append(dst, '['), w.i, w.j)
		if w.forming {
			if w.i < w.j {
				dst = append(dst, ',')
			}
			dst = append(dst, g.forming...)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"ind":{`...)
	for i, n := range p.inds {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, h.meta(n).Name), ':')
		dst = appendAligned(dst, g, w, n, h.metaOn(g, n))
	}
	dst = appendMissing(g.origin.appendSeed(append(dst, '}')), g.gaps(w))
	return append(appendNext(dst, w), '}')
}

// appendAligned writes the values of a window as columns, a row per bar.
func appendAligned(dst []byte, g *group, w *window, n int, m *InstanceMeta) []byte {
	var r rows
	for i := w.i; i < w.j; i++ {
		t := g.bars.at(i)
		v := &g.value(n).rows
		if row, ok := v.find(t); ok {
			r.put(t, row)
		} else {
			r.put(t, appendValueRow(nil, len(m.Outputs), t, nil, 0))
		}
	}
	var extra []byte
	if w.forming {
		if extra = g.value(n).formRow; extra == nil {
			extra = appendValueRow(nil, len(m.Outputs), g.formT, nil, 0)
		}
	}
	return appendColumns(dst, m, &r, 0, r.len(), extra)
}
