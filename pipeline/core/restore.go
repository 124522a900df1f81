package core

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Restore replaces the state by that of a snapshot, which may come from another
// configuration: an interval in both keeps its state, a new one starts at its
// next boundary with a partial bar, one that is gone is dropped. After an error
// the engine is as before.
func (e *Engine) Restore(b []byte) error {
	parts, err := splitSections(b)
	if err != nil {
		return fmt.Errorf("restoring core: %w", err)
	}
	n, err := e.load(parts)
	if err != nil {
		return fmt.Errorf("restoring core: %w", err)
	}
	n = n.reconfigured(e.cfg)
	*e = *n
	return nil
}

// sections are the payloads of a snapshot.
type sections struct {
	one       [sectionPrints + 1][]byte
	intervals [][]byte
}

func splitSections(b []byte) (*sections, error) {
	s := new(sections)
	for len(b) > 0 {
		if len(b) < 6 {
			return nil, fmt.Errorf("%w: section cut off", errDamaged)
		}
		id, n := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[2:])
		if uint64(n) > uint64(len(b)-6) {
			return nil, fmt.Errorf("%w: section %d is longer than the snapshot", errDamaged, id)
		}
		body := b[6 : 6+n : 6+n]
		b = b[6+n:]
		switch {
		case id >= 0x8000:
			return nil, fmt.Errorf("section %#x is unknown: run the release that wrote it", id)
		case id == sectionInterval:
			s.intervals = append(s.intervals, body)
		case id == 0 || int(id) >= len(s.one):
		case s.one[id] != nil:
			return nil, fmt.Errorf("%w: section %d stands twice", errDamaged, id)
		default:
			s.one[id] = body
		}
	}
	for id := sectionPosition; id <= sectionPrints; id++ {
		if id != sectionInterval && s.one[id] == nil {
			return nil, fmt.Errorf("%w: section %d is missing", errDamaged, id)
		}
	}
	return s, nil
}

// load builds an engine with the intervals and the delay of the snapshot.
func (e *Engine) load(parts *sections) (*Engine, error) {
	old := e.cfg
	old.Intervals = nil
	for _, body := range parts.intervals {
		itv, err := ParseInterval((&reader{b: body}).text(32))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		old.Intervals = append(old.Intervals, itv)
	}
	n, err := New(old)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	for _, part := range []struct {
		name string
		body []byte
		read func(*reader)
	}{
		{"position", parts.one[sectionPosition], n.readPosition},
		{"sources", parts.one[sectionSources], n.readSources},
		{"symbols", parts.one[sectionSymbols], n.readSymbols},
		{"ids", parts.one[sectionIDs], n.readIDs},
		{"prints", parts.one[sectionPrints], n.readPrints},
	} {
		if err := readAll(part.name, part.body, part.read); err != nil {
			return nil, err
		}
	}
	for i, body := range parts.intervals {
		if err := readAll("interval", body, func(r *reader) { n.readInterval(r, i) }); err != nil {
			return nil, err
		}
	}
	if n.cfg.Partition != e.cfg.Partition {
		return nil, fmt.Errorf("snapshot is of partition %d, not %d", n.cfg.Partition, e.cfg.Partition)
	}
	return n, nil
}

func readAll(name string, body []byte, read func(*reader)) error {
	r := &reader{b: body}
	read(r)
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("%w: section of %s", errDamaged, name)
	}
	return nil
}

func (e *Engine) readPosition(r *reader) {
	if r.uint() != stateFormat {
		r.fail()
		return
	}
	e.cfg.Partition = int32(r.int())
	e.next = r.int()
	e.begun = r.bool()
	e.epoch = int32(r.int())
	e.cfg.WatermarkDelay = r.int()
	for _, c := range e.counters.list() {
		*c = r.int()
	}
	if r.uint() != uint64(NumReasons) || e.next < 0 || e.cfg.WatermarkDelay < 0 || e.cfg.WatermarkDelay > maxDuration {
		r.fail()
		return
	}
	for i := range e.counters.ByReason {
		e.counters.ByReason[i] = r.int()
	}
}

func (e *Engine) readSources(r *reader) {
	for range r.count(6) {
		name := r.text(maxSourceName)
		if e.sourceByName[name] != nil || len(e.sources) == maxSources {
			r.fail()
			return
		}
		s := e.addSource(name)
		s.event, s.timestamp = r.time(), r.int()
		s.watermark = r.int()
		if s.watermark < never || s.watermark >= -never {
			r.fail()
		}
		s.historical, s.down = r.bool(), r.bool()
	}
}

func (e *Engine) readSymbols(r *reader) {
	for range r.count(10) {
		name := r.text(maxSymbolLen)
		src := r.uint()
		if !ValidSymbol([]byte(name)) || e.index.byName[name] != nil || src >= uint64(len(e.sources)) {
			r.fail()
			return
		}
		s := e.newSymbol([]byte(name))
		e.register(s, e.sources[src])
		s.priceScale, s.sizeScale = r.byte(), r.byte()
		s.order = Order(r.byte())
		s.event, s.floor = r.time(), r.time()
		s.fills = r.int()
		s.peakNotional, s.peakSize = r.byte(), r.byte()
		if s.priceScale > MaxScale || s.sizeScale > MaxScale || s.order == OrderAuto || s.order > OrderArrival ||
			s.fills < 1 || s.event == never || s.peakNotional > sumBits || s.peakSize > sumBits {
			r.fail()
			return
		}
	}
}

func (e *Engine) readInterval(r *reader, i int) {
	r.text(32)
	for _, s := range e.symbols {
		sr := &s.series[i]
		sr.seq, sr.from, sr.partial, sr.evicted = r.int(), r.time(), r.time(), r.time()
		newest := int64(never)
		oldest := e.readBars(r, i, &sr.open)
		oldest = min(oldest, e.readBars(r, i, &sr.carried))
		for range r.count(accumulatorBytes) {
			var a accumulator
			a.read(r)
			if !e.plausible(i, &a, newest) {
				r.fail()
				return
			}
			newest = a.start
			sr.kept.push(&a)
		}
		if sr.seq < 0 || newest >= oldest {
			r.fail()
			return
		}
		sr.nextDue(e.cas.lens[i])
		s.due = min(s.due, sr.due)
	}
}

// readBars reads open bars and returns the start of the oldest.
func (e *Engine) readBars(r *reader, i int, bars *openBars) int64 {
	last, oldest := int64(never), int64(noDue)
	for range r.count(accumulatorBytes) {
		var a accumulator
		a.read(r)
		if !e.plausible(i, &a, last) {
			r.fail()
			return noDue
		}
		last, oldest = a.start, min(oldest, a.start)
		*bars = append(*bars, a)
	}
	return oldest
}

// plausible tells whether a can be a bar of interval i behind one that opens at
// last.
func (e *Engine) plausible(i int, a *accumulator, last int64) bool {
	return a.n > 0 && a.rev >= 0 && a.start > last && a.start >= -timeBound && a.start <= timeBound &&
		e.cas.open(i, a.start) == a.start
}

func (a *accumulator) read(r *reader) {
	a.start = r.int()
	a.o = r.int()
	a.h = a.o + r.int()
	a.l = a.o - r.int()
	a.c = a.l + r.int()
	a.openNS = a.start*1e6 + r.int()
	a.closeNS = a.openNS + r.int()
	a.openOrder = r.uint()
	a.closeOrder = a.openOrder + uint64(r.int())
	kinds := r.byte()
	open := edge{a.openNS, a.openOrder, a.o, IDKind(kinds & 3), 0, nil}
	shut := edge{a.closeNS, a.closeOrder, a.c, IDKind(kinds >> 2), 0, nil}
	readID(r, &open)
	readID(r, &shut)
	if r.bad {
		return
	}
	a.setOpen(&open)
	a.setClose(&shut)
	a.n = r.int()
	a.v, a.qv, a.bv, a.bqv = r.sum(), r.sum(), r.sum(), r.sum()
	a.o0 = r.int()
	a.o1 = a.o0 + r.int()
	a.rev = int32(r.int())
}

func readID(r *reader, e *edge) {
	switch e.kind {
	case IDNone:
	case IDInt:
		e.id = r.int()
	case IDText:
		e.text = []byte(r.text(MaxTradeIDText))
	default:
		r.fail()
	}
}

func (e *Engine) readIDs(r *reader) {
	for _, s := range e.symbols {
		s.ids.read(r)
	}
}

func (b *idBlocks) read(r *reader) {
	b.sparse = r.bool()
	n := r.count(10)
	if n == 0 {
		return
	}
	b.floor, b.lost, b.high = r.int(), r.time(), r.int()
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
	if p.begun < never || p.begun > 1<<62 {
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

// reconfigured returns n under the rules of cfg.
func (e *Engine) reconfigured(cfg Config) *Engine {
	n, err := New(cfg)
	if err != nil {
		panic(err) // cfg comes from an engine that New has built
	}
	n.next, n.begun, n.epoch, n.counters = e.next, e.begun, e.epoch, e.counters
	n.sources, n.sourceByName, n.symbols, n.index = e.sources, e.sourceByName, e.symbols, e.index
	p := e.prints
	p.limit, p.window = n.prints.limit, n.prints.window
	n.prints = p
	for _, s := range n.symbols {
		if cfg.WatermarkDelay > e.cfg.WatermarkDelay {
			s.floor = max(s.floor, e.watermark(s, s.src))
		}
		n.applyScales(s)
		if !sameIntervals(cfg.Intervals, e.cfg.Intervals) {
			n.moveSeries(e, s)
		}
		s.due = noDue
		for i := range s.series {
			s.due = min(s.due, s.series[i].due)
		}
		if s.due != noDue {
			s.src.due.schedule(s, s.due)
		}
	}
	return n
}

func sameIntervals(a, b []Interval) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].name != b[i].name {
			return false
		}
	}
	return true
}

// moveSeries gives s the series of the new intervals. What the open bars hold
// so far, their parts included, is carried: under the new cascade those parts
// may reach a larger bar on another way, twice, or never.
func (e *Engine) moveSeries(old *Engine, s *symbol) {
	series := make([]series, len(e.cfg.Intervals))
	now := max(s.event, s.src.watermark)
	for i, itv := range e.cfg.Intervals {
		j := 0
		for j < len(old.cfg.Intervals) && old.cfg.Intervals[j].name != itv.name {
			j++
		}
		series[i] = newSeries()
		if j == len(old.cfg.Intervals) {
			series[i].from = itv.CloseTime(now)
			continue
		}
		was := &s.series[j]
		series[i] = *was
		series[i].open, series[i].carried = nil, old.carry(s, j)
		series[i].nextDue(itv.millis)
	}
	s.series = series
}

// carry returns the whole open bars of series i.
func (e *Engine) carry(s *symbol, i int) openBars {
	var out openBars
	add := func(bars openBars) {
		for b := range bars {
			start := e.cas.open(i, bars[b].start)
			if j, ok := out.locate(start); !ok && start >= s.series[i].from {
				*out.insert(j) = e.joined(s, i, start)
			}
		}
	}
	for j := range s.series {
		if e.cas.inside[i]&(1<<j) != 0 {
			add(s.series[j].open)
		}
	}
	add(s.series[i].carried)
	return out
}

// applyScales widens s to a scale declared since the snapshot. Where its
// integers do not fit, the symbol keeps a scale that follows its trades.
func (e *Engine) applyScales(s *symbol) {
	r := e.ruleFor(s.name)
	if r == nil {
		return
	}
	dp := max(r.PriceScale, int8(s.priceScale)) - int8(s.priceScale)
	dq := max(r.SizeScale, int8(s.sizeScale)) - int8(s.sizeScale)
	if dp == 0 && dq == 0 {
		return
	}
	if f := (fill{}); s.widenable(uint8(dp), uint8(dq)) && s.bounded(&f, uint8(dp), uint8(dq)) {
		s.widen(uint8(dp), uint8(dq))
	} else {
		s.fixedPrice, s.fixedSize = false, false
	}
}
