package wire

import (
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Flags of an indicator value.
const (
	// FlagStable: past the declared convergence.
	FlagStable = 1
	// FlagDegenerate: a denominator was zero.
	FlagDegenerate = 2
	// FlagError: the module failed, the values are null.
	FlagError = 4
	// FlagQuarantined: the module is not called any more.
	FlagQuarantined = 8
)

// Value is what one indicator instance says about one bar.
type Value struct {
	// Name is the canonical instance, such as macd(12,26,9).
	Name string
	// V holds the outputs in manifest order; NaN is written as null.
	V []float64
	// N counts bars since the seed.
	N int64
	// Flags are the Flag bits.
	Flags uint8
	// Seq counts the closed and restated values of this instance and series.
	Seq int64
	// Ver is the first 8 hex digits of the module's sha256.
	Ver string
}

// AppendKline appends the topic JSON of a bar and its indicator values.
// Decimals are strings with the shortest exact text.
func AppendKline(dst []byte, k *core.Kline, ind []Value) []byte {
	dst = append(dst, `{"sym":"`...)
	dst = append(dst, k.Symbol...) // its alphabet needs no escapes
	dst = append(dst, `","itv":"`...)
	dst = append(dst, k.Interval...)
	dst = appendInt(dst, `","t":`, k.OpenTime)
	dst = appendInt(dst, `,"T":`, k.CloseTime)
	dst = appendPrices(dst, k)
	dst = appendInt(dst, `,"n":`, k.N)
	dst = appendSums(dst, k)
	dst = appendTradeID(append(dst, `,"f":`...), &k.First)
	dst = appendTradeID(append(dst, `,"L":`...), &k.Last)
	dst = append(dst, `,"final":`...)
	dst = strconv.AppendBool(dst, k.Final)
	dst = appendInt(dst, `,"rev":`, int64(k.Rev))
	if k.Why != core.WhyNone {
		dst = append(append(append(dst, `,"why":"`...), k.Why...), '"')
	}
	dst = appendInt(dst, `,"seq":`, k.Seq)
	dst = append(append(append(dst, `,"q":"`...), k.Q.String()...), '"')
	dst = appendInt(dst, `,"src":{"p":`, int64(k.P))
	dst = appendInt(dst, `,"o0":`, k.O0)
	dst = appendInt(dst, `,"o1":`, k.O1)
	dst = appendInt(dst, `},"wm":`, k.Watermark)
	dst = appendInt(dst, `,"ep":`, int64(k.Epoch))
	dst = appendValues(dst, ind)
	return append(dst, '}')
}

// AppendKlineKey appends the record key of a bar: symbol, interval and open
// time, joined by bars.
func AppendKlineKey(dst []byte, sym, itv string, t int64) []byte {
	dst = append(append(dst, sym...), '|')
	dst = append(append(dst, itv...), '|')
	return strconv.AppendInt(dst, t, 10)
}

func appendPrices(dst []byte, k *core.Kline) []byte {
	dst = core.AppendDecimal(append(dst, `,"o":"`...), k.O, k.PriceScale)
	dst = core.AppendDecimal(append(dst, `","h":"`...), k.H, k.PriceScale)
	dst = core.AppendDecimal(append(dst, `","l":"`...), k.L, k.PriceScale)
	dst = core.AppendDecimal(append(dst, `","c":"`...), k.C, k.PriceScale)
	dst = core.AppendInt128(append(dst, `","v":"`...), k.V, k.SizeScale)
	dst = core.AppendInt128(append(dst, `","qv":"`...), k.QV, k.PriceScale+k.SizeScale)
	return append(dst, '"')
}

func appendSums(dst []byte, k *core.Kline) []byte {
	dst = core.AppendInt128(append(dst, `,"bv":"`...), k.BV, k.SizeScale)
	dst = core.AppendInt128(append(dst, `","bqv":"`...), k.BQV, k.PriceScale+k.SizeScale)
	dst = k.AppendVWAP(append(dst, `","vwap":"`...))
	return append(dst, '"')
}

// appendTradeID appends an integer, a string, or -1 for no id.
func appendTradeID(dst []byte, id *core.TradeID) []byte {
	switch id.Kind {
	case core.IDInt:
		return strconv.AppendInt(dst, id.Num, 10)
	case core.IDText:
		return appendText(dst, id.Text)
	default:
		return append(dst, "-1"...)
	}
}

func appendValues(dst []byte, ind []Value) []byte {
	if len(ind) == 0 {
		return dst
	}
	sep := `,"ind":{`
	for i := range ind {
		v := &ind[i]
		dst = appendText(append(dst, sep...), v.Name)
		dst = appendFloats(append(dst, `:{"v":`...), v.V)
		dst = appendInt(dst, `,"n":`, v.N)
		dst = appendInt(dst, `,"fl":`, int64(v.Flags))
		dst = appendInt(dst, `,"seq":`, v.Seq)
		dst = appendText(append(dst, `,"ver":`...), v.Ver)
		dst = append(dst, '}')
		sep = ","
	}
	return append(dst, '}')
}

func appendFloats(dst []byte, vs []float64) []byte {
	dst = append(dst, '[')
	for i, v := range vs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloat(dst, v)
	}
	return append(dst, ']')
}
