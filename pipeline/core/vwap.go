package core

import (
	"math/big"
	"math/bits"
)

// vwapPlaces is the least number of places a vwap is rounded to.
const vwapPlaces = 8

// AppendVWAP appends the volume-weighted average price QV/V as decimal text,
// rounded half to even at max(PriceScale, 8) places.
func (k *Kline) AppendVWAP(dst []byte) []byte {
	if k.V.Sign() == 0 {
		return append(dst, '0')
	}
	places := max(k.PriceScale, vwapPlaces)
	hi, lo := k.QV.abs()
	qhi, qlo, ok := mulDivEven(hi, lo, uint64(pow10[places-k.PriceScale]), k.V)
	if !ok {
		return appendBigVWAP(dst, k, places)
	}
	if k.QV.Hi < 0 && (qhi|qlo) != 0 {
		dst = append(dst, '-')
	}
	var buf [48]byte
	return appendPlaced(dst, appendUint128(buf[:0], qhi, qlo), int(places))
}

// mulDivEven returns (hi:lo x m) / v rounded half to even. It reports false
// where v does not fit 63 bits or the quotient 128: the caller then takes the
// slow way.
func mulDivEven(hi, lo, m uint64, v Int128) (qhi, qlo uint64, ok bool) {
	if v.Hi != 0 || v.Lo > 1<<63-1 {
		return 0, 0, false
	}
	d := v.Lo
	n1, n0 := bits.Mul64(lo, m)
	n2, up := bits.Mul64(hi, m)
	n1, carry := bits.Add64(n1, up, 0)
	n2 += carry
	if n2 >= d {
		return 0, 0, false
	}
	qhi, rem := bits.Div64(n2, n1, d)
	qlo, rem = bits.Div64(rem, n0, d)
	// d < 2^63, so twice the remainder fits.
	if twice := 2 * rem; twice > d || (twice == d && qlo&1 == 1) {
		qlo, carry = bits.Add64(qlo, 1, 0)
		qhi += carry
	}
	return qhi, qlo, true
}

// appendBigVWAP is AppendVWAP for volumes beyond 63 bits.
func appendBigVWAP(dst []byte, k *Kline, places uint8) []byte {
	num := k.QV.big()
	neg := num.Sign() < 0
	num.Abs(num)
	num.Mul(num, big.NewInt(pow10[places-k.PriceScale]))
	den := k.V.big()
	q, rem := new(big.Int).QuoRem(num, den, new(big.Int))
	if c := rem.Lsh(rem, 1).Cmp(den); c > 0 || (c == 0 && q.Bit(0) == 1) {
		q.Add(q, big.NewInt(1))
	}
	if neg && q.Sign() != 0 {
		dst = append(dst, '-')
	}
	return appendPlaced(dst, q.Append(nil, 10), int(places))
}

func (a Int128) big() *big.Int {
	hi := big.NewInt(a.Hi)
	hi.Lsh(hi, 64)
	return hi.Or(hi, new(big.Int).SetUint64(a.Lo))
}
