package serve

import (
	"bytes"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// publish hands frames to everybody who listens to their series. The caller
// holds the lock and ends its batch with commit.
func (h *Hub) publish(frames []frame) {
	for i := range frames {
		f := &frames[i]
		for _, l := range f.series.subs {
			h.touch(l.sub).push(l.slot, f)
		}
	}
}

// touch locks a subscriber for the rest of the batch: one lock for all frames
// of the batch, and its loop cannot take half of a bar and its values.
func (h *Hub) touch(s *Subscriber) *Subscriber {
	if !s.touched {
		s.mu.Lock()
		s.touched = true
		h.touched = append(h.touched, s)
	}
	return s
}

// commit ends a batch: whoever got something may take it now.
func (h *Hub) commit() {
	for i, s := range h.touched {
		s.touched = false
		s.mu.Unlock()
		s.nudge()
		h.touched[i] = nil
	}
	h.touched = h.touched[:0]
}

// publishReset makes clients start a series anew: the event, then a snapshot.
// Neither a reset nor what follows it has an id except the last snapshot: a
// client that loses the connection in between must come back with its old id
// and be told again.
func (h *Hub) publishReset(s *series, at point) { h.publishResets([]*series{s}, at) }

// publishResets is publishReset for series of one group: a stream of several gets one
// event and one snapshot, which has them all.
func (h *Hub) publishResets(list []*series, at point) {
	g := list[0].group
	e := entry{group: g, at: at, kind: kindReset}
	var subs []*Subscriber
	lost := map[*Subscriber][]listener{}
	names := map[*Subscriber][]string{}
	for _, s := range list {
		e.events = append(e.events, frame{series: s, kind: kindReset, at: at})
		for _, l := range s.subs {
			if lost[l.sub] == nil {
				subs = append(subs, l.sub)
			}
			lost[l.sub] = append(lost[l.sub], l)
			names[l.sub] = append(names[l.sub], h.seriesName(s))
		}
	}
	h.ring.add(e)
	id := append(appendPoint(bytes.Clone(h.enc.before), at), h.enc.after...)
	for _, sub := range subs {
		event, _, ok := appendEvent(nil, nil, eventReset, appendReset(nil, resetRestated, h.id, names[sub]))
		if !ok {
			h.count.refused.Add(1)
			continue
		}
		h.touch(sub)
		for _, l := range lost[sub][1:] {
			sub.slots[l.slot].forming = nil // it is in the snapshot
		}
		slot := lost[sub][0].slot
		sub.push(slot, &frame{kind: kindReset, at: at, event: event})
		snap := h.appendSnapshot(nil, sub, sub.pair(g), 1, 1, string(id), sub.opts.Snapshot, maxSnapshot)
		sub.push(slot, &frame{kind: kindReset, at: at, event: snap})
	}
}

func (h *Hub) seriesName(s *series) string {
	item := eventKline
	if s.item > 0 {
		item = h.meta(s.item - 1).Name
	}
	return s.group.symbol.name + "@" + h.cfg.Intervals[s.group.itv] + ":" + item
}

// Forming takes forming bars (the JSON of the topic, with provisional values)
// from the worker of partition p. A bar whose seq is ahead of what was followed
// on the log waits for it, so that nothing is shown as open that would make an
// uncommitted close visible; a bar older than the newest closed one is dropped.
func (h *Hub) Forming(p int32, values [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p < 0 || int(p) >= len(h.parts) {
		return
	}
	for _, v := range values {
		h.formingOne(p, v)
	}
	h.commit()
}

func (h *Hub) formingOne(p int32, value []byte) {
	k := &h.rec
	if wire.DecodeKline(value, k) != nil || k.Final {
		h.count.foreign.Add(1)
		return
	}
	g := h.target(p, k.Sym, k.Itv)
	if g == nil {
		h.count.foreign.Add(1)
		return
	}
	// The bars before it may all stand further back than the log was read.
	unknown := h.partial.Load() && g.lastT == never
	if k.Seq > g.seq && !unknown {
		g.held = append(g.held[:0], value...)
		return
	}
	if k.Seq < g.seq || k.T <= g.lastT || g.forming != nil && k.T < g.formT {
		return
	}
	g.held = g.held[:0]
	h.showForming(g, k)
}

// showForming publishes a forming bar and its provisional values, as far as they
// differ from what is shown already: each round of a worker shows all bars of a
// symbol, also those that its trades did not touch.
func (h *Hub) showForming(g *group, k *wire.KlineRecord) {
	h.enc.reset()
	h.enc.json = appendKline(h.enc.json[:0], k)
	g.mu.Lock()
	if !bytes.Equal(g.forming, h.enc.json) {
		if !h.enc.event(&g.series[0], kindForming, point{}, eventKline) {
			g.mu.Unlock()
			h.count.refused.Add(1)
			return
		}
		g.dropForming(k.T)
		g.forming = bytes.Clone(h.enc.json)
		g.formT = k.T
	}
	g.formSrc = appendSource(g.formSrc[:0:0], k)
	for i := range k.Ind {
		v := &k.Ind[i]
		n, ok := h.instances[v.Name]
		if !ok {
			continue // of a node with another configuration
		}
		m := &h.cfg.Instances[n]
		h.enc.json = appendValue(h.enc.json[:0], m, k, v)
		if bytes.Equal(g.values[n].forming, h.enc.json) {
			continue
		}
		g.values[n].forming = bytes.Clone(h.enc.json)
		g.values[n].formRow = appendValueRow(nil, len(m.Outputs), k.T, v.V, v.Flags)
		if !h.enc.event(&g.series[n+1], kindForming, point{}, eventIndicator) {
			h.count.refused.Add(1)
		}
	}
	g.mu.Unlock()
	h.publish(h.enc.frames())
	if len(g.extras) > 0 {
		h.wakes.preview(g)
	}
}

// releaseHeld shows the forming bar that waited for the record just applied.
func (h *Hub) releaseHeld(g *group) {
	if len(g.held) == 0 {
		return
	}
	k := &h.rec
	if wire.DecodeKline(g.held, k) != nil {
		g.held = g.held[:0]
		return
	}
	if k.Seq > g.seq {
		return
	}
	if k.Seq == g.seq && k.T > g.lastT {
		h.showForming(g, k)
	}
	g.held = g.held[:0]
}
