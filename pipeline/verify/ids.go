package verify

import (
	"hash/maphash"
	"slices"
)

// The horizon of the duplicate test. The engine remembers the ids of at least
// 10 minutes or the newest 65,536 of a symbol, whichever is less, and puts what
// is below into late; remembering twice as much knows every id that it knows.
const (
	horizonMS  = 20 * 60_000
	horizonIDs = 131_072
	pageIDs    = 4096
)

// ids knows the accepted trade ids of one symbol: a bit each while they are
// dense integers, otherwise an entry in the table of the partition.
type ids struct {
	pages  map[int64]*idPage
	newest *idPage // where most ids go
	count  int
	sparse bool
}

type idPage struct {
	no, newest int64 // event time of its newest trade, ms
	count      int
	bits       [pageIDs / 64]uint64
}

// known reports whether t repeats an accepted id. shifted tells that it does so
// with another event time, of a symbol whose ids are not dense: then the engine
// may have forgotten the first one already.
func (s *ids) known(t *trade, table *idTable, symbol uint64) (known, shifted bool) {
	if t.kind == idNone {
		return false, false
	}
	if t.kind == idNumber && !s.sparse {
		p := s.newest
		if p == nil || p.no != t.num>>12 {
			p = s.pages[t.num>>12]
		}
		return p != nil && p.bits[t.num&(pageIDs-1)>>6]&(1<<(t.num&63)) != 0, false
	}
	ms, known := table.find(table.hash(t, symbol))
	return known, known && ms != t.ms && ms != anyTime
}

// note remembers the id of an accepted trade. newest is the newest event time
// of the symbol; lateness bounds how old a trade may be that counts.
func (s *ids) note(t *trade, table *idTable, symbol uint64, newest, lateness int64) {
	switch {
	case t.kind == idNone:
		return
	case t.kind == idText || s.sparse:
		table.put(table.hash(t, symbol), t.ms)
		return
	}
	p := s.newest
	if p == nil || p.no != t.num>>12 {
		if p = s.pages[t.num>>12]; p == nil {
			p = s.open(t.num>>12, newest, lateness)
			if p == nil {
				s.scatter(table, symbol)
				table.put(table.hash(t, symbol), t.ms)
				return
			}
		}
		s.newest = p
	}
	p.newest = max(p.newest, t.ms)
	p.bits[t.num&(pageIDs-1)>>6] |= 1 << (t.num & 63)
	p.count++
	s.count++
}

// open adds a page and forgets those beyond the horizon. It returns nil where
// ids are so far apart that bits are a waste.
func (s *ids) open(no, newest, lateness int64) *idPage {
	if s.pages == nil {
		s.pages = map[int64]*idPage{}
	}
	if len(s.pages) >= 8 {
		if s.forget(newest, lateness); len(s.pages) >= 8 && s.count < 64*len(s.pages) {
			return nil
		}
	}
	p := &idPage{no: no, newest: -1 << 62}
	s.pages[no] = p
	return p
}

func (s *ids) forget(newest, lateness int64) {
	lowest := make([]int64, 0, len(s.pages))
	for no := range s.pages {
		lowest = append(lowest, no)
	}
	slices.Sort(lowest)
	for _, no := range lowest[:len(lowest)-1] {
		p := s.pages[no]
		if p.newest >= newest-horizonMS && (s.count-p.count < horizonIDs || p.newest >= newest-lateness) {
			return
		}
		delete(s.pages, no)
		s.count -= p.count
		if s.newest == p {
			s.newest = nil
		}
	}
}

// scatter moves the ids into the table. Their event times are only known by the
// page, so none of them counts as shifted.
func (s *ids) scatter(table *idTable, symbol uint64) {
	for no, p := range s.pages {
		for i := range int64(pageIDs) {
			if p.bits[i>>6]&(1<<(i&63)) != 0 {
				table.put(table.hash(&trade{kind: idNumber, num: no<<12 | i}, symbol), anyTime)
			}
		}
	}
	*s = ids{sparse: true}
}

// anyTime is the event time of an id that is not known better.
const anyTime = -1 << 62

// idTable remembers the newest ids of a partition that are not dense, in two
// generations of 131,072: 64 bits of a hash and the event time. A false hit has
// a chance of 1 in 7e13 per trade.
type idTable struct {
	seed maphash.Seed
	gens [2]map[uint64]int64
}

func newIDTable() *idTable { return &idTable{seed: maphash.MakeSeed()} }

func (x *idTable) hash(t *trade, symbol uint64) uint64 {
	var h maphash.Hash
	h.SetSeed(x.seed)
	for _, n := range [...]uint64{symbol, uint64(t.num), uint64(t.kind)} { //nolint:gosec // bits
		var b [8]byte
		for i := range b {
			b[i] = byte(n >> (8 * i))
		}
		_, _ = h.Write(b[:]) // never fails
	}
	_, _ = h.Write(t.text)
	return h.Sum64()
}

func (x *idTable) find(h uint64) (ms int64, known bool) {
	if ms, known = x.gens[0][h]; !known {
		ms, known = x.gens[1][h]
	}
	return ms, known
}

func (x *idTable) put(h uint64, ms int64) {
	if len(x.gens[0]) >= horizonIDs || x.gens[0] == nil {
		x.gens[1], x.gens[0] = x.gens[0], make(map[uint64]int64, 1024)
	}
	x.gens[0][h] = ms
}
