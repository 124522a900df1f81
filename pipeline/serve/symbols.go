package serve

import (
	"slices"
	"strings"
)

// Symbols answers a page of the symbols seen so far, by name:
//
//	{"symbols":[{"sym","tz","session","intervals":[..],"first","last","state"}],"next"?}
//
// first and last are open times in ms of the oldest and newest bar over all
// intervals, null before the first close. state is live, stale (the partition
// is not followed any more) or split (the symbol is in two partitions, one of
// which is served). next is the after= of the next page.
func (h *Hub) Symbols(q SymbolsQuery, ifNoneMatch string) Answer {
	h.mu.RLock()
	defer h.mu.RUnlock()
	names := make([]string, 0, len(h.symbols))
	for name, s := range h.symbols {
		if s.p >= 0 && name > q.After && contains(name, q.Text) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	more := len(names) > q.Limit
	if more {
		names = names[:q.Limit]
	}
	body, head := newBody(h.id, 0)
	body = append(body, `"symbols":[`...)
	for i, name := range names {
		if i > 0 {
			body = append(body, ',')
		}
		body = h.appendSymbol(body, h.symbols[name])
	}
	body = append(body, ']')
	if more {
		body = appendText(append(body, `,"next":`...), names[len(names)-1])
	}
	return liveAnswer(append(body, '}'), h.id, head, ifNoneMatch)
}

func (h *Hub) appendSymbol(dst []byte, s *symbol) []byte {
	dst = append(append(append(dst, `{"sym":"`...), s.name...), `","tz":"UTC","session":"24x7","intervals":[`...)
	first, last := never, never
	for i, g := range s.groups {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, h.cfg.Intervals[i]) // without a closed bar there is a forming one
		if g == nil {
			continue
		}
		g.mu.RLock()
		if g.first != never && (first == never || g.first < first) {
			first = g.first
		}
		last = max(last, g.lastT)
		g.mu.RUnlock()
	}
	dst = appendTime(append(dst, ']'), `,"first":`, first)
	dst = appendTime(dst, `,"last":`, last)
	state := "live"
	switch {
	case s.split >= 0:
		state = "split"
	case h.parts[s.p].stale:
		state = "stale"
	}
	return append(append(append(dst, `,"state":"`...), state...), `"}`...)
}

func appendTime(dst []byte, key string, t int64) []byte {
	if t == never {
		return append(append(dst, key...), "null"...)
	}
	return appendInt(dst, key, t)
}

// contains is a search without regard to case; symbols are ASCII.
func contains(name, text string) bool {
	return text == "" || strings.Contains(strings.ToLower(name), strings.ToLower(text))
}
