package serve

import (
	"math"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

const (
	// leadShare is the part of view_memory, one in so many, that bars in front of memory
	// may take: one client with a thousand long series must not push out the rows of all
	// others.
	leadShare = 4
	// barSize is a bar as numbers, bytes.
	barSize = 80
	// forEver as until says that nobody holds a bar in front of the lead.
	forEver = math.MaxInt64
)

// lead are the closed bars right in front of memory that instances on demand are
// computed from before the first bar in memory: values there would be missing until the
// indicator has warmed up, and those of all bars once one is restated while memory holds
// fewer than that takes. They are read once (leadread.go), and those that leave memory while
// something is computed on demand follow.
//
// It is guarded as rows are.
type lead struct {
	bars []core.Bar // ascending; nothing is between two of them, nor between the last one and memory
	most int        // how many are kept, counted in Hub.leads
	// until is the time, ms, before which nobody is asked for those in front of them, whom
	// nobody was known to hold.
	until   int64
	reading chan struct{} // closed at the end of the read that is under way; nil: none is
}

// leadBars is how many bars before a value go into it, as in pages of the log: none where
// it depends on the first one for ever, since it begins where the node does.
func leadBars(m *InstanceMeta) int {
	if m.Warmup >= neverStable {
		return 0
	}
	return int(min(max(m.Warmup, 0), deepWarmup))
}

// sizeLead lets g keep as many bars in front of memory as its instances on demand need, if
// there is room for more. The caller holds both locks.
func (h *Hub) sizeLead(g *group) {
	want := 0
	for _, x := range g.extras {
		want = max(want, leadBars(x.meta.Load()))
	}
	if more := int64(want - g.lead.most); more > 0 && (h.leads+more)*barSize > h.cfg.ViewMemory/leadShare {
		return
	}
	h.leads += int64(want - g.lead.most)
	g.lead.most = want
	g.lead.cut(0)
	if want == 0 {
		g.lead.forget()
	}
}

// forget empties the lead: what is computed next looks for bars anew.
func (l *lead) forget() { l.bars, l.until = nil, 0 }

// cut keeps the newest bars, so that more others are as many as are needed. What it takes
// away is to be had again.
func (l *lead) cut(more int) {
	if over := len(l.bars) + more - l.most; over > 0 {
		l.bars, l.until = append(l.bars[:0], l.bars[over:]...), 0 // in place: a full lead never grows
	}
}

// size is what the bars occupy, in bytes.
func (l *lead) size() int64 { return int64(cap(l.bars)) * barSize }

// firstUsed is the open time of the oldest bar that values on demand are computed from,
// lastOpen without any.
func (g *group) firstUsed() int64 {
	if len(g.lead.bars) > 0 {
		return g.lead.bars[0].OpenTime
	}
	return g.oldest()
}

// holds tells whether a bar that has left memory is among those in front of it, or
// belongs between them or right before the first, which nothing was in front of.
func (l *lead) holds(t int64) bool {
	return len(l.bars) > 0 && (t >= l.bars[0].OpenTime || l.until == forEver && len(l.bars) < l.most)
}

// put takes a bar that was restated, or born late, behind memory.
func (l *lead) put(b core.Bar) {
	if !l.holds(b.OpenTime) {
		return
	}
	i, found := slices.BinarySearchFunc(l.bars, b.OpenTime, openOrder)
	if found {
		l.bars[i] = b
		return
	}
	l.bars = slices.Insert(l.bars, i, b)
	l.cut(0)
}

func openOrder(b core.Bar, t int64) int { return order(b.OpenTime, t) }

// follow takes the oldest n bars of memory, which are about to be cut.
func (g *group) follow(n int) {
	l := &g.lead
	if l.most == 0 {
		return
	}
	more := min(n, l.most)
	l.cut(more)
	for i := n - more; i < n; i++ {
		l.bars = append(l.bars, readBar(g.bars.row(i)))
	}
}

// keepOrder forgets the lead where a bar was put into memory in front of its last one: a
// database may hold bars that the log has never shown.
func (g *group) keepOrder() {
	if n := len(g.lead.bars); n > 0 && g.oldest() <= g.lead.bars[n-1].OpenTime {
		g.lead.forget()
	}
}

// stretch are bars to compute over. Those that open before from only lead up to the others.
type stretch struct {
	bars []core.Bar
	from int64
	lead int // how many do
}

// stretch is what values on demand of g are computed over. The caller holds mu.
func (g *group) stretch() stretch {
	n := len(g.lead.bars)
	if n == 0 {
		return stretch{bars: g.closedBars(), from: never}
	}
	return stretch{bars: slices.Concat(g.lead.bars, g.closedBars()), from: g.lead.bars[n-1].OpenTime + 1, lead: n}
}

// enough leaves out bars that only other instances need.
func (s stretch) enough(m *InstanceMeta) stretch {
	n, _ := slices.BinarySearchFunc(s.bars, s.from, openOrder)
	s.lead = min(n, leadBars(m))
	s.bars = s.bars[n-s.lead:]
	return s
}

// near are the bars in memory.
func (s stretch) near() []core.Bar { return s.bars[s.lead:] }
