package serve

import (
	"context"
	"slices"
)

// Bundle answers bars and values of a selection over one range, with one
// position: {"pos","series":[{"sym","itv","bars":[..],"ind":{..},"seq"?,"next"?}]}. seq is
// that of the newest closed or restated bar of the series, wherever it stands: what is
// above it is not in the answer.
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
	h.warmAll(ctx, q.Selection.Pairs, &q.Range, true)
	ctx, cancel := h.shareStoreTime(shareLogTime(ctx))
	defer cancel()
	b := bundling{hub: h, ctx: ctx, q: &q}
	defer func() { b.turn.leave() }()
	if err := b.begin(); err != nil {
		return Answer{}, err
	}
	for i := range b.parts {
		if err := b.add(&q.Selection.Pairs[i], &b.parts[i], i == 0); err != nil {
			return Answer{}, err
		}
	}
	a := liveAnswer(append(b.body, `]}`...), b.pos, b.head, ifNoneMatch)
	a.Sources, a.Missing = b.found.Sources, b.found.Missing
	return a, nil
}

// bundling is one bundle while it is built.
type bundling struct {
	hub   *Hub
	ctx   context.Context
	q     *BundleQuery
	turn  *buildTurn
	parts []bundlePart
	pos   string
	body  []byte
	head  int    // of the body, see newBody
	found Answer // where the rows come from
	cols  columns
}

// bundlePart is a series of a bundle, with about how many bytes it takes.
type bundlePart struct {
	g         *group
	seq       int64 // of the series, 0 where it has no bars
	near, far int
}

// begin waits for its turn, if the bundle is large, and reserves what it takes of rows
// in memory.
func (b *bundling) begin() error {
	h, pairs := b.hub, b.q.Selection.Pairs
	near, far := headSize, 0
	for i := range pairs {
		p := &pairs[i]
		part := bundlePart{g: h.find(p.Symbol, p.Interval)}
		if part.g == nil {
			part.g = newGroup(&symbol{name: p.Symbol, p: -1}, p.itv, h.lengths[p.itv], len(h.cfg.Instances))
		}
		part.near, part.far = h.estimate(part.g, p, &b.q.Range, b.q.Format)
		near, far = near+part.near, far+part.far
		b.parts = append(b.parts, part)
	}
	if near+far >= queuedBundle {
		b.turn = h.builds.turn(b.q.Selection.Client)
		if err := b.turn.enter(b.ctx); err != nil {
			return err
		}
	}
	if err := b.q.Selection.Reserve.hold(near); err != nil {
		return err
	}
	h.mu.RLock()
	b.pos = h.id
	for i := range b.parts {
		b.parts[i].seq = b.parts[i].g.seq
	}
	h.mu.RUnlock()
	b.body, b.head = newBody(b.pos, near)
	b.body = append(b.body, `"series":[`...)
	return nil
}

// add appends a series. While it reads behind memory others may build: a slow log would
// hold up those that need none.
func (b *bundling) add(p *Pair, part *bundlePart, first bool) error {
	if part.far > 0 {
		b.turn.leave()
		if err := b.reserve(part.near + part.far); err != nil {
			return err
		}
	} else if err := b.turn.enter(b.ctx); err != nil {
		return err
	}
	var failed error
	err := b.hub.readWith(b.ctx, part.g, &b.q.Range, p.inds, func(g *group) {
		w := b.hub.window(g, &b.q.Range)
		if g != part.g { // a copy: nothing is locked
			failed = b.turn.enter(b.ctx)
		}
		if failed == nil {
			failed = b.grow(b.hub.pairSize(g, p, b.q.Format, &w))
		}
		if failed != nil {
			return
		}
		b.found.describe(g, &w)
		if !first {
			b.body = append(b.body, ',')
		}
		b.append(g, p, part.seq, &w)
	})
	if err != nil {
		return err
	}
	return failed
}

// reserve holds n bytes behind the body.
func (b *bundling) reserve(n int) error {
	return b.q.Selection.Reserve.hold(max(cap(b.body), len(b.body)+n))
}

// grow makes room for n bytes.
func (b *bundling) grow(n int) error {
	if err := b.reserve(n); err != nil {
		return err
	}
	b.body = slices.Grow(b.body, n)
	return nil
}

func (b *bundling) append(g *group, p *Pair, seq int64, w *window) {
	dst := append(appendIdentity(b.body, p.Symbol, p.Interval), `,"bars":`...)
	switch {
	case !p.kline:
		dst = append(dst, "[]"...)
	case b.q.Format == FormatColumns:
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
		dst = append(appendText(dst, b.hub.meta(n).Name), ':')
		dst = b.cols.appendAligned(dst, g, w, n, b.hub.metaOn(g, n))
	}
	dst = append(dst, '}')
	if seq > 0 {
		dst = appendInt(dst, `,"seq":`, seq)
	}
	dst = appendMissing(g.origin.appendSeed(dst), g.gaps(w))
	b.body = append(appendNext(dst, w), '}')
}
