package core

import "encoding/binary"

// indexSlots is the size of the symbol cache: 10 000 symbols, the default
// limit, still hit it more often than not.
const indexSlots = 4096

// symbolIndex finds a symbol by the bytes of its name. In front of the map
// stands a table that is asked with a hash of a few machine words; the map's
// own costs three times as much. A collision only costs the way to the map.
type symbolIndex struct {
	near   []*symbol
	byName map[string]*symbol // never iterated
}

func newSymbolIndex() symbolIndex {
	return symbolIndex{near: make([]*symbol, indexSlots), byName: map[string]*symbol{}}
}

// slot returns the first of the two neighbouring places of name in the table.
func (*symbolIndex) slot(name []byte) uint64 {
	n := len(name)
	var h uint64
	if n >= 8 {
		h = binary.LittleEndian.Uint64(name) ^ binary.LittleEndian.Uint64(name[n-8:])*0x9e3779b97f4a7c15
	} else {
		for _, c := range name {
			h = h<<8 | uint64(c)
		}
	}
	h = (h ^ uint64(n)) * 0xc2b2ae3d27d4eb4f
	return h >> 52
}

// find returns the symbol called name, nil if there is none.
func (x *symbolIndex) find(name []byte) *symbol {
	if len(name) > maxSymbolLen {
		return nil
	}
	i := x.slot(name)
	if s := x.near[i]; s != nil && s.is(name) {
		return s
	}
	if s := x.near[i^1]; s != nil && s.is(name) {
		return s
	}
	s := x.byName[string(name)]
	if s != nil {
		x.near[i], x.near[i^1] = s, x.near[i]
	}
	return s
}

// is reports whether the symbol is called name.
func (s *symbol) is(name []byte) bool {
	return len(s.name) == len(name) && string(s.text[:len(s.name)]) == string(name)
}

// add registers s.
func (x *symbolIndex) add(s *symbol) { x.byName[s.name] = s }
