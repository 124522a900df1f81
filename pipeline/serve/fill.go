package serve

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// fillTime is how long a request waits for a program at most.
	fillTime = 2 * time.Second
	// fillTries is how often the bars may change under a fill.
	fillTries = 20
	// fillParallel bounds how many readers have guests compute at a time: a bar that
	// closes may find each of them before it.
	fillParallel = 2
)

// errChanging: a series changes faster than its values are computed.
var errChanging = errors.New("computing on demand: the bars change faster than the indicator is computed")

// errFillBusy: others have guests compute already.
var errFillBusy = errors.New("computing on demand: too many others do at the same time")

// turn is the lock of a partition: whoever holds it is the only one that
// changes closed bars of the partition and the states computed from them.
// Guests run under it, so nothing that a worker or a stream needs waits for it.
func (h *Hub) turn(p int32) *sync.Mutex { return &h.turns[max(p, 0)%int32(len(h.turns))] }

// ensure computes the instances on demand of a pair, so that a read or a snapshot
// finds them. Nothing is computed for a symbol that nobody has traded: a state for
// each name that somebody invents would fill the memory.
func (h *Hub) ensure(ctx context.Context, p *Pair, client string) error {
	for i, n := range p.inds {
		if !h.isDynamic(n) {
			continue
		}
		g := h.find(p.Symbol, p.Interval)
		if g == nil {
			g = h.begin(p.Symbol, p.Interval)
		}
		if g == nil || h.partitionOf(g) < 0 {
			return nil
		}
		err := h.ensureOne(ctx, g, n, client)
		if k, known := h.configured(n); known && err != nil {
			p.inds[i], err = k, ctx.Err() // what was published is there
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ensureOne computes one instance. Its room is claimed before, so that many reads at
// once do not go beyond the bound together.
func (h *Hub) ensureOne(ctx context.Context, g *group, n int, client string) error {
	if g.whole(n) {
		g.extraUsed(n, h.now(), client)
		return nil
	}
	key := keyOf(g, n)
	h.mu.Lock()
	p := h.room([]placeKey{key}, client, "ind")
	if p == nil {
		h.hold(key, client).read(client, h.now())
	}
	h.mu.Unlock()
	if p != nil {
		p.Value = echo(h.meta(n).Name)
		return p
	}
	err := h.fillInTurn(ctx, g, n)
	h.mu.Lock()
	h.unhold(key)
	h.mu.Unlock()
	if err != nil {
		return notNow(h.meta(n).Name, err)
	}
	return nil
}

// fillInTurn is fill for readers, of whom few have a guest compute at a time.
func (h *Hub) fillInTurn(ctx context.Context, g *group, n int) error {
	if _, known := h.configured(n); !known {
		if err := h.fills.enter(ctx, fillTime, errFillBusy); err != nil {
			return err
		}
		defer h.fills.leave()
	}
	if err := h.fill(ctx, g, n); err != nil {
		return err
	}
	h.previewFirst(g, n)
	return nil
}

// computeInTurn is compute of instance n on demand for the one answer of a reader.
func (h *Hub) computeInTurn(ctx context.Context, n int, v *version, ms int64, bars []core.Bar) (*filled, error) {
	if _, known := h.configured(n); known {
		return h.compute(v, ms, bars, fillTime)
	}
	if err := h.fills.enter(ctx, fillTime, errFillBusy); err != nil {
		return nil, err
	}
	defer h.fills.leave()
	return h.compute(v, ms, bars, fillTime)
}

// notNow is the answer for a client whose indicator could not be computed.
func notNow(name string, err error) error {
	switch {
	case errors.Is(err, ErrTooSlow):
		return &Problem{Status: 503, Code: CodeTooSlow, Param: "ind", Value: echo(name),
			Detail: "the indicator takes longer than " + fillTime.String() + " for the bars in memory"}
	case errors.Is(err, errFillBusy):
		return &Problem{Status: 503, Code: CodeTooSlow, Param: "ind", Value: echo(name), RetryAfter: 2, Detail: "too many indicators are computed for readers just now"}
	case errors.Is(err, errChanging):
		return &Problem{Status: 503, Code: CodeTooSlow, Param: "ind", Value: echo(name), Detail: "the bars change faster than the indicator is computed; try again"}
	}
	return err
}

// ensureAll is ensure for the series of one request.
func (h *Hub) ensureAll(ctx context.Context, sel *Selection) error {
	for i := range sel.Pairs {
		p := &sel.Pairs[i]
		if err := h.ensure(ctx, p, sel.Client); err != nil {
			return err
		}
	}
	return nil
}

// whole tells whether the rows of instance n begin where the bars do and go to
// the newest.
func (g *group) whole(n int) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	x := g.extras[n]
	if x == nil || x.lapsed.Load() {
		return false
	}
	r := &x.values.rows
	return g.bars.len() == 0 || r.len() > 0 && r.at(0) <= g.bars.at(0)
}

// fill computes instance n over the bars in memory, and those in front of them, and installs it. Listeners are
// told to start the series anew. The symbol of g was traded.
func (h *Hub) fill(ctx context.Context, g *group, n int) error {
	for range fillTries {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.mu.RLock()
		seen, over, lastT := g.at, g.stretch(), g.lastT
		g.mu.RUnlock()
		now := h.dynamic(n).at(lastT)
		over = over.enough(now.program.Meta())
		f, err := h.computeOver(now, g.ms, over, fillTime)
		if errors.Is(err, ErrTooSlow) && over.lead > 0 { // those in memory alone may not be too many
			f, err = h.compute(now, g.ms, over.near(), fillTime)
		}
		if err != nil {
			return err
		}
		if f.state.err != nil {
			h.fault(now.program, g, f.state.err)
		}
		if f.state.count == 0 {
			f.state.last = lastT // its bars left memory: a gap is not to be seen as one
		}
		if h.install(g, n, seen, f) {
			return nil
		}
		f.state.close()
	}
	return errChanging
}

// extraUsed notes a read.
func (g *group) extraUsed(n int, now int64, client string) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if x := g.extras[n]; x != nil {
		x.used.Store(now)
		x.dyn.used.Store(now)
		x.claim.read(client, now)
	}
}

// install makes f what is shown of instance n, unless the bars have changed
// since seen. No record says so: a stream that is away would come back to the
// position it left and keep the old values, so nobody resumes from there.
func (h *Hub) install(g *group, n int, seen point, f *filled) bool {
	var old endings
	defer old.close()
	turn := h.turn(h.partitionOf(g))
	turn.Lock()
	defer turn.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	g.mu.Lock()
	x, told := g.extras[n], false
	if g.at != seen || h.dynamic(n).at(g.lastT) != f.state.version {
		g.mu.Unlock()
		return false
	}
	switch c := h.claims.all[keyOf(g, n)]; {
	case x == nil && c == nil:
		g.mu.Unlock()
		old.add(f.state) // it was forgotten meanwhile
		return true
	case x == nil:
		x = h.settle(g, n, c)
	default:
		told = x.lapsed.Load() && len(x.series.subs) > 0
		x.series.floor = h.behindAll(g)
		x.end(&old)
	}
	x.put(g, h.cfg.Intervals[g.itv], f)
	x.used.Store(h.now())
	h.weigh(g)
	g.mu.Unlock()
	if told {
		h.tellAnew(x)
	}
	h.wakes.preview(g)
	return true
}

// tellAnew has streams begin the series of x anew. The caller holds the turn and the Hub's
// lock.
func (h *Hub) tellAnew(x *extra) {
	p := x.series.group.symbol.p
	if p < 0 {
		return
	}
	h.enc.partition(h.cfg.LogID, h.at, int(p))
	h.publishReset(&x.series, h.at[p])
	h.commit()
}

// behindAll is the place behind everything that the partition of g has handed out.
// The caller holds the Hub's lock.
func (h *Hub) behindAll(g *group) point {
	if g.symbol.p < 0 {
		return nowhere
	}
	return h.at[g.symbol.p].after()
}

// put installs f. The caller holds all locks.
func (x *extra) put(g *group, itv string, f *filled) {
	x.begin(f.state)
	x.values, x.lead = valueRows{rows: f.rows}, f.lead
	x.showNewest(g, itv, f.state.meta, &f.newest)
	x.values.seq = f.newest.Seq
}

// showNewest shows v, computed anew, as the value of the newest closed bar in memory: with
// the revision and the seq of that bar, whichever bar was restated. The caller holds
// the group's lock.
func (x *extra) showNewest(g *group, itv string, m *InstanceMeta, v *wire.IndRecord) {
	i, n := g.bars.len(), x.values.rows.len()
	if i == 0 || n == 0 || g.bars.at(i-1) != x.values.rows.at(n-1) {
		return
	}
	k := wire.KlineRecord{Sym: g.symbol.name, Itv: itv, T: g.bars.at(i - 1), Final: true}
	k.Rev, k.Seq = rowRevision(g.bars.row(i - 1))
	v.Seq = k.Seq
	x.values.closed = appendValue(nil, m, &k, v)
}

// partitionOf is where the symbol of g is, -1 if nowhere yet.
func (h *Hub) partitionOf(g *group) int32 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return g.symbol.p
}

// fault tells the computer that a program failed on a series.
func (h *Hub) fault(p Program, g *group, err error) {
	if c, ok := h.dyn.computer.(Faults); ok {
		c.Fault(p, g.symbol.name, h.cfg.Intervals[g.itv], err)
	}
}
