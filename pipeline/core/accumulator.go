package core

import "bytes"

// fill is an accepted trade at the scales of its symbol.
type fill struct {
	price, size int64
	notional    Int128
	ns          int64
	ms          int64
	order       uint64
	id          TradeID
	side        Side
	offset      int64
	check       uint16 // of price and size, for the duplicate test
	// places of price and size after trailing zeros are cut
	pricePlaces, sizePlaces uint8
}

// idText holds text ids of the open and the close trade. Bars of venues with
// integer ids have none.
type idText struct {
	open, close       [MaxTradeIDText]byte
	openLen, closeLen uint8
}

// accumulator is one bar in the making or kept. Merging is commutative and
// associative, so neither the order of arrival nor the cut into base bars can
// be seen in the result.
type accumulator struct {
	start         int64
	o, h, l, c    int64
	openNS        int64
	openOrder     uint64
	closeNS       int64
	closeOrder    uint64
	openID        int64
	closeID       int64
	text          *idText
	n             int64
	v, qv         Int128
	bv, bqv       Int128
	o0, o1        int64
	rev           int32
	openK, closeK IDKind
}

// edge is what decides which trade opens or closes a bar: the tie keys, and
// behind them what only matters between trades of equal keys.
type edge struct {
	ns    int64
	order uint64
	price int64
	kind  IDKind
	id    int64
	text  []byte
}

func (a *accumulator) openEdge() edge {
	e := edge{a.openNS, a.openOrder, a.o, a.openK, a.openID, nil}
	if a.openK == IDText {
		e.text = a.text.open[:a.text.openLen]
	}
	return e
}

func (a *accumulator) closeEdge() edge {
	e := edge{a.closeNS, a.closeOrder, a.c, a.closeK, a.closeID, nil}
	if a.closeK == IDText {
		e.text = a.text.close[:a.text.closeLen]
	}
	return e
}

func (f *fill) edge() edge {
	e := edge{f.ns, f.order, f.price, f.id.Kind, 0, nil}
	switch f.id.Kind {
	case IDInt:
		e.id = f.id.Num
	case IDText:
		e.text = f.id.Text
	case IDNone:
	}
	return e
}

// compare orders edges totally; without the fields behind the keys the first
// of two equal ones would win, and that depends on arrival.
func (e *edge) compare(f *edge) int {
	switch {
	case e.ns != f.ns:
		return sign(e.ns < f.ns)
	case e.order != f.order:
		return sign(e.order < f.order)
	case e.price != f.price:
		return sign(e.price < f.price)
	case e.kind != f.kind:
		return sign(e.kind < f.kind)
	case e.id != f.id:
		return sign(e.id < f.id)
	}
	return bytes.Compare(e.text, f.text)
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

func (a *accumulator) setOpen(e *edge) {
	a.openNS, a.openOrder, a.o, a.openK, a.openID = e.ns, e.order, e.price, e.kind, e.id
	if e.kind == IDText {
		if a.text == nil {
			a.text = new(idText)
		}
		a.text.openLen = uint8(copy(a.text.open[:], e.text))
	}
}

func (a *accumulator) setClose(e *edge) {
	a.closeNS, a.closeOrder, a.c, a.closeK, a.closeID = e.ns, e.order, e.price, e.kind, e.id
	if e.kind == IDText {
		if a.text == nil {
			a.text = new(idText)
		}
		a.text.closeLen = uint8(copy(a.text.close[:], e.text))
	}
}

// begin makes a the bar that opens at start and holds nothing but f.
func (a *accumulator) begin(start int64, f *fill) {
	*a = accumulator{start: start, h: f.price, l: f.price, o0: f.offset, o1: f.offset}
	e := f.edge()
	a.setOpen(&e)
	a.setClose(&e)
	a.addSums(f)
}

// add merges one trade.
func (a *accumulator) add(f *fill) {
	// Most trades come in order: one comparison of the keys decides.
	if f.ns > a.closeNS || (f.ns == a.closeNS && f.order > a.closeOrder) {
		if f.id.Kind == IDText {
			e := f.edge()
			a.setClose(&e)
		} else {
			a.closeNS, a.closeOrder, a.c, a.closeK, a.closeID = f.ns, f.order, f.price, f.id.Kind, f.id.Num
		}
	} else {
		a.addDisordered(f)
	}
	a.h, a.l = max(a.h, f.price), min(a.l, f.price)
	a.o0, a.o1 = min(a.o0, f.offset), max(a.o1, f.offset)
	a.addSums(f)
}

// addDisordered merges the edges of a trade that is not the newest of its bar.
func (a *accumulator) addDisordered(f *fill) {
	e, open, shut := f.edge(), a.openEdge(), a.closeEdge()
	if e.compare(&open) < 0 {
		a.setOpen(&e)
	}
	if e.compare(&shut) > 0 {
		a.setClose(&e)
	}
}

func (a *accumulator) addSums(f *fill) {
	a.n++
	size := Int128{Lo: uint64(f.size)}
	a.v = a.v.add(size)
	a.qv = a.qv.add(f.notional)
	if f.side == SideBuy {
		a.bv = a.bv.add(size)
		a.bqv = a.bqv.add(f.notional)
	}
}

// copyFrom makes a the bar that opens at start with the content of b, not
// published yet.
func (a *accumulator) copyFrom(start int64, b *accumulator) {
	*a = *b
	a.start, a.rev = start, 0
	if b.text != nil {
		t := *b.text // two bars must not write into one text
		a.text = &t
	}
}

// merge adds the content of b.
func (a *accumulator) merge(b *accumulator) {
	e, f := b.openEdge(), a.openEdge()
	if e.compare(&f) < 0 {
		a.setOpen(&e)
	}
	e, f = b.closeEdge(), a.closeEdge()
	if e.compare(&f) > 0 {
		a.setClose(&e)
	}
	a.h, a.l = max(a.h, b.h), min(a.l, b.l)
	a.o0, a.o1 = min(a.o0, b.o0), max(a.o1, b.o1)
	a.n += b.n
	a.v, a.qv = a.v.add(b.v), a.qv.add(b.qv)
	a.bv, a.bqv = a.bv.add(b.bv), a.bqv.add(b.bqv)
}

// openTradeID and closeTradeID return copies that outlive the bar.
func (a *accumulator) openTradeID() TradeID {
	if a.openK != IDText {
		return TradeID{Kind: a.openK, Num: a.openID}
	}
	return TradeID{Kind: IDText, Text: bytes.Clone(a.text.open[:a.text.openLen])}
}

func (a *accumulator) closeTradeID() TradeID {
	if a.closeK != IDText {
		return TradeID{Kind: a.closeK, Num: a.closeID}
	}
	return TradeID{Kind: IDText, Text: bytes.Clone(a.text.close[:a.text.closeLen])}
}
