package core

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
