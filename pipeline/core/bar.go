package core

import "strconv"

// Bar is a kline as indicators see it: every number is the double nearest to
// the exact decimal.
type Bar struct {
	OpenTime, CloseTime    int64 // ms UTC; CloseTime is the next open - 1
	Open, High, Low, Close float64
	Volume                 float64 // base units
	QuoteVolume            float64
	TakerBuyVolume         float64 // base units
	N                      int64   // trades
}

// Bar converts k for an indicator.
func (k *Kline) Bar() Bar {
	return Bar{
		OpenTime: k.OpenTime, CloseTime: k.CloseTime,
		Open: decimalFloat(k.O, k.PriceScale), High: decimalFloat(k.H, k.PriceScale),
		Low: decimalFloat(k.L, k.PriceScale), Close: decimalFloat(k.C, k.PriceScale),
		Volume:         k.V.float(k.SizeScale),
		QuoteVolume:    k.QV.float(k.PriceScale + k.SizeScale),
		TakerBuyVolume: k.BV.float(k.SizeScale),
		N:              k.N,
	}
}

// decimalFloat returns the double nearest to coef x 10^-scale.
func decimalFloat(coef int64, scale uint8) float64 {
	// Both operands are exact, so the one division rounds once. Above 2^53 the
	// conversion would round too, and the result could be off by one ulp.
	if coef > -1<<53 && coef < 1<<53 {
		return float64(coef) / float64(pow10[scale])
	}
	var buf [48]byte
	return textFloat(AppendDecimal(buf[:0], coef, scale))
}

// float returns the double nearest to a x 10^-scale.
func (a Int128) float(scale uint8) float64 {
	if scale <= MaxScale && a.Hi == int64(a.Lo)>>63 {
		return decimalFloat(int64(a.Lo), scale)
	}
	var buf [80]byte
	return textFloat(AppendInt128(buf[:0], a, scale))
}

// textFloat reads text this package wrote; such text is always a number within
// the range of a double.
func textFloat(b []byte) float64 {
	f, _ := strconv.ParseFloat(string(b), 64)
	return f
}
