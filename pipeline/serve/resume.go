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

// replayBytes bounds the bytes of a resume of n frames. A frame has about half
// a KiB; large ones of many outputs shall not fail a short resume.
func replayBytes(n int) int { return max(1<<20, n<<10) }

// Reasons of a reset.
const (
	resetExpired  = "expired"
	resetForeign  = "foreign"
	resetOverflow = "overflow"
	resetRestated = "restated"
)

// resume appends the frames behind the id the client came with, or returns the
// reason why it cannot. The caller holds the lock.
//
// Each frame gets an id of its own here instead of the shared one: another node
// may have put the partitions in another order, and an id that goes back in one
// of them would make the next resume send frames twice.
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
	frames, reason := h.missed(s, at)
	if reason != "" {
		return dst, reason
	}
	head := appendText([]byte(`{"resume":`), s.opts.LastEventID)
	head = append(strconv.AppendInt(append(head, `,"frames":`...), int64(len(frames)), 10), '}')
	out, _, _ = appendEvent(dst, appendEventID(nil, h.cfg.LogID, at), eventPos, head)
	for _, f := range frames {
		at[f.series.group.symbol.p] = f.at
		out = append(out, "id: "...)
		out = appendEventID(out, h.cfg.LogID, at)
		out = append(out, '\n')
		out = append(out, f.event[f.body:]...)
	}
	return out, ""
}

// missed collects the frames of the stream's series behind at, in log order.
func (h *Hub) missed(s *Subscriber, at []point) (frames []*frame, reason string) {
	for i := range s.slots {
		x := s.slots[i].series
		p := x.group.symbol.p
		if p < 0 {
			continue // no record of the symbol yet
		}
		if at[p].compare(x.floor) < 0 || at[p].compare(h.parts[p].first) < 0 {
			return nil, resetExpired
		}
		frames = h.ring.since(frames, x, at[p], s.opts.Replay)
		if len(frames) > s.opts.Replay {
			return nil, resetOverflow
		}
	}
	size := 0
	for _, f := range frames {
		if f.kind == kindReset {
			return nil, resetRestated
		}
		size += len(f.event)
	}
	if size > replayBytes(s.opts.Replay) {
		return nil, resetOverflow
	}
	slices.SortFunc(frames, func(a, b *frame) int { return order(int64(a.seq), int64(b.seq)) })
	return frames, ""
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
