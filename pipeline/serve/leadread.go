package serve

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// errSeam: what was read does not end where memory and its lead begin any more.
var errSeam = errors.New("reading bars in front of memory: memory has changed meanwhile")

// leadable tells whether bars in front of the lead may be had. The caller holds both
// locks.
func (h *Hub) leadable(g *group) bool {
	l, now := &g.lead, h.now()
	if len(l.bars) >= l.most || now < l.until || now < h.resting.Load() || h.partial.Load() || g.symbol.p < 0 {
		return false
	}
	return h.storing() || h.archive != nil && g.first != never && g.first < g.firstUsed()
}

// readLead reads what the lead of g lacks. Who comes while another one reads it waits for
// that.
func (h *Hub) readLead(ctx context.Context, g *group) error {
	h.mu.RLock()
	g.mu.Lock()
	able, front, lack, other := h.leadable(g), g.firstUsed(), g.lead.most-len(g.lead.bars), g.lead.reading
	done := make(chan struct{})
	if other == nil && able {
		g.lead.reading = done
	}
	g.mu.Unlock()
	h.mu.RUnlock()
	if other != nil {
		select {
		case <-other:
		case <-ctx.Done():
		}
		return nil
	}
	if !able {
		return nil
	}
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.lead.reading = nil
		close(done)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // one that takes too long must not keep all others from being read
			g.lead.until = h.now() + nothingTime
		}
	}()
	bars, gap, err := h.barsBefore(ctx, g, front, lack)
	if err != nil {
		return err
	}
	return h.prepend(g, front, bars, lack, gap)
}

// prepend puts bars in front of the one that opens at front, which values on demand have
// begun with when lack of them were missing; gap tells that some may be missing still.
func (h *Hub) prepend(g *group, front int64, bars []core.Bar, lack int, gap bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	l := &g.lead
	if g.firstUsed() != front || l.most == 0 {
		return errSeam
	}
	switch {
	case gap:
		l.until = h.now() + nothingTime
	case len(bars) < lack:
		l.until = forEver
	}
	l.bars = slices.Concat(g.left.renew(bars, front), l.bars)
	l.cut(0)
	h.weigh(g)
	return nil
}

// barsBefore reads the newest n closed bars in front of the one that opens at front, as a
// page of them would show, down to a gap.
func (h *Hub) barsBefore(ctx context.Context, g *group, front int64, n int) (bars []core.Bar, gap bool, err error) {
	if !h.storing() {
		bars, err = h.loggedBefore(ctx, g, front, n)
		return bars, false, err
	}
	page, err := h.readDeep(ctx, g, &Range{To: front, HasTo: true, Limit: n, Closed: true}, nil)
	if err != nil || page == nil {
		return nil, false, err
	}
	low := firstOpen
	for _, m := range page.origin.missing {
		low, gap = max(low, m.To), true
	}
	return page.between(low, front, n), gap, nil
}

// loggedBefore reads them from the log alone.
func (h *Hub) loggedBefore(ctx context.Context, g *group, front int64, n int) ([]core.Bar, error) {
	d := deepRead{h: h, parent: ctx, g: g}
	span, mark, ok := d.logSpan(firstOpen, front, n)
	if !ok {
		return nil, nil
	}
	old, whole, err := d.readLog(span, &Range{Limit: n})
	if err != nil {
		return nil, err
	}
	low := old.begin(h.cfg.AllowedLateness)
	if whole {
		low = min(low, mark)
	}
	if g.mu.RLock(); whole && span.from == g.index.entries[0].offset { // bars were born late before the first one
		low = firstOpen
	}
	g.mu.RUnlock()
	return old.between(low, front, n), nil
}

// between are the newest n bars of a copy that open from low on and before high.
func (g *group) between(low, high int64, n int) []core.Bar {
	j := g.bars.search(high)
	i := max(min(g.bars.search(low), j), j-n)
	out := make([]core.Bar, 0, j-i)
	for ; i < j; i++ {
		out = append(out, readBar(g.bars.row(i)))
	}
	return out
}

// renew puts what became of bars in front of one that opens at front into them: one may
// have been restated while they were read.
func (d *departed) renew(bars []core.Bar, front int64) []core.Bar {
	l := lead{bars: bars, most: len(bars) + len(d.bars)}
	for _, b := range d.bars {
		if b.t < front {
			l.put(readBar(b.row))
		}
	}
	return l.bars
}
