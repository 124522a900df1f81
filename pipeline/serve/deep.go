package serve

import (
	"context"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// deepWarmup bounds how many bars before a range of the log are read so that
// values on demand are stable where the range begins.
const deepWarmup = 4000

// readWith is read for a range of bars and of instances, some of which may be
// computed on demand: of bars that come from the log their values are computed
// for this one answer.
func (h *Hub) readWith(ctx context.Context, g *group, q *Range, inds []int, fn func(*group)) error {
	ctx = shareLogTime(ctx)
	deep, err := h.readDeep(ctx, g, q, inds)
	if err != nil {
		return err
	}
	if deep != nil {
		fn(deep)
		return nil
	}
	wide, demanded := h.widened(q, inds)
	if len(demanded) == 0 || !h.needsLog(g, q) {
		return h.read(ctx, g, q, fn)
	}
	var failed error
	err = h.read(ctx, g, &wide, func(found *group) {
		if found != g { // a copy that is completed from the log
			if failed = h.computeCopy(ctx, found, demanded); failed != nil {
				return
			}
		}
		fn(found)
	})
	if err == nil {
		err = failed
	}
	return err
}

// needsLog tells whether a range reaches bars that memory does not hold.
func (h *Hub) needsLog(g *group, q *Range) bool {
	archive, _, end := h.logOf(g)
	g.mu.RLock()
	defer g.mu.RUnlock()
	_, _, need := g.behind(q, end, h.cfg.AllowedLateness)
	return need && archive != nil
}

// widened is the range with the bars that the instances on demand need before
// it. They are counted: where a quiet series has no bar for hours, as much time
// holds fewer of them, or none.
func (h *Hub) widened(q *Range, inds []int) (wide Range, demanded []int) {
	wide = *q
	more := 0
	for _, n := range inds {
		if !h.isDynamic(n) {
			continue
		}
		demanded = append(demanded, n)
		more = max(more, int(min(h.meta(n).Warmup, deepWarmup)))
	}
	if q.HasFrom {
		wide.warmup = more
	} else {
		wide.Limit += more
	}
	return wide, demanded
}

// computeCopy computes instances over the bars of a copy. What is newest of them was
// copied with the bars: the bar in progress may be another one by now.
func (h *Hub) computeCopy(ctx context.Context, found *group, inds []int) error {
	bars := found.closedBars()
	for _, n := range inds {
		f, err := h.computeInTurn(ctx, n, h.dynamic(n).at(found.lastT), found.ms, bars)
		if err != nil {
			return notNow(h.meta(n).Name, err)
		}
		f.state.close()
		x := found.place(n, h.dynamic(n))
		x.values.rows = f.rows
		x.meta.Store(f.state.meta)
	}
	return nil
}

// stampOf is what the bytes of an answer about an instance on demand depend on
// beside the bars: the version, and the values themselves. They are computed anew
// under the same bars and the same version where a module is stopped or comes back,
// and each node does so by itself: neither a position nor a count of its own tells.
func (g *group) stampOf(w *window, n int) string {
	x := g.extras[n]
	if x == nil {
		return ""
	}
	m := x.meta.Load()
	values := xxhash.Sum64(appendValueRows(nil, g, w, n, len(m.Outputs)))
	return "|" + m.Version + "|" + strconv.FormatUint(values, 36)
}
