package serve

import (
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// maxSymbolLen is the longest symbol, in bytes.
const maxSymbolLen = 32

// symbol is one symbol with its groups. groups is fixed at creation, its
// elements appear with the first bar or stream; both belong to the Hub's lock.
type symbol struct {
	name   string
	p      int32 // partition; -1 until a record names it
	groups []*group
	split  int32 // another partition that holds the symbol too, -1 = none
}

// ValidSymbol reports whether s is a symbol: a letter or digit, then up to 31
// letters, digits and . _ : / -
func ValidSymbol(s string) bool {
	return len(s) <= maxSymbolLen && core.ValidSymbol([]byte(s))
}

// symbolOf returns the symbol, made if need be.
func (h *Hub) symbolOf(name string) *symbol {
	s := h.symbols[name]
	if s == nil {
		s = &symbol{name: name, p: -1, split: -1, groups: make([]*group, len(h.cfg.Intervals))}
		h.symbols[name] = s
	}
	return s
}

// groupOf returns the group, made if need be. The caller holds the lock.
func (h *Hub) groupOf(s *symbol, itv int) *group {
	g := s.groups[itv]
	if g == nil {
		g = newGroup(s, itv, h.lengths[itv], len(h.cfg.Instances))
		s.groups[itv] = g
	}
	return g
}

// owns tells whether records of partition p are the ones served for s. The
// first partition that showed the symbol is: two partitions mean two cores with
// half of the trades each, and a mixture of their bars would be neither.
func (h *Hub) owns(s *symbol, p int32) bool {
	if s.p < 0 {
		s.p = p
	}
	if s.p == p {
		return true
	}
	if s.split < 0 {
		s.split = p
		h.split = append(h.split, s)
	}
	return false
}

// maxDegraded bounds the sentences of Degraded.
const maxDegraded = 20

// Degraded lists what readers should know: one sentence per symbol that is in
// two partitions, at most 20 and then their number.
func (h *Hub) Degraded() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []string
	for i, s := range h.split {
		if i == maxDegraded {
			out = append(out, strconv.Itoa(len(h.split)-i)+" more symbols are in two partitions")
			break
		}
		out = append(out, "partitioning: symbol "+s.name+" is in partitions "+strconv.Itoa(int(s.p))+" and "+
			strconv.Itoa(int(s.split))+", only the first is served: let every producer use the symbol as the record key")
	}
	return out
}

// release forgets a group nobody listens to and no record has filled, so that
// streams of invented symbols leave nothing behind.
func (h *Hub) release(g *group) {
	g.refs--
	s := g.symbol
	if g.refs > 0 || s.p >= 0 {
		return
	}
	s.groups[g.itv] = nil
	if !slices.ContainsFunc(s.groups, func(g *group) bool { return g != nil }) {
		delete(h.symbols, s.name)
	}
}
