package serve

import "strconv"

// MaxSnapshotBars is the largest number of closed bars per series at connect.
const MaxSnapshotBars = 1000

// maxSnapshot bounds the snapshots of one connect, bytes. History belongs to
// the REST routes.
const maxSnapshot = 1 << 20

// appendSnapshots writes one snapshot per symbol and interval; the id stands on
// the last one. The caller holds both locks.
func (h *Hub) appendSnapshots(dst []byte, s *Subscriber, id string) []byte {
	n := len(s.pairs)
	for i := range s.pairs {
		last := ""
		if i == n-1 {
			last = id
		}
		dst = h.appendSnapshot(dst, s, &s.pairs[i], i+1, n, last, s.opts.Snapshot, maxSnapshot/n)
	}
	return dst
}

// appendSnapshot writes the newest closed bars and values of one pair, in about
// budget bytes, with what is forming.
func (h *Hub) appendSnapshot(dst []byte, s *Subscriber, p *pairOf, i, of int, id string, bars, budget int) []byte {
	g := p.group
	g.mu.RLock()
	defer g.mu.RUnlock()
	from := max(g.bars.len()-bars, 0)
	for from < g.bars.len()-1 && snapshotSize(p, from) > budget {
		from += (g.bars.len() - from + 1) / 2
	}
	json := appendIdentity(nil, g.symbol.name, h.cfg.Intervals[g.itv])
	// The newest event may have restated a bar that is not among these: without
	// its seq a client would take the next one for a loss.
	json = appendInt(json, `,"seq":`, g.seq)
	json = append(json, `,"bars":[`...)
	if p.kline {
		json = g.bars.appendSpan(json, from, g.bars.len())
	}
	json = append(json, `],"forming":`...)
	if p.kline && !s.opts.NoForming && g.forming != nil {
		json = append(json, g.forming...)
	} else {
		json = append(json, "null"...)
	}
	json = append(json, `,"ind":{`...)
	start := never
	if from < g.bars.len() {
		start = g.bars.at(from)
	}
	for j, n := range p.inds {
		if j > 0 {
			json = append(json, ',')
		}
		json = h.appendSnapshotValues(json, g, n, start, bars > 0, !s.opts.NoForming && !s.opts.NoProvisional)
	}
	json = appendInt(json, `},"of":`, int64(of))
	json = appendInt(json, `,"i":`, int64(i))
	json = append(append(append(json, `,"pos":"`...), h.id...), `"}`...)
	out, _, ok := appendEvent(dst, []byte(id), eventSnapshot, json)
	if !ok {
		h.count.refused.Add(1)
	}
	return out
}

func snapshotSize(p *pairOf, from int) int {
	g := p.group
	n := 0
	if p.kline {
		n = g.bars.spanSize(from, g.bars.len())
	}
	for _, i := range p.inds {
		v := &g.value(i).rows
		n += v.spanSize(v.search(g.bars.at(from)), v.len())
	}
	return n
}

// appendSnapshotValues writes
// "name":{"t":[..],"<output>":[..],"seq":n,"forming":{..}}.
func (h *Hub) appendSnapshotValues(dst []byte, g *group, n int, from int64, bars, forming bool) []byte {
	m := h.metaOn(g, n)
	v := g.value(n)
	dst = append(appendText(dst, m.Name), ':')
	i := v.rows.len()
	if bars {
		i = v.rows.search(from)
	}
	dst = appendColumns(dst, m, &v.rows, i, v.rows.len())
	dst = appendInt(dst[:len(dst)-1], `,"seq":`, v.seq)
	dst = append(dst, `,"forming":`...)
	if forming && v.forming != nil {
		dst = append(dst, v.forming...)
	} else {
		dst = append(dst, "null"...)
	}
	return append(dst, '}')
}

// appendRetry writes the block that sets the client's time to reconnect, ms.
func appendRetry(dst []byte, ms int64) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, ms, 10)
	return append(dst, '\n', '\n')
}
