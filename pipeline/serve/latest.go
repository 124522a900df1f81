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
	h.warmAll(ctx, sel.Pairs, newestBars(1), false)
	size := headSize
	for i := range sel.Pairs {
		size += h.latestSize(&sel.Pairs[i])
	}
	if err := sel.Reserve.hold(size); err != nil {
		return Answer{}, err
	}
	pos := h.Position()
	body, head := newBody(pos, size)
	body = append(body, `"series":[`...)
	for i := range sel.Pairs {
		if i > 0 {
			body = append(body, ',')
		}
		body = h.appendLatest(body, &sel.Pairs[i])
	}
	return liveAnswer(append(body, `]}`...), pos, head, ifNoneMatch), nil
}

// newBody begins a body of about size bytes with the position, which is its head.
func newBody(pos string, size int) (body []byte, head int) {
	body = append(make([]byte, 0, size+len(pos)+16), `{"pos":"`...)
	body = append(append(body, pos...), `",`...)
	return body, len(body)
}

// liveAnswer makes the ETag of what stands behind the head, so that it tells changes of
// the rows and not of other symbols.
func liveAnswer(body []byte, pos string, head int, ifNoneMatch string) Answer {
	a := Answer{Body: body, Position: pos, ContentType: jsonType, Cache: CacheLive, ETag: tag(true, body[head:])}
	if matches(ifNoneMatch, a.ETag) {
		a.NotModified, a.Body = true, nil
	}
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
