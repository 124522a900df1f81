package core

import "math/bits"

func bitLen64(v int64) int {
	if v < 0 {
		v = -v
	}
	return bits.Len64(uint64(v))
}

// checkTrade tests what can be tested without the history of the symbol and
// fills f. The reason is ReasonNone if the trade passes.
func (e *Engine) checkTrade(r *Record, t *Trade, s *symbol, f *fill) (reason Reason, field string) {
	price, size := t.Price.trimmed(), t.Size.trimmed()
	if price.Coef <= 0 && !s.anyPrice {
		return ReasonPrice, "price"
	}
	if size.Coef <= 0 {
		return ReasonSize, "size"
	}
	if t.ID.Kind > IDText || (t.ID.Kind == IDText && (len(t.ID.Text) == 0 || len(t.ID.Text) > MaxTradeIDText)) {
		return ReasonDecode, "id"
	}
	f.ns, f.ms = t.EventNS, floorMS(t.EventNS)
	// Subtracted from the event, which is bounded; the timestamp is whatever a
	// producer wrote. A negative one is Kafka's way to say that there is none.
	if r.Timestamp >= 0 {
		if f.ms-e.cfg.MaxFuture > r.Timestamp {
			return ReasonFuture, "ts"
		}
		if e.cfg.MaxAge > 0 && f.ms+e.cfg.MaxAge < r.Timestamp {
			return ReasonPast, "ts"
		}
	}
	var ok bool
	if f.price, reason, ok = scaled(price, s.priceScale, s.fixedPrice); !ok {
		return reason, "price"
	}
	if f.size, reason, ok = scaled(size, s.sizeScale, s.fixedSize); !ok {
		return reason, "size"
	}
	f.pricePlaces, f.sizePlaces = price.Scale, size.Scale
	f.notional = mul64(f.price, f.size)
	f.id, f.side, f.offset = t.ID, t.Side, r.Offset
	if f.id.Kind != IDNone {
		f.check = checkOf(price, size)
	}
	return ReasonNone, ""
}

func floorMS(ns int64) int64 {
	ms := ns / 1e6
	if ns%1e6 < 0 {
		ms--
	}
	return ms
}

// scaled returns d as an integer at scale, or at its own scale if that is
// larger and the symbol may be widened.
func scaled(d Decimal, scale uint8, fixed bool) (int64, Reason, bool) {
	if d.Scale > scale {
		if fixed || d.Scale > MaxScale {
			return 0, ReasonPrecision, false
		}
		return d.Coef, ReasonNone, true
	}
	v, ok := mulPow10(d.Coef, scale-d.Scale)
	return v, ReasonOverflow, ok
}

// mulPow10 returns v x 10^n for n up to 18, and false when it exceeds int64.
func mulPow10(v int64, n uint8) (int64, bool) {
	if n == 0 {
		return v, true
	}
	p := mul64(v, pow10[n])
	return int64(p.Lo), p.Hi == int64(p.Lo)>>63
}
