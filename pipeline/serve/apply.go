package serve

import (
	"bytes"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Apply takes records of partition p in log order. Records at or below the
// highest position of the partition are repeats and dropped. What one call
// brings is one batch for every subscriber: none sees a part of it. Calls for
// one partition come from one goroutine.
func (h *Hub) Apply(p int32, recs []Record) {
	if p < 0 || p >= h.Partitions() || len(recs) == 0 {
		return
	}
	var old endings
	defer old.close()
	turn := h.turn(p)
	turn.Lock()
	defer turn.Unlock()
	added := h.augment(p, recs, &old)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enc.partition(h.cfg.LogID, h.at, int(p))
	part := &h.parts[p]
	for i := range recs {
		r := &recs[i]
		at := point{so: r.So, sk: r.Sk}
		if at.compare(h.at[p]) <= 0 {
			h.count.repeats.Add(1)
			continue
		}
		if !part.started {
			part.started = true
			if r.Offset > 0 {
				part.first = at
			}
		}
		var add addition
		if added != nil {
			add = added[i]
		}
		h.applyOne(p, r, at, &add)
		add.endGone(&old)
		h.at[p] = at
		part.end = r.Offset + 1
	}
	h.id = string(appendEventID(nil, h.cfg.LogID, h.at))
	h.commit()
	h.arrive(int(p))
	h.bound()
}

func (h *Hub) applyOne(p int32, r *Record, at point, add *addition) {
	ok := true
	switch r.Kind {
	case KindKline:
		ok = h.applyKline(p, r, at, add)
	case KindRestated:
		ok = h.applyRestated(p, r, at)
	}
	if ok {
		h.count.records.Add(1)
	} else {
		h.count.foreign.Add(1)
	}
}

// target returns the group a record belongs to, nil if it is not served.
func (h *Hub) target(p int32, sym, itv string) *group {
	i, known := h.intervals[itv]
	if !known || !ValidSymbol(sym) {
		return nil
	}
	s := h.symbolOf(sym)
	if !h.owns(s, p) {
		return nil
	}
	return h.groupOf(s, i)
}

func (h *Hub) applyKline(p int32, r *Record, at point, add *addition) bool {
	k := &h.rec
	if wire.DecodeKline(r.Value, k) != nil || !k.Final {
		return false
	}
	g := h.target(p, k.Sym, k.Itv)
	if g == nil {
		return false
	}
	kind, event := kindClosed, eventKline
	if k.Rev > 0 || k.T <= g.lastT {
		kind, event = kindRevise, eventRevise
	}
	last, long := len(add.restated), add.long()
	if kind == kindClosed {
		last += len(k.Ind) + len(add.values)
	}
	if len(long) > 0 {
		last++ // only the snapshot behind a reset stands for the whole record
	}
	h.enc.reset()
	h.enc.json = appendKline(h.enc.json[:0], k)
	if !h.tell(&g.series[0], kind, partial(at, 0, last), event) {
		return false
	}
	g.mu.Lock()
	g.store(k, h.enc.json, r.Offset)
	add.takeOver()
	h.storeValues(g, k, add, at, kind)
	h.storeRestated(g, add, at, len(long) == 0)
	g.lapse(at)
	g.at, g.pos = at, h.id
	h.weigh(g)
	g.mu.Unlock()
	g.seq = max(g.seq, k.Seq)
	frames := h.enc.frames()
	h.ring.add(entry{group: g, at: at, record: r.Value, events: h.onDemand(frames), last: int32(last), kind: kind})
	h.publish(frames)
	if len(long) > 0 {
		h.publishResets(long, at)
	}
	h.releaseHeld(g)
	return true
}

// tell makes the event with the JSON in h.enc.json where somebody listens. It reports
// whether the framer takes it; what it does not is counted.
func (h *Hub) tell(s *series, kd kind, at point, event string) bool {
	ok := !bad(h.enc.json)
	if ok && len(s.subs) > 0 {
		ok = h.enc.event(s, kd, at, event)
	}
	if !ok {
		h.count.refused.Add(1)
	}
	return ok
}

// onDemand returns the frames of series that are computed on demand, which stand
// behind all others: nothing of them is in a record. They are copies: all frames of a
// record lie in one piece of memory, which the ring would keep and not count.
func (h *Hub) onDemand(frames []frame) []frame {
	i := slices.IndexFunc(frames, func(f frame) bool { return f.series.item > len(h.cfg.Instances) })
	if i < 0 {
		return nil
	}
	out := slices.Clone(frames[i:])
	for k := range out {
		out[k].event = bytes.Clone(out[k].event)
	}
	return out
}

// partial is the position of frame i of a record with n values. Only the last
// frame stands for the whole record: a connection that ends after the bar must
// get the values when it comes back. Values of a restated bar have no frames,
// they come in records of their own, except those on demand.
func partial(at point, i, n int) point {
	if i < n {
		at.sub = int32(i + 1)
	}
	return at
}

// store puts a bar into its rows.
func (g *group) store(k *wire.KlineRecord, json []byte, offset int64) {
	if k.T > g.lastT {
		g.index.add(k.T, offset)
	}
	if g.first == never || k.T < g.first {
		g.first = k.T
	}
	g.source = appendSource(g.source[:0], k)
	if g.left.behind(k.T) {
		g.left.keep(k.T, json, g.source)
		g.lead.put(recordBar(k))
	} else {
		g.left.restated(k, g.lastT)
		g.bars.put(k.T, json)
		g.sources.put(k.T, g.source)
		g.keepOrder()
	}
	g.lastT = max(g.lastT, k.T)
	g.wm = max(g.wm, k.WM)
	g.dropForming(k.T)
}

// storeValues puts the values of a record, and those computed on demand beside it,
// into their rows and, for a bar that just closed, appends their events. Only
// configured instances are looked for in the record: under the name of another one
// it has what a node with another configuration has published.
func (h *Hub) storeValues(g *group, k *wire.KlineRecord, add *addition, at point, kd kind) {
	all := len(k.Ind) + len(add.values)
	for i := range k.Ind {
		n, ok := h.instances[k.Ind[i].Name]
		if !ok {
			continue
		}
		s := &g.series[n+1]
		h.storeValue(&h.cfg.Instances[n], &g.values[n], s, k, &k.Ind[i])
		if kd == kindClosed {
			h.tell(s, kd, partial(at, i+1, all), eventIndicator)
		}
	}
	for i := range add.values {
		x := add.values[i].x
		h.storeValue(x.meta.Load(), &x.values, &x.series, k, &add.values[i].v)
		if kd == kindClosed && !h.enc.event(&x.series, kd, x.partial(at, i == len(add.values)-1), eventIndicator) {
			h.count.refused.Add(1)
		}
	}
}

// storeValue puts one value into the rows of its series, and leaves its JSON in
// h.enc.json.
func (h *Hub) storeValue(m *InstanceMeta, to *valueRows, s *series, k *wire.KlineRecord, v *wire.IndRecord) {
	to.seq = max(to.seq, v.Seq)
	h.enc.json = appendValueRow(h.enc.json[:0], len(m.Outputs), k.T, v.V, v.Flags)
	to.rows.put(k.T, h.enc.json)
	h.enc.json = appendValue(h.enc.json[:0], m, k, v)
	if k.T == s.group.lastT {
		to.closed = append(to.closed[:0], h.enc.json...)
	}
}
