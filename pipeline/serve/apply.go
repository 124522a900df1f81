package serve

import (
	"bytes"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// maxRestated is the largest number of points one revise event carries; beyond
// it the client starts the series anew.
const maxRestated = 1000

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
		h.at[p] = at
		part.end = r.Offset + 1
	}
	h.id = string(appendPosition(nil, h.cfg.LogID, h.at))
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
	k.Ind = append(k.Ind, add.values...)
	last := len(add.restated)
	if kind == kindClosed {
		last += len(k.Ind)
	}
	h.enc.reset()
	h.enc.json = appendKline(h.enc.json[:0], k)
	if !h.enc.event(&g.series[0], kind, partial(at, 0, last), event) {
		h.count.refused.Add(1)
		return false
	}
	g.mu.Lock()
	g.store(k, h.enc.json, r.Offset)
	add.takeOver()
	h.storeValues(g, k, at, kind)
	h.storeRestated(add, at, last-len(add.restated), last)
	g.lapse(at)
	g.at, g.pos = at, h.id
	h.weigh(g)
	g.mu.Unlock()
	g.seq = max(g.seq, k.Seq)
	h.publish(h.enc.frames())
	h.releaseHeld(g)
	return true
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
	} else {
		g.left.restated(k, g.lastT)
		g.bars.put(k.T, json)
		g.sources.put(k.T, g.source)
	}
	g.lastT = max(g.lastT, k.T)
	g.wm = max(g.wm, k.WM)
	g.dropForming(k.T)
}

// storeValues puts the values of a record into their rows and, for a bar that
// just closed, appends their events.
func (h *Hub) storeValues(g *group, k *wire.KlineRecord, at point, kd kind) {
	for i := range k.Ind {
		v := &k.Ind[i]
		n, ok := h.number(v.Name)
		if !ok {
			continue
		}
		m := h.metaOn(g, n)
		rows := g.value(n)
		rows.seq = max(rows.seq, v.Seq)
		h.enc.json = appendValueRow(h.enc.json[:0], len(m.Outputs), k.T, v.V, v.Flags)
		rows.rows.put(k.T, h.enc.json)
		h.enc.json = appendValue(h.enc.json[:0], m, k, v)
		if k.T == g.lastT {
			rows.closed = append(rows.closed[:0], h.enc.json...)
		}
		if kd == kindClosed && !h.enc.event(g.item(n), kd, partial(at, i+1, len(k.Ind)), eventIndicator) {
			h.count.refused.Add(1)
		}
	}
}

// takeOver shows the versions that compute from this bar on.
func (a *addition) takeOver() {
	for _, o := range a.over {
		x := o.x
		x.meta.Store(x.state.meta)
		x.values.rows = o.rows
		x.values.closed, x.values.forming, x.values.formRow = nil, nil, nil
	}
}

// storeRestated puts the values on demand that a restated bar changed into their
// rows, and makes events of them: frames from+1 to last of the record.
func (h *Hub) storeRestated(add *addition, at point, from, last int) {
	for i := range add.restated {
		r := &add.restated[i]
		m := r.x.meta.Load()
		r.x.values.rows = r.rows
		r.x.values.seq = max(r.x.values.seq, r.rec.Seq)
		h.enc.json = appendRestated(h.enc.json[:0], m, &r.rec)
		if !h.enc.event(&r.x.series, kindRevise, partial(at, from+i+1, last), eventRevise) {
			h.count.refused.Add(1)
		}
	}
}

// lapse notes that a bar went by without a value where a series on demand has
// lapsed: nobody can resume from here, the series is told anew.
func (g *group) lapse(at point) {
	for _, x := range g.extras {
		if x.lapsed.Load() {
			x.series.floor = point{so: at.so, sk: at.sk + 1}
		}
	}
}

// applyRestated replaces the values that a restated bar changed.
func (h *Hub) applyRestated(p int32, r *Record, at point) bool {
	var x wire.RestatedRecord
	if wire.DecodeRestated(r.Value, &x) != nil {
		return false
	}
	g := h.target(p, x.Sym, x.Itv)
	n, ok := h.number(x.Ind)
	if g == nil || !ok {
		return false
	}
	m := h.metaOn(g, n)
	g.mu.Lock()
	if !g.restate(n, m, &x) {
		h.unplace(p, r)
	}
	g.at, g.pos = at, h.id
	h.weigh(g)
	g.mu.Unlock()
	if len(x.T) > maxRestated {
		h.publishReset(g.item(n), at)
		return true
	}
	h.enc.reset()
	h.enc.json = appendRestated(h.enc.json[:0], m, &x)
	if !h.enc.event(g.item(n), kindRevise, at, eventRevise) {
		h.count.refused.Add(1)
		return false
	}
	h.publish(h.enc.frames())
	return true
}

// restate rewrites rows that are still kept; flags stay as they were. It
// reports whether all of them were.
func (g *group) restate(n int, m *InstanceMeta, x *wire.RestatedRecord) (all bool) {
	all = true
	own := g.value(n)
	rows := &own.rows
	own.seq = max(own.seq, x.Seq)
	v := make([][]byte, len(m.Outputs))
	for i, t := range x.T {
		j := rows.search(t)
		if j == rows.len() || rows.at(j) != t {
			all = false
			continue
		}
		for o := range v {
			v[o] = nil
			if o < len(x.V) && i < len(x.V[o]) {
				v[o] = x.V[o][i]
			}
		}
		rows.put(t, appendValueRow(nil, len(v), t, v, rowFlags(rows.row(j))))
		if t == g.lastT {
			own.closed = patchValue(own.closed, m, v)
		}
	}
	return all
}

// patchValue puts restated outputs into the newest closed value, which keeps
// its other fields.
func patchValue(json []byte, m *InstanceMeta, v [][]byte) []byte {
	a := bytes.Index(json, []byte(`,"v":{`))
	b := bytes.Index(json, []byte(`},"final":`))
	if a < 0 || b < a {
		return json
	}
	out := append(make([]byte, 0, len(json)+16), json[:a+len(`,"v":{`)]...)
	for i, name := range m.Outputs {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, name), ':')
		out = appendNumber(out, v, i)
	}
	return append(out, json[b:]...)
}

// appendRestated writes the columns of a revise event.
func appendRestated(dst []byte, m *InstanceMeta, x *wire.RestatedRecord) []byte {
	dst = appendIdentity(dst, x.Sym, x.Itv)
	dst = appendText(append(dst, `,"ind":`...), m.Name)
	dst = appendInt(dst, `,"rev":`, int64(x.Rev))
	dst = appendInt(dst, `,"seq":`, x.Seq)
	if x.Why != "" {
		dst = appendText(append(dst, `,"why":`...), x.Why)
	}
	dst = append(dst, `,"t":[`...)
	for i, t := range x.T {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendInt(dst, "", t)
	}
	dst = append(dst, ']')
	for o, name := range m.Outputs {
		dst = append(appendText(append(dst, ','), name), `:[`...)
		for i := range x.T {
			if i > 0 {
				dst = append(dst, ',')
			}
			if o < len(x.V) {
				dst = appendNumber(dst, x.V[o], i)
			} else {
				dst = append(dst, "null"...)
			}
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
