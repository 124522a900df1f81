package serve

import (
	"bytes"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// maxRestated is the largest number of points one revise event carries; beyond
// it the client starts the series anew.
const maxRestated = 1000

// maxRevised is the same of a series on demand, whose events the ring keeps: a viewer
// of some dozens that depend on their first bar for ever would fill it with the values
// of all bars in memory, each time one is restated.
const maxRevised = 64

// storeRestated puts the values on demand that a restated bar changed into their
// rows, and makes events of them: the last ones of the record, unless a reset is
// still to come.
func (h *Hub) storeRestated(g *group, add *addition, at point, whole bool) {
	for i := range add.restated {
		r := &add.restated[i]
		m := r.x.meta.Load()
		if !r.early || r.long() {
			r.x.values.rows = r.rows
			r.x.showNewest(g, h.cfg.Intervals[g.itv], m, &r.newest)
		}
		r.x.values.seq = max(r.x.values.seq, r.rec.Seq)
		if r.long() {
			continue
		}
		h.enc.json = appendRestated(h.enc.json[:0], m, &r.rec)
		if !h.enc.event(&r.x.series, kindRevise, r.x.partial(at, whole && i == len(add.restated)-1), eventRevise) {
			h.count.refused.Add(1)
		}
	}
}

// long tells whether clients start the series anew instead.
func (r *restatement) long() bool { return len(r.rec.T) > maxRevised }

// long are the series on demand that clients start anew.
func (a *addition) long() (list []*series) {
	for i := range a.restated {
		if a.restated[i].long() {
			list = append(list, &a.restated[i].x.series)
		}
	}
	return list
}

// applyRestated replaces the values that a restated bar changed.
func (h *Hub) applyRestated(p int32, r *Record, at point) bool {
	var x wire.RestatedRecord
	if wire.DecodeRestated(r.Value, &x) != nil {
		return false
	}
	g := h.target(p, x.Sym, x.Itv)
	n, ok := h.instances[x.Ind]
	if g == nil || !ok {
		return false
	}
	m := &h.cfg.Instances[n]
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
	if !h.tell(g.item(n), kindRevise, at, eventRevise) {
		return false
	}
	h.ring.add(entry{group: g, at: at, record: r.Value, restated: int32(n + 1), kind: kindRevise})
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
		row, ok := rows.find(t)
		if !ok {
			all = false
			continue
		}
		for o := range v {
			v[o] = nil
			if o < len(x.V) && i < len(x.V[o]) {
				v[o] = x.V[o][i]
			}
		}
		rows.put(t, appendValueRow(nil, len(v), t, v, rowFlags(row)))
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
