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
	// first is shown only where nothing is yet.
	first bool
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

// previewFirst computes the provisional value of instance n, which a reader has had
// computed just now, before that reader gets its answer: the loop comes a moment
// later, and a null beside the forming bar would look like a warm-up. What the loop
// has shown meanwhile may be of a newer bar and stays, and a fault is left to it: the
// state may have been replaced by that of another reader.
func (h *Hub) previewFirst(g *group, n int) {
	g.mu.RLock()
	forming, x := bytes.Clone(g.forming), g.extras[n]
	g.mu.RUnlock()
	if forming == nil || x == nil {
		return
	}
	p, ok := h.preview(g, x, readBar(forming))
	if p.first = true; ok && p.v.Flags&wire.FlagError == 0 {
		h.showPreviews(g, forming, []provisional{p})
	}
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
		if values[i].first && x.values.forming != nil {
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
