package serve

import "context"

// join registers the stream with its series. The caller holds the Hub's lock,
// so between what it reads for the snapshot and the first live frame nothing
// can slip.
func (h *Hub) join(s *Subscriber) {
	o := &s.opts
	s.joined = true
	for _, p := range o.Selection.Pairs {
		g := h.groupOf(h.symbolOf(p.Symbol), p.itv)
		pair := pairOf{group: g, kline: p.kline, inds: p.inds}
		s.pairs = append(s.pairs, pair)
		g.refs++
		if !o.NoForming {
			g.listeners.Add(1)
		}
		if p.kline {
			s.listen(&g.series[0], !o.NoForming)
		}
		for _, n := range p.inds {
			if h.isDynamic(n) && g.extras[n] == nil {
				h.promise(g, n)
			}
			if x := g.extras[n]; x != nil {
				x.back = max(x.back, o.Snapshot)
			}
			s.listen(g.item(n), !o.NoForming && !o.NoProvisional)
		}
	}
	h.gen.Add(1)
}

func (s *Subscriber) listen(x *series, live bool) {
	x.subs = append(x.subs, listener{sub: s, slot: int32(len(s.slots))})
	s.slots = append(s.slots, slot{series: x, live: live})
}

// leave undoes join.
func (h *Hub) leave(s *Subscriber) {
	if !s.joined {
		h.unreserve(s)
		return
	}
	for i := range s.slots {
		x := s.slots[i].series
		for j := range x.subs {
			if x.subs[j].sub == s {
				last := len(x.subs) - 1
				x.subs[j] = x.subs[last]
				x.subs[last] = listener{}
				x.subs = x.subs[:last]
				break
			}
		}
	}
	h.unreserve(s) // before their groups go
	for i := range s.pairs {
		if !s.opts.NoForming {
			s.pairs[i].group.listeners.Add(-1)
		}
		h.release(s.pairs[i].group)
	}
	h.gen.Add(1)
}

// begin joins the stream and returns its first events: a resumed part of the
// log or snapshots, and in both cases an id.
func (s *Subscriber) begin(ctx context.Context, dst []byte) []byte {
	h := s.hub
	s.demand()
	s.ensure(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.closed {
		return dst
	}
	h.join(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	reason := ""
	if s.opts.LastEventID != "" {
		var out []byte
		if out, reason = h.resume(dst, s); reason == "" {
			if s.opts.SnapshotToo {
				return h.appendSnapshots(out, s, h.id)
			}
			return appendNewestForming(out, s)
		}
		dst, _, _ = appendEvent(dst, []byte(noPosition), eventReset, appendReset(nil, reason, h.id, nil))
	}
	if s.opts.Snapshot == 0 && reason == "" {
		dst, _, _ = appendEvent(dst, []byte(h.id), eventPos, []byte(`{}`))
		return appendNewestForming(dst, s)
	}
	return h.appendSnapshots(dst, s, h.id)
}

// demand asks for forming bars of series that nobody listened to, before the
// stream reads them.
func (s *Subscriber) demand() {
	if s.opts.NoForming {
		return
	}
	s.hub.wantAll(&s.opts.Selection)
}

// ensure computes what is on demand before the stream reads it. What cannot be
// computed now is promised: the stream is told when it is there. There is room for
// it since the stream was admitted. A client that hangs up ends the work.
func (s *Subscriber) ensure(ctx context.Context) {
	_ = s.hub.ensureAll(ctx, &s.opts.Selection)
	s.hub.warmAll(ctx, s.opts.Selection.Pairs, newestBars(s.opts.Snapshot), false)
}

// promise makes the place of an instance that will be computed, which the stream
// has claimed. The caller holds the lock.
func (h *Hub) promise(g *group, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h.settle(g, n, h.claims.all[keyOf(g, n)])
	h.wakes.tend()
}

// appendNewestForming writes the newest forming bar and values of the stream's
// series, as if they had just come.
func appendNewestForming(dst []byte, s *Subscriber) []byte {
	for i := range s.slots {
		sl := &s.slots[i]
		if !sl.live {
			continue
		}
		g := sl.series.group
		json, event := g.forming, eventKline
		if sl.series.item > 0 {
			json, event = g.value(sl.series.item-1).forming, eventIndicator
		}
		if json != nil {
			dst, _, _ = appendEvent(dst, nil, event, json)
		}
	}
	return dst
}
