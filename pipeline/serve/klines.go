package serve

import (
	"context"
	"strconv"
)

// Klines answers a read of one series. A symbol nobody has seen yet is no
// error: it has no bars. The error is that of reading the log.
func (h *Hub) Klines(ctx context.Context, q KlinesQuery) (Answer, error) {
	h.want(q.Symbol, q.Interval)
	pos := h.Position() // before the rows: a stream from it misses nothing
	g := h.find(q.Symbol, q.Interval)
	if g == nil {
		g = newGroup(&symbol{name: q.Symbol, p: -1}, q.itv, h.lengths[q.itv], len(h.cfg.Instances))
	}
	if err := h.holdFar(g, &Pair{itv: q.itv, kline: true}, &q.Range, q.Reserve); err != nil {
		return Answer{}, err
	}
	var a Answer
	var failed error
	if err := h.readWith(ctx, g, &q.Range, nil, func(g *group) { a, failed = h.klines(g, &q, pos) }); err != nil {
		return a, err
	}
	return a, failed
}

func (h *Hub) klines(g *group, q *KlinesQuery, pos string) (Answer, error) {
	w := h.window(g, &q.Range)
	a := Answer{Next: w.next, HasNext: w.hasNext, Cache: h.class(g, &q.Range), Position: pos, ContentType: jsonType}
	a.describe(g, &w)
	a.stamp(g, &w, &q.Range, q.Format+strconv.FormatBool(q.Exact)+strconv.FormatBool(q.Source))
	if matches(q.IfNoneMatch, a.ETag) {
		a.NotModified = true
		return a, nil
	}
	if err := q.Reserve.hold(q.size(g, &w)); err != nil {
		return Answer{}, err
	}
	switch q.Format {
	case FormatLWC:
		a.Body = appendLWC(nil, g, &w)
	case FormatColumns:
		a.Body = appendBarColumns(nil, g, &w)
	case FormatCSV:
		a.Body, a.ContentType = appendCSV(nil, g, &w), csvType
	default:
		a.Body = appendNative(g, &w, q, a.Position)
	}
	return a, nil
}

// size is about how many bytes the answer takes.
func (q *KlinesQuery) size(g *group, w *window) int {
	n := g.barsSize(w, q.Format)
	if q.Exact {
		n += w.rows() * exactSize
	}
	if q.Source {
		n += w.rows() * sourceSize
	}
	return n
}

// stamp gives the answer its ETag. A strong one stands for exact bytes, the
// position among them; so closed bars carry the position of the time when the
// series last changed and not that of the moment.
func (a *Answer) stamp(g *group, w *window, q *Range, what string) {
	id := appendPoint(append(append(make([]byte, 0, 512), what...), '|'), g.at)
	id = append(append(append(id, '|'), g.symbol.name...), byte(g.itv))
	id = appendRange(id, q)
	id = strconv.AppendInt(append(id, '|'), int64(w.j-w.i), 36)
	if w.i < w.j {
		id = strconv.AppendInt(append(id, '|'), g.bars.at(w.i), 36)
	}
	if w.hasNext { // also the forming bar, which then is in no row
		id = strconv.AppendInt(append(id, '>'), w.next, 36)
	}
	id = appendMissing(g.origin.appendMark(id), w.missing)
	if a.Cache == CacheLive {
		if w.forming {
			id = append(id, g.forming...)
		}
		for i := range g.values {
			id = append(id, g.values[i].formRow...)
		}
	} else {
		if g.pos != "" {
			a.Position = g.pos
		}
		id = append(id, a.Position...)
	}
	a.ETag = tag(a.Cache == CacheLive, id)
}

func appendNative(g *group, w *window, q *KlinesQuery, pos string) []byte {
	dst := make([]byte, 0, g.bars.spanSize(w.i, w.j)+len(g.forming)+len(pos)+160)
	dst = appendIdentity(dst, q.Symbol, q.Interval)
	dst = append(append(append(dst, `,"pos":"`...), pos...), `","bars":[`...)
	if q.Exact || q.Source {
		dst = appendDetailed(dst, g, w, q)
	} else {
		dst = g.bars.appendSpan(dst, w.i, w.j)
		if w.forming {
			if w.i < w.j {
				dst = append(dst, ',')
			}
			dst = append(dst, g.forming...)
		}
	}
	dst = append(dst, ']')
	dst = appendMissing(dst, g.gaps(w))
	return append(appendNext(dst, w), '}')
}

func appendNext(dst []byte, w *window) []byte {
	if !w.hasNext {
		return dst
	}
	return appendInt(dst, `,"next":`, w.next)
}
