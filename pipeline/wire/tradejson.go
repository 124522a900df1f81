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
	dst = core.AppendDecimal(append(dst, `,"price":"`...), t.Price.Coef, t.Price.Scale)
	dst = core.AppendDecimal(append(dst, `","size":"`...), t.Size.Coef, t.Size.Scale)
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
