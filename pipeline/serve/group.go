package serve

import (
	"sync"
	"sync/atomic"
)

// series is one thing that can be subscribed to: the klines or one indicator of
// a symbol and interval. Its fields belong to the Hub's lock.
type series struct {
	group *group
	// item is 0 for klines, i+1 for instance i.
	item int
	// subs are the subscribers with the number of the series in each.
	subs []listener
	// floor is the position of a series on demand before which it has no events
	// for who comes back.
	floor point
	// rank is where events of a series on demand stand among those of a record, see
	// rankOf.
	rank int32
}

type listener struct {
	sub  *Subscriber
	slot int32
}

// group is one symbol on one interval: its bars, the values computed from them,
// and their series.
//
// Rows and newest values are written by the Hub with both locks held and read
// with mu alone, so a long read never stops the Hub.
type group struct {
	symbol *symbol
	itv    int
	ms     int64 // length of the interval

	mu      sync.RWMutex // protects everything down to stored
	bars    rows
	sources rows   // where each bar came from, for src=1
	forming []byte // JSON of the forming bar, nil = none
	formT   int64  // its open time
	formSrc []byte // its source
	source  []byte // scratch
	values  []valueRows
	lastT   int64 // open time of the newest closed or restated bar; never = none
	first   int64 // open time of the oldest bar ever followed
	at      point // position of the newest record
	pos     string
	wm      int64 // watermark of the newest record, ms
	index   offsets
	stored  int64 // bytes counted for view_memory
	left    departed
	lead    lead
	origin  *origin // of a copy that reaches behind memory
	partial bool    // of a copy: the log before it is being absorbed
	// extras are the instances on demand, by number. Written with both locks held,
	// read with either.
	extras map[int]*extra

	series []series // guarded by the Hub
	// newestEntry is the number of the group's newest entry in the ring, floor the
	// position of the newest one that left it; guarded by the Hub.
	newestEntry uint64
	floor       point
	seq         int64  // of the newest closed or restated bar; guarded by the Hub
	held        []byte // forming value ahead of what was followed; guarded by the Hub

	listeners atomic.Int32 // streams that want forming bars
	refs      int          // streams of any kind; guarded by the Hub
	lastRead  atomic.Int64 // ms
}

// valueRows are the values of one instance on one group.
type valueRows struct {
	rows    rows   // [t,v..,fl]
	seq     int64  // of the newest closed or restated value
	closed  []byte // newest closed value as an indicator event
	forming []byte // provisional value as an indicator event
	formRow []byte // the same as a row
}

// never is an open time before every bar.
const never = int64(-1) << 62

func newGroup(s *symbol, itv int, ms int64, instances int) *group {
	g := &group{symbol: s, itv: itv, ms: ms, lastT: never, first: never, at: nowhere, floor: nowhere,
		values: make([]valueRows, instances), series: make([]series, instances+1)}
	for i := range g.series {
		g.series[i] = series{group: g, item: i, floor: nowhere}
	}
	return g
}

// newest is the open time of the newest closed bar, never if there is none.
func (g *group) newest() int64 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.lastT
}

// size is what the rows of the group occupy, in bytes.
func (g *group) size() int64 {
	n := g.bars.size() + g.sources.size() + int64(len(g.index.entries)*markSize) + g.lead.size()
	for i := range g.values {
		n += g.values[i].rows.size()
	}
	for _, x := range g.extras {
		n += x.values.rows.size()
		for _, p := range x.nexts {
			n += p.rows.size()
		}
	}
	return n
}

// trim keeps the newest n bars and their values.
func (g *group) trim(n int) {
	over := g.bars.len() - n
	if over <= 0 {
		return
	}
	g.leave(over)
	g.follow(over)
	g.bars.cut(over)
	from := never
	if g.bars.len() > 0 {
		from = g.bars.at(0)
	}
	g.sources.cutBefore(from, g.bars.len() == 0)
	for i := range g.values {
		g.values[i].rows.cutBefore(from, g.bars.len() == 0)
	}
	for _, x := range g.extras {
		x.values.rows.cutBefore(from, g.bars.len() == 0)
		for _, p := range x.nexts {
			p.rows.cutBefore(from, g.bars.len() == 0)
		}
	}
}

// dropForming forgets the forming bar if the closed bar t ends it.
func (g *group) dropForming(t int64) {
	if g.forming == nil || g.formT > t {
		return
	}
	g.forming = nil
	for i := range g.values {
		g.values[i].forming = nil
		g.values[i].formRow = nil
	}
	for _, x := range g.extras {
		x.values.forming, x.values.formRow = nil, nil
	}
}
