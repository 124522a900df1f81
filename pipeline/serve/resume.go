package serve

import (
	"slices"
	"strconv"
)

// Bound and default of SubOptions.Replay. A resume that would send more is a
// reset: a snapshot is cheaper.
const (
	DefaultReplay = 1000
	MaxReplay     = 100_000
)

// replayBytes bounds the bytes of a resume of n events. An event has about half
// a KiB; large ones of many outputs shall not fail a short resume.
func replayBytes(n int) int { return max(1<<20, n<<10) }

// Reasons of a reset.
const (
	resetExpired  = "expired"
	resetForeign  = "foreign"
	resetOverflow = "overflow"
	resetRestated = "restated"
)

// resume appends the events behind the id the client came with, or returns the
// reason why it cannot. The caller holds the lock.
//
// Each event gets an id of its own here instead of the shared one: another node
// may have put the partitions in another order, and an id that goes back in one
// of them would make the next resume send events twice.
func (h *Hub) resume(dst []byte, s *Subscriber) (out []byte, reason string) {
	at, err := parsePosition(s.opts.LastEventID, h.cfg.LogID, len(h.parts))
	if err != nil {
		return dst, resetForeign
	}
	for p := range at {
		if at[p].compare(h.at[p]) > 0 {
			return dst, resetForeign // from a log that went further than ours
		}
	}
	wanted := listening{}
	for i := range s.slots {
		wanted[s.slots[i].series] = struct{}{}
	}
	entries, reason := h.missed(s, wanted, at)
	if reason != "" {
		return dst, reason
	}
	begin := appendEventID(nil, h.cfg.LogID, at)
	again := retelling{hub: h, wanted: wanted, at: at}
	for _, e := range entries {
		if again.tell(e); again.n > s.opts.Replay || len(again.out) > replayBytes(s.opts.Replay) {
			return dst, resetOverflow
		}
	}
	head := appendText([]byte(`{"resume":`), s.opts.LastEventID)
	head = append(strconv.AppendInt(append(head, `,"frames":`...), int64(again.n), 10), '}')
	out, _, _ = appendEvent(dst, begin, eventPos, head)
	return append(out, again.out...), ""
}

// missed collects what concerns the stream's series behind at, in log order.
func (h *Hub) missed(s *Subscriber, wanted listening, at []point) (entries []*entry, reason string) {
	seen := map[*group]struct{}{}
	for i := range s.slots {
		x := s.slots[i].series
		g := x.group
		p := g.symbol.p
		if p < 0 {
			continue // no record of the symbol yet
		}
		if at[p].compare(x.floor) < 0 || at[p].compare(g.floor) < 0 || at[p].compare(h.parts[p].first) < 0 {
			return nil, resetExpired
		}
		if _, ok := seen[g]; ok {
			continue
		}
		seen[g] = struct{}{}
		entries = h.ring.since(entries, g, wanted, at[p], s.opts.Replay)
		if len(entries) > s.opts.Replay {
			return nil, resetOverflow
		}
	}
	for _, e := range entries {
		if e.kind == kindReset {
			return nil, resetRestated
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return order(int64(a.seq), int64(b.seq)) })
	return entries, ""
}

// appendReset writes the data of a reset; nil series means all.
func appendReset(dst []byte, reason, pos string, series []string) []byte {
	dst = append(append(dst, `{"reason":"`...), reason...)
	dst = append(append(dst, `","pos":"`...), pos...)
	dst = append(dst, `","series":`...)
	if series == nil {
		return append(dst, `"all"}`...)
	}
	dst = append(dst, '[')
	for i, name := range series {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, name)
	}
	return append(dst, `]}`...)
}
