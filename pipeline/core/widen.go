package core

import "math/bits"

// sumBits is the number of bits a sum may have.
const sumBits = 127

// makeRoom checks that the trade fits into every sum it will reach, and widens
// the symbol if the trade has more places than its scales. Where it returns a
// reason, with the field that is to blame unless it is a sum, nothing has changed.
func (e *Engine) makeRoom(s *symbol, f *fill, wm int64) (reason Reason, field string) {
	dp := max(f.pricePlaces, s.priceScale) - s.priceScale
	dq := max(f.sizePlaces, s.sizeScale) - s.sizeScale
	if dp|dq == 0 {
		if s.bounded(f, 0, 0) || e.fits(s, f, wm) {
			return ReasonNone, ""
		}
		return ReasonOverflow, ""
	}

	if !s.widenable(dp, dq) || (!s.bounded(f, dp, dq) && !e.fitsWidened(s, f, dp, dq)) {
		return ReasonPrecision, s.tooFine(dp, dq)
	}
	if s.src != nil {
		e.counters.Widened++
	}
	s.widen(dp, dq)
	return ReasonNone, ""
}

// tooFine names the field whose places do not fit beside the numbers of the symbol:
// a dead letter that names none leaves both to be suspected. Empty where each would
// fit alone.
func (s *symbol) tooFine(dp, dq uint8) string {
	switch {
	case dq == 0 || dp > 0 && !s.widenable(dp, 0):
		return "price"
	case dp == 0 || !s.widenable(0, dq):
		return "size"
	}
	return ""
}

// bounded reports whether no sum of the symbol can overflow with f added,
// whatever the bars are: number of trades x largest one.
func (s *symbol) bounded(f *fill, dp, dq uint8) bool {
	n := bits.Len64(uint64(s.fills + 1))
	notional := max(int(s.peakNotional)+digitBits(dp+dq), f.notional.bitLen())
	size := max(int(s.peakSize)+digitBits(dq), bitLen64(f.size))
	return notional+n < sumBits && size+n < sumBits
}

// digitBits returns an upper bound of the bits of 10^n.
func digitBits(n uint8) int { return (int(n)*10 + 2) / 3 }

// fits is the exact test behind bounded. The parts of a bar are the open bars
// that will be merged into it; none of their sums may overflow in any order.
func (e *Engine) fits(s *symbol, f *fill, wm int64) bool {
	for i := range s.series {
		start := e.cas.open(i, f.ms)
		if start+e.cas.lens[i] > wm {
			if !e.partsFit(s, i, start, 0, 0, f) {
				return false
			}
			continue
		}
		k := &s.series[i].kept
		if j, ok := k.search(start); ok && !absFits(&k.at(j).v, &k.at(j).qv, f) {
			return false
		}
	}
	return true
}

// fitsWidened tests all open bars and the trade at the larger scales.
func (e *Engine) fitsWidened(s *symbol, f *fill, dp, dq uint8) bool {
	for i := range s.series {
		for j := range s.series {
			if e.cas.inside[i]&(1<<j) == 0 {
				continue
			}
			for b := range s.series[j].open {
				start := e.cas.open(i, s.series[j].open[b].start)
				if !e.partsFit(s, i, start, dp, dq, f) {
					return false
				}
			}
		}
		k := &s.series[i].kept
		for j := range k.n {
			v, okV := k.at(j).v.mulPow10(dq)
			qv, okQV := k.at(j).qv.mulPow10(dp + dq)
			if !okV || !okQV || !absFits(&v, &qv, f) {
				return false
			}
		}
	}
	return true
}

// partsFit adds up the parts of the bar of interval i that opens at start, at
// scales widened by dp and dq, and f, as if all had one sign.
func (e *Engine) partsFit(s *symbol, i int, start int64, dp, dq uint8, f *fill) bool {
	var v, qv Int128
	for j := range s.series {
		if e.cas.inside[i]&(1<<j) == 0 {
			continue
		}
		for b := range s.series[j].open {
			a := &s.series[j].open[b]
			if a.start >= start && a.start < start+e.cas.lens[i] && !addParts(&v, &qv, a, dp, dq) {
				return false
			}
		}
	}
	for b := range s.series[i].carried {
		a := &s.series[i].carried[b]
		if a.start == start && !addParts(&v, &qv, a, dp, dq) {
			return false
		}
	}
	return absFits(&v, &qv, f)
}

// addParts adds the widened sums of a to v and qv, signs ignored.
func addParts(v, qv *Int128, a *accumulator, dp, dq uint8) bool {
	pv, okV := a.v.mulPow10(dq)
	pq, okQ := a.qv.mulPow10(dp + dq)
	if !okV || !okQ {
		return false
	}
	*v, okV = v.addChecked(pv)
	*qv, okQ = qv.addChecked(pq.magnitude())
	return okV && okQ
}

// absFits reports whether f can be added to both sums, signs ignored.
func absFits(v, qv *Int128, f *fill) bool {
	_, okV := v.addChecked(int128(f.size))
	_, okQ := qv.magnitude().addChecked(f.notional.magnitude())
	return okV && okQ
}

func (a Int128) magnitude() Int128 {
	if a.Hi < 0 {
		return a.neg()
	}
	return a
}

// widenable reports whether every integer of the symbol fits at the larger
// scales.
func (s *symbol) widenable(dp, dq uint8) bool {
	ok := true
	s.eachBar(func(a *accumulator) {
		b := *a
		ok = ok && b.widen(dp, dq)
	})
	return ok
}

// eachBar calls f for every bar of the symbol.
func (s *symbol) eachBar(f func(a *accumulator)) {
	for i := range s.series {
		sr := &s.series[i]
		for j := range sr.open {
			f(&sr.open[j])
		}
		for j := range sr.carried {
			f(&sr.carried[j])
		}
		for j := range sr.kept.n {
			f(sr.kept.at(j))
		}
	}
}

// widen multiplies all integers of the symbol; widenable was asked before.
func (s *symbol) widen(dp, dq uint8) {
	s.eachBar(func(a *accumulator) { a.widen(dp, dq) })
	s.priceScale += dp
	s.sizeScale += dq
	if s.fills > 0 {
		s.peakNotional = uint8(min(int(s.peakNotional)+digitBits(dp+dq), sumBits))
		s.peakSize = uint8(min(int(s.peakSize)+digitBits(dq), sumBits))
	}
}

// widen multiplies the prices by 10^dp and the sizes by 10^dq. Where it returns
// false, a is unusable.
func (a *accumulator) widen(dp, dq uint8) bool {
	for _, p := range [...]*int64{&a.o, &a.h, &a.l, &a.c} {
		var ok bool
		if *p, ok = mulPow10(*p, dp); !ok {
			return false
		}
	}
	for _, v := range [...]struct {
		sum    *Int128
		digits uint8
	}{{&a.v, dq}, {&a.bv, dq}, {&a.qv, dp + dq}, {&a.bqv, dp + dq}} {
		var ok bool
		if *v.sum, ok = v.sum.mulPow10(v.digits); !ok {
			return false
		}
	}
	return true
}
