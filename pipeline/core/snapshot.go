package core

import "encoding/binary"

// Sections of a snapshot. Ids from 0x8000 on would be refused by releases that
// do not know them; those below are skipped.
const (
	sectionPosition = 1
	sectionSources  = 2
	sectionSymbols  = 3
	sectionInterval = 4 // one per interval, named, shortest first
	sectionIDs      = 5
	sectionPrints   = 6
	sectionRetired  = 7 // left out while no interval was ever taken away
)

// stateFormat is the version of what the sections hold.
const stateFormat = 1

// Snapshot appends the whole state to dst as sections (id u16, length u32,
// little-endian). Equal states give equal bytes.
func (e *Engine) Snapshot(dst []byte) []byte {
	w := &writer{b: dst}
	w.section(sectionPosition, func() { e.writePosition(w) })
	w.section(sectionSources, func() { e.writeSources(w) })
	w.section(sectionSymbols, func() { e.writeSymbols(w) })
	for i := range e.cfg.Intervals {
		w.section(sectionInterval, func() { e.writeInterval(w, i) })
	}
	w.section(sectionIDs, func() {
		for _, s := range e.symbols {
			s.ids.write(w)
		}
	})
	w.section(sectionPrints, func() { e.writePrints(w) })
	if len(e.retired) > 0 {
		w.section(sectionRetired, func() { e.writeRetired(w) })
	}
	return w.b
}

func (e *Engine) writePosition(w *writer) {
	w.uint(stateFormat)
	w.int(int64(e.cfg.Partition))
	w.int(e.next)
	w.bool(e.begun)
	w.int(int64(e.epoch))
	w.int(e.cfg.WatermarkDelay)
	for _, c := range e.counters.list() {
		w.int(*c)
	}
	w.uint(uint64(NumReasons))
	for _, n := range e.counters.ByReason {
		w.int(n)
	}
}

// list returns the counters that a snapshot carries, in its order. New ones are
// appended with a new stateFormat.
func (c *Counters) list() []*int64 {
	return []*int64{
		&c.TradeRecords, &c.Heartbeats, &c.Undecodable, &c.Trades, &c.Applied, &c.Restated, &c.Duplicate, &c.Late,
		&c.Rejected, &c.BadHeartbeats, &c.NoID, &c.UnknownSide, &c.DedupHits, &c.Widened, &c.Holes, &c.Decisions,
		&c.Starts, &c.Klines, &c.Restatements,
	}
}

func (e *Engine) writeSources(w *writer) {
	w.uint(uint64(len(e.sources)))
	for _, s := range e.sources {
		w.text(s.name)
		w.int(s.event)
		w.int(s.timestamp)
		w.int(s.watermark)
		w.bool(s.historical)
		w.bool(s.down)
	}
}

func (e *Engine) writeSymbols(w *writer) {
	w.uint(uint64(len(e.symbols)))
	for _, s := range e.symbols {
		w.text(s.name)
		w.uint(uint64(s.src.idx))
		w.byte(s.priceScale)
		w.byte(s.sizeScale)
		w.byte(byte(s.order))
		w.int(s.event)
		w.int(s.floor)
		w.int(s.fills)
		w.byte(s.peakNotional)
		w.byte(s.peakSize)
	}
}

func (e *Engine) writeInterval(w *writer, i int) {
	w.text(e.cfg.Intervals[i].name)
	for _, s := range e.symbols {
		sr := &s.series[i]
		w.int(sr.seq)
		w.int(sr.from)
		w.int(sr.partial)
		w.int(sr.evicted)
		for _, bars := range []openBars{sr.open, sr.carried} {
			w.uint(uint64(len(bars)))
			for j := range bars {
				bars[j].write(w)
			}
		}
		w.uint(uint64(sr.kept.n))
		for j := range sr.kept.n {
			sr.kept.at(j).write(w)
		}
	}
}

// accumulatorBytes is the least an accumulator takes.
const accumulatorBytes = 20

// write appends a. Bars are nearly all of a snapshot, so this works on the bare
// slice: through the writer it took several times as long.
func (a *accumulator) write(w *writer) {
	b := w.b
	b = binary.AppendVarint(b, a.start)
	// Differences are small and may wrap: reading adds them back the same way.
	b = binary.AppendVarint(b, a.o)
	b = binary.AppendVarint(b, a.h-a.o)
	b = binary.AppendVarint(b, a.o-a.l)
	b = binary.AppendVarint(b, a.c-a.l)
	b = binary.AppendVarint(b, a.openNS-a.start*1e6)
	b = binary.AppendVarint(b, a.closeNS-a.openNS)
	b = binary.AppendUvarint(b, a.openOrder)
	b = binary.AppendVarint(b, int64(a.closeOrder-a.openOrder))
	b = append(b, byte(a.openK)|byte(a.closeK)<<2)
	switch a.openK {
	case IDInt:
		b = binary.AppendVarint(b, a.openID)
	case IDText:
		b = append(append(b, a.text.openLen), a.text.open[:a.text.openLen]...)
	case IDNone:
	}
	switch a.closeK {
	case IDInt:
		b = binary.AppendVarint(b, a.closeID)
	case IDText:
		b = append(append(b, a.text.closeLen), a.text.close[:a.text.closeLen]...)
	case IDNone:
	}
	b = binary.AppendVarint(b, a.n)
	for _, v := range [...]*Int128{&a.v, &a.qv, &a.bv, &a.bqv} {
		b = binary.AppendUvarint(binary.AppendVarint(b, v.Hi), v.Lo)
	}
	b = binary.AppendVarint(b, a.o0)
	b = binary.AppendVarint(b, a.o1-a.o0)
	w.b = binary.AppendVarint(b, int64(a.rev))
}

// Kinds of the ids of a symbol in a snapshot.
const (
	idsInBlocks = iota
	idsSparse   // in the table of fingerprints
	idsThinned  // in blocks, with gone
)

func (b *idBlocks) kind() byte {
	switch {
	case b.sparse:
		return idsSparse
	case b.gone != never:
		return idsThinned
	}
	return idsInBlocks
}

func (b *idBlocks) write(w *writer) {
	w.byte(b.kind())
	w.uint(uint64(len(b.blocks)))
	if len(b.blocks) == 0 {
		return
	}
	w.int(b.floor)
	w.int(b.lost)
	if b.kind() == idsThinned {
		w.int(b.gone)
	}
	w.int(b.high)
	for _, blk := range b.blocks {
		w.int(blk.no)
		w.int(blk.newest)
		var used uint64
		for i, word := range blk.bits {
			if word != 0 {
				used |= 1 << i
			}
		}
		w.word(used)
		for _, word := range blk.bits {
			if word != 0 {
				w.word(word)
			}
		}
	}
	w.bool(b.checks != nil)
	for _, c := range b.checks {
		w.short(c)
	}
}

func (e *Engine) writePrints(w *writer) {
	p := &e.prints
	w.uint(p.turn)
	w.int(p.begun)
	for g := range p.gens {
		t := &p.gens[g]
		w.uint(uint64(len(t.keys)))
		w.uint(uint64(t.n))
		for i, k := range t.keys {
			if k != 0 {
				w.uint(uint64(i))
				w.word(k)
				w.short(t.checks[i])
			}
		}
	}
	for _, s := range e.symbols {
		w.uint(s.prints.turn)
		w.int(s.prints.newest)
		w.int(s.prints.old)
		w.int(s.prints.lost)
	}
}
