package serve

import (
	"bytes"
	"context"
	"math"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Previews computes the provisional values of instances on demand until ctx
// ends. It is a loop of its own: the workers, which show the forming bars, never
// wait for a module that somebody uploaded.
func (h *Hub) Previews(ctx context.Context) {
	for {
		select {
		case <-h.wakes.shown:
		case <-ctx.Done():
			return
		}
		for g := range h.wakes.take() {
			if ctx.Err() != nil {
				return
			}
			h.previewGroup(g)
		}
	}
}

// provisional is one value of a forming bar.
type provisional struct {
	x    *extra
	meta *InstanceMeta // of the version whose bar it is
	v    wire.IndRecord
}

func (h *Hub) previewGroup(g *group) {
	if !h.interested(g) {
		return
	}
	g.mu.RLock()
	forming, extras := bytes.Clone(g.forming), g.listExtras()
	g.mu.RUnlock()
	if forming == nil || len(extras) == 0 {
		return
	}
	bar := readBar(forming)
	var values []provisional
	for _, x := range extras {
		if v, ok := h.preview(g, x, bar); ok {
			values = append(values, v)
		}
	}
	h.showPreviews(g, forming, values)
}

// preview computes one value, by the version whose bar it is. The state is
// borrowed: if a bar closes meanwhile, the value is of a bar that is not the
// forming one any more, and dropped.
func (h *Hub) preview(g *group, x *extra, bar core.Bar) (p provisional, ok bool) {
	turn := h.turn(h.partitionOf(g))
	turn.Lock()
	r := x.state
	if own := x.dyn.at(bar.OpenTime); r != nil && r.version != own {
		if r = nil; x.prepared(own) != nil {
			r = x.prepared(own).state
		}
	}
	if r == nil || x.lapsed.Load() || r.last >= bar.OpenTime {
		turn.Unlock()
		return p, false
	}
	cursor, n, failed := r.cursor, r.count+1, r.cursor == nil
	flags := r.flags
	turn.Unlock()
	out := make([]float64, len(r.meta.Outputs))
	for i := range out {
		out[i] = math.NaN()
	}
	degenerate := false
	if !failed {
		var err error
		if degenerate, err = cursor.Preview(bar, out); err != nil {
			failed = true
		}
	}
	p = provisional{x: x, meta: r.meta}
	borrowed := running{meta: r.meta, flags: flags}
	borrowed.value(&p.v, out, n, failed)
	if degenerate {
		p.v.Flags |= wire.FlagDegenerate
	}
	return p, true
}

// showPreviews publishes values if they are still those of the forming bar.
func (h *Hub) showPreviews(g *group, forming []byte, values []provisional) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g.forming == nil || readBar(g.forming).OpenTime != readBar(forming).OpenTime {
		return
	}
	k := wire.KlineRecord{Sym: g.symbol.name, Itv: h.cfg.Intervals[g.itv], T: g.formT}
	k.Rev, k.Seq = rowRevision(forming)
	h.enc.reset()
	g.mu.Lock()
	for i := range values {
		x, v, m := values[i].x, &values[i].v, values[i].meta
		if g.extras[x.series.item-1] != x || x.dyn.at(k.T).program.Meta().Version != m.Version {
			continue
		}
		v.Seq = k.Seq
		h.enc.json = appendValue(h.enc.json[:0], m, &k, v)
		if bytes.Equal(x.values.forming, h.enc.json) {
			continue
		}
		x.values.forming = bytes.Clone(h.enc.json)
		// The rows of a series are of one version: a read names only one.
		if x.values.formRow = nil; m.Version == x.meta.Load().Version {
			x.values.formRow = appendValueRow(nil, len(m.Outputs), k.T, v.V, v.Flags)
		}
		if !h.enc.event(&x.series, kindForming, point{}, eventIndicator) {
			h.count.refused.Add(1)
		}
	}
	g.mu.Unlock()
	h.publish(h.enc.frames())
	h.commit()
}
