package wire

import (
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// AppendTrade appends the generic trade JSON in canonical order, which the
// decoder reads fastest. Fields that the trade does not have are left out.
func AppendTrade(dst []byte, t *core.Trade) []byte {
	const milli = 1_000_000
	dst = appendText(append(dst, `{"symbol":`...), t.Symbol)
	dst = appendDecimal(append(dst, `,"price":"`...), t.Price)
	dst = appendDecimal(append(dst, `","size":"`...), t.Size)
	dst = appendInt(dst, `","ts":`, t.EventNS/milli)
	if tn := t.EventNS % milli; tn != 0 {
		dst = appendInt(dst, `,"tn":`, tn)
	}
	if t.ID.Kind != core.IDNone {
		dst = appendTradeID(append(dst, `,"id":`...), &t.ID)
	}
	if t.Side != core.SideUnknown {
		dst = append(append(append(dst, `,"side":"`...), t.Side.String()...), '"')
	}
	if t.HasSeq {
		dst = strconv.AppendInt(append(dst, `,"seq":`...), t.Seq, 10)
	}
	return append(dst, '}')
}

// appendDecimal appends a decimal that the decoder reads back. One with more
// places than any symbol has goes out with an exponent: written in full it
// could exceed the length that is read, and the reason of its rejection would
// be another one.
func appendDecimal(dst []byte, d core.Decimal) []byte {
	if d.Scale <= core.MaxScale {
		return core.AppendDecimal(dst, d.Coef, d.Scale)
	}
	dst = strconv.AppendInt(dst, d.Coef, 10)
	return strconv.AppendUint(append(dst, "e-"...), uint64(d.Scale), 10)
}
