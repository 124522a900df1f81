package core

import (
	"math/bits"
)

func (e *Engine) readIDs(r *reader) {
	for _, s := range e.symbols {
		s.ids.read(r)
	}
}

func (b *idBlocks) read(r *reader) {
	kind := r.byte()
	if kind > idsThinned {
		r.fail()
	}
	b.sparse = kind == idsSparse
	n := r.count(10)
	if n == 0 {
		return
	}
	b.floor, b.lost = r.int(), r.time()
	if kind == idsThinned {
		b.gone = r.time()
	}
	b.high = r.int()
	for range n {
		blk := &idBlock{no: r.int(), newest: r.time()}
		if len(b.blocks) > 0 && blk.no <= b.blocks[len(b.blocks)-1].no {
			r.fail()
			return
		}
		used := r.word()
		for i := range blk.bits {
			if used&(1<<i) != 0 {
				blk.bits[i] = r.word()
				blk.count += bits.OnesCount64(blk.bits[i])
			}
		}
		b.total += blk.count
		b.blocks = append(b.blocks, blk)
	}
	if !r.bool() {
		r.fail() // a block holds at least the highest id, which has a check
		return
	}
	b.checks = make([]uint16, checkIDs)
	for i := range b.checks {
		b.checks[i] = r.short()
	}
}

func (e *Engine) readPrints(r *reader) {
	p := &e.prints
	p.turn, p.begun = r.uint(), r.int()
	if p.begun < never || p.begun > maxBegun {
		r.fail()
	}
	for g := range p.gens {
		if slots, n := r.uint(), r.count(11); slots > 0 {
			p.gens[g].read(r, slots, n, p.limit)
		}
	}
	for _, s := range e.symbols {
		s.prints = printSpan{turn: r.uint(), newest: r.time(), old: r.time(), lost: r.time()}
	}
}

// read fills a table of n fingerprints. One of another size than the
// configuration's is built anew: its size is not a reason to allocate.
func (t *printTable) read(r *reader, slots uint64, n, limit int) {
	own := slotsFor(limit)
	same := slots == uint64(own)
	if (same && n > own/2) || slots < 2 {
		r.fail()
		return
	}
	t.allocate(slotsFor(max(limit, n)))
	last := uint64(0)
	for j := range n {
		i, k, c := r.uint(), r.word(), r.short()
		if i >= slots || (j > 0 && i <= last) || k == 0 {
			r.fail()
			return
		}
		last = i
		if !same {
			i = uint64(t.slot(k))
		}
		t.keys[i], t.checks[i] = k, c
		t.n = j + 1
	}
}
