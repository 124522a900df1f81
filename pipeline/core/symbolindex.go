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

// slot returns the place of name in the table.
func (x *symbolIndex) slot(name []byte) *(*symbol) {
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
	return &x.near[h>>52]
}

// find returns the symbol called name, nil if there is none.
func (x *symbolIndex) find(name []byte) *symbol {
	near := x.slot(name)
	if s := *near; s != nil && s.name == string(name) {
		return s
	}
	s := x.byName[string(name)]
	if s != nil {
		*near = s
	}
	return s
}

// add registers s.
func (x *symbolIndex) add(s *symbol) { x.byName[s.name] = s }
