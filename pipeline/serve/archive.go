package serve

import (
	"bytes"
	"context"
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// logOf returns what can be read of the log of a group, nil if nothing can, with
// its partition, below 0 as long as that is unknown, and the offset behind the
// newest record that was applied.
func (h *Hub) logOf(g *group) (archive LogReader, p int32, end int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.logNow(g)
}

// logNow is logOf for who holds the lock.
func (h *Hub) logNow(g *group) (archive LogReader, p int32, end int64) {
	if p = g.symbol.p; p >= 0 {
		end = h.parts[p].end
	}
	return h.archive, p, end
}

// read calls fn with the rows a range needs: those in memory if they are
// enough, else a copy completed from the log, as far as that can be read. fn must
// not keep the group.
//
// What memory holds is copied before the log is read, which may take seconds: bars
// that leave memory meanwhile stand behind the end of the read, and would be missing
// between the bars of the log and those that memory has afterwards.
func (h *Hub) read(ctx context.Context, g *group, q *Range, fn func(*group)) error {
	h.mu.RLock()
	archive, p, end := h.logNow(g)
	g.mu.RLock() // before anything is applied behind end
	h.mu.RUnlock()
	from, to, need := g.behind(q, end, h.cfg.AllowedLateness)
	if !need || archive == nil {
		defer g.mu.RUnlock()
		fn(g)
		return nil
	}
	partial := h.partial.Load() // the index knows no more than memory then
	mem := g.excerpt(g.bars.len())
	g.mu.RUnlock()
	old := newGroup(g.symbol, g.itv, g.ms, len(g.values))
	old.partial = partial
	span := logSpan{archive, p, from, to}
	err := h.fetch(ctx, span, old, q)
	switch {
	case ctx.Err() != nil: // the client has gone
		return fmt.Errorf("reading bars %s@%s of the log: %w", g.symbol.name, h.cfg.Intervals[g.itv], ctx.Err())
	case err != nil:
		return h.withoutLog(g, q, err, fn)
	}
	old.join(mem)
	old.origin = &origin{parts: []part{{mem.oldest(), sourceLog}, {lastOpen, sourceMemory}}}
	fn(old)
	return nil
}

// behind tells whether a range reaches bars that are only on the log, and
// between which offsets those are. Restatements follow their bar within the
// lateness, so the range is read that much further.
func (g *group) behind(q *Range, end, lateness int64) (from, to int64, need bool) {
	kept := g.lastT + 1
	if g.bars.len() > 0 {
		kept = g.bars.at(0)
	}
	if g.first == never || g.first >= kept {
		return 0, 0, false
	}
	upto := kept
	if q.HasTo {
		upto = min(upto, q.To)
	}
	start, back := q.From, q.warmup
	if !q.HasFrom {
		w := g.window(q)
		if w.j-w.i >= q.Limit-1 && w.i > 0 {
			return 0, 0, false
		}
		if have := w.j - w.i; have < q.Limit {
			start, back = upto, q.Limit-have
		} else {
			return 0, 0, false
		}
	} else if q.From >= kept || q.HasTo && q.To <= g.first {
		return 0, 0, false
	}
	from, ok := g.index.before(start, back)
	return from, g.index.after(upto+lateness+g.ms, end), ok
}

// logSpan are the records of a partition from one offset up to another.
type logSpan struct {
	log      LogReader
	p        int32
	from, to int64
}

// fetch fills old with the bars of a span. With a from it stops when the page is
// full and none of its bars can change any more.
func (h *Hub) fetch(ctx context.Context, s logSpan, old *group, q *Range) error {
	prefix := append(appendIdentity(nil, old.symbol.name, h.cfg.Intervals[old.itv]), ',')
	last := nowhere
	var k wire.KlineRecord
	var row []byte
	err := s.log.Read(ctx, s.p, s.from, s.to, func(rec Record) bool {
		at := point{so: rec.So, sk: rec.Sk}
		if at.compare(last) <= 0 {
			return true
		}
		last = at
		switch rec.Kind {
		case KindKline:
			if canonical(rec.Value) && !bytes.HasPrefix(rec.Value, prefix) {
				return true
			}
			if wire.DecodeKline(rec.Value, &k) != nil || !k.Final || !old.is(h, k.Sym, k.Itv) {
				return true
			}
			row = appendKline(row[:0], &k)
			old.store(&k, row, rec.Offset)
			row = h.fetchValues(old, &k, row)
		case KindRestated:
			var x wire.RestatedRecord
			if wire.DecodeRestated(rec.Value, &x) != nil || !old.is(h, x.Sym, x.Itv) {
				return true
			}
			if n, ok := h.instances[x.Ind]; ok {
				old.restate(n, &h.cfg.Instances[n], &x)
			}
		}
		return ctx.Err() == nil && !old.settled(q, h.cfg.AllowedLateness)
	})
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func (h *Hub) fetchValues(old *group, k *wire.KlineRecord, row []byte) []byte {
	for i := range k.Ind {
		if n, ok := h.instances[k.Ind[i].Name]; ok {
			row = appendValueRow(row[:0], len(h.cfg.Instances[n].Outputs), k.T, k.Ind[i].V, k.Ind[i].Flags)
			old.values[n].rows.put(k.T, row)
		}
	}
	return row
}

// canonical tells whether a record begins as our own writer begins it; only
// then can it be recognised by its first bytes.
func canonical(v []byte) bool { return bytes.HasPrefix(v, []byte(`{"sym":"`)) }

func (g *group) is(h *Hub, sym, itv string) bool {
	return sym == g.symbol.name && itv == h.cfg.Intervals[g.itv]
}

// settled tells whether the page from q.From is full and final.
func (g *group) settled(q *Range, lateness int64) bool {
	if !q.HasFrom {
		return false
	}
	i := g.bars.search(q.From) + q.Limit
	return i < g.bars.len() && g.wm-lateness-g.ms > g.bars.at(i)
}

// oldest is the open time of the oldest bar in memory, lastOpen without any.
func (g *group) oldest() int64 {
	if g.bars.len() == 0 {
		return lastOpen
	}
	return g.bars.at(0)
}

// join puts the rows that memory held behind those of the log, and what was newest.
func (g *group) join(mem *group) {
	for i := range mem.bars.len() {
		g.bars.put(mem.bars.at(i), mem.bars.row(i))
	}
	for i := range mem.sources.len() {
		g.sources.put(mem.sources.at(i), mem.sources.row(i))
	}
	for n := range mem.values {
		v := &mem.values[n]
		for i := range v.rows.len() {
			g.values[n].rows.put(v.rows.at(i), v.rows.row(i))
		}
	}
	g.takeNewest(mem)
}

// takeNewest makes what is newest in g that of another group.
func (g *group) takeNewest(of *group) {
	for n := range of.values {
		v := &of.values[n]
		g.values[n].closed, g.values[n].forming, g.values[n].formRow = v.closed, v.forming, v.formRow
	}
	for n, x := range of.extras {
		g.newestOf(n, x)
	}
	g.forming, g.formT, g.formSrc = of.forming, of.formT, of.formSrc
	g.lastT, g.first, g.at, g.pos, g.wm = of.lastT, of.first, of.at, of.pos, of.wm
}

// newestOf takes over what is newest of an instance on demand.
func (g *group) newestOf(n int, of *extra) {
	x := g.place(n, of.dyn)
	x.meta.Store(of.meta.Load())
	x.values.closed, x.values.forming, x.values.formRow = of.values.closed, of.values.forming, of.values.formRow
}

// place is where a copy has the values of an instance on demand.
func (g *group) place(n int, d *dynamic) *extra {
	if g.extras == nil {
		g.extras = map[int]*extra{}
	}
	if g.extras[n] == nil {
		g.extras[n] = &extra{dyn: d}
	}
	return g.extras[n]
}
