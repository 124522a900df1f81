package serve

import (
	"context"
	"errors"
	"slices"
)

// Supersede tells the hub that the Computer has other turns for instances of a
// module. A version computes beside the one that is shown until its first bar
// closes. So each bar has its value from one version, on every node whose
// Computer knows the same turns by then, and on one that is started later.
//
// It asks the Computer about each instance, which may take long. Meanwhile Renew may
// stop modules; other calls about the same module must wait.
func (h *Hub) Supersede(module string) {
	h.dyn.mu.Lock()
	h.dyn.changes++
	computer, list := h.dyn.computer, h.dyn.ofModule(module)
	h.dyn.mu.Unlock()
	if computer == nil {
		return
	}
	for _, d := range list {
		before := d.plan.Load()
		turns, err := turnsOf(context.Background(), computer, d.name)
		if errors.Is(err, ErrUnavailable) {
			continue // it ends, and nothing is computed any more
		}
		plan := versions(d.name, *before, turns)
		if err != nil {
			plan = ended(*before, h.now(), err)
		}
		d.plan.CompareAndSwap(before, &plan) // what was stopped meanwhile stays so
	}
	h.wakes.tend()
}

// ended is a plan of which nothing is left from now on.
func ended(before []*version, now int64, err error) []*version {
	out := slices.DeleteFunc(slices.Clone(before), func(v *version) bool { return v.from >= now })
	return append(out, &version{program: &refused{before[0].program.Meta(), err}, from: now})
}

// prepare computes the versions that take over, over the bars in memory.
func (h *Hub) prepare(ctx context.Context, p place) {
	for try := 0; try < fillTries && p.x.slow < maxRetries && ctx.Err() == nil; try++ {
		s := h.unprepared(p)
		if s == nil {
			return
		}
		p.g.mu.RLock()
		seen, over, lastT := p.g.at, p.g.stretch(), p.g.lastT
		p.g.mu.RUnlock()
		f, err := h.computeOver(s, p.g.ms, over.enough(s.program.Meta()), fillTime)
		if err != nil {
			p.x.slow++
			h.fault(s.program, p.g, err)
			return
		}
		if f.state.err != nil {
			h.fault(s.program, p.g, f.state.err)
		}
		if f.state.count == 0 {
			f.state.last = lastT
		}
		if !h.installNext(p, seen, f) {
			f.state.close()
		}
	}
}

// unprepared is the first version ahead that does not compute yet. Those that
// are not wanted any more are ended.
func (h *Hub) unprepared(p place) *version {
	var old endings
	defer old.close()
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	x := p.x
	if x.state == nil || x.lapsed.Load() {
		return nil
	}
	wanted := x.dyn.ahead(x.state.version, p.g.lastT)
	kept := x.nexts[:0:0]
	for _, n := range x.nexts {
		if slices.Contains(wanted, n.state.version) {
			kept = append(kept, n)
		} else {
			old.add(n.state)
		}
	}
	x.nexts = kept
	for _, v := range wanted {
		if x.prepared(v) == nil {
			return v
		}
	}
	return nil
}

func (h *Hub) installNext(p place, seen point, f *filled) bool {
	turn := h.turn(h.partitionOf(p.g))
	turn.Lock()
	defer turn.Unlock()
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.g.at != seen || p.g.extras[p.n] != p.x {
		return false
	}
	n := &prepared{state: f.state, rows: f.rows}
	n.diff.rows(&p.x.values.rows, &f.rows)
	from := f.state.version.from
	at, _ := slices.BinarySearchFunc(p.x.nexts, from, func(n *prepared, from int64) int { return order(n.state.version.from, from) })
	p.x.nexts = slices.Insert(slices.Clone(p.x.nexts), at, n)
	p.x.slow = 0
	return true
}
