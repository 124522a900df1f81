package core

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// mix spreads x over all 64 bits, so that a table may take the low ones.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// fingerprint names (symbol, id) in 64 bits, never 0. The seeds are fixed: one
// drawn per process would make a replay forget.
func fingerprint(symbolHash uint64, id *TradeID) uint64 {
	var f uint64
	if id.Kind == IDInt {
		f = mix(mix(uint64(id.Num)+0x9e3779b97f4a7c15) ^ symbolHash)
	} else {
		f = mix(xxhash.Sum64(id.Text) ^ bits.RotateLeft64(symbolHash, 32))
	}
	if f == 0 {
		return 1
	}
	return f
}

// checkOf condenses price and size. It takes the decimals, not the integers at
// the symbol's scale, so a widening in between does not make a conflict.
func checkOf(price, size Decimal) uint16 {
	h := uint64(price.Coef)*0x9e3779b97f4a7c15 + uint64(price.Scale)
	h = bits.RotateLeft64(h, 29)*0xc2b2ae3d27d4eb4f + uint64(size.Coef)
	h = bits.RotateLeft64(h, 31)*0x165667b19e3779f9 + uint64(size.Scale)
	return uint16(mix(h) >> 48)
}

// prints is the duplicate test for all other ids: two generations of a table of
// fingerprints. The older one is forgotten when the younger is full, or when
// the log has moved on by the window.
type prints struct {
	gens   [2]printTable // newest first
	turn   uint64        // number of the newest generation
	begun  int64         // Kafka timestamp of its first fingerprint, ms; never if none
	limit  int           // fingerprints per generation
	window int64         // ms
}

// maxBegun bounds prints.begun, ms.
const maxBegun = 1 << 62

// printTable is an open-addressing table, at most half full.
type printTable struct {
	keys   []uint64
	checks []uint16
	n      int
}

// look returns what is known about f.
func (p *prints) look(f uint64, check uint16) sight {
	for g := range p.gens {
		t := &p.gens[g]
		if t.n == 0 {
			continue
		}
		i := t.slot(f)
		if t.keys[i] == f {
			// 0 stands for ids that came over from blocks without a check.
			if t.checks[i] == check || t.checks[i] == 0 {
				return sightDuplicate
			}
			return sightConflict
		}
	}
	return sightFresh
}

// slot returns the place of f, or the free one where it belongs.
func (t *printTable) slot(f uint64) int {
	mask := len(t.keys) - 1
	i := int(f) & mask
	for t.keys[i] != 0 && t.keys[i] != f {
		i = (i + 1) & mask
	}
	return i
}

func (t *printTable) allocate(slots int) {
	if len(t.keys) == slots {
		clear(t.keys)
		clear(t.checks)
	} else {
		t.keys, t.checks = make([]uint64, slots), make([]uint16, slots)
	}
	t.n = 0
}

// slotsFor returns the table size for limit fingerprints.
func slotsFor(limit int) int { return 1 << bits.Len(uint(2*limit-1)) }

// note remembers f. ts is the Kafka timestamp of the record.
func (p *prints) note(f uint64, check uint16, ts int64) {
	t := &p.gens[0]
	if t.keys == nil || t.n >= min(p.limit, len(t.keys)/2) || (t.n > 0 && ts > p.begun+p.window) {
		p.gens[0], p.gens[1] = p.gens[1], p.gens[0]
		t.allocate(slotsFor(p.limit))
		p.turn++
		// A timestamp is whatever a producer wrote: bounded, or the sum above would
		// overflow, and nobody could read the snapshot.
		p.begun = min(max(ts, never), maxBegun)
	}
	i := t.slot(f)
	if t.keys[i] == 0 {
		t.keys[i], t.checks[i] = f, check
		t.n++
	}
}

// printSpan is the part of one symbol in the generations: the newest event
// times, ms, among its ids in the newest, the second and the forgotten ones. It
// is per symbol, because symbols of a replayed feed live in another year.
type printSpan struct {
	turn        uint64
	newest, old int64
	lost        int64
}

func newPrintSpan() printSpan { return printSpan{newest: never, old: never, lost: never} }

// align moves the span to the generation turn.
func (s *printSpan) align(turn uint64) {
	switch turn - s.turn {
	case 0:
		return
	case 1:
		s.lost = max(s.lost, s.old)
		s.old, s.newest = s.newest, never
	default:
		s.lost = max(s.lost, s.old, s.newest)
		s.old, s.newest = never, never
	}
	s.turn = turn
}
