package core

import (
	"math/bits"
	"strconv"
)

// Int128 is a signed 128-bit integer in two's complement: the sums of a bar.
// An int64 would overflow on one day of a coin that trades at 1e-8.
type Int128 struct {
	Hi int64
	Lo uint64
}

// int128 widens v.
func int128(v int64) Int128 { return Int128{Hi: v >> 63, Lo: uint64(v)} }

// mul64 returns a x b, exact.
func mul64(a, b int64) Int128 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	h := int64(hi)
	if a < 0 {
		h -= b
	}
	if b < 0 {
		h -= a
	}
	return Int128{Hi: h, Lo: lo}
}

// add returns a + b modulo 2^128; the engine proves beforehand that it fits.
func (a Int128) add(b Int128) Int128 {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(uint64(a.Hi), uint64(b.Hi), carry)
	return Int128{Hi: int64(hi), Lo: lo}
}

// addChecked returns a + b, and false when that exceeds 127 bits.
func (a Int128) addChecked(b Int128) (Int128, bool) {
	s := a.add(b)
	return s, (a.Hi^s.Hi)&(b.Hi^s.Hi) >= 0
}

// abs returns the magnitude as two words, high first.
func (a Int128) abs() (hi, lo uint64) {
	hi, lo = uint64(a.Hi), a.Lo
	if a.Hi < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return hi, lo
}

// bitLen returns the number of bits of the magnitude.
func (a Int128) bitLen() int {
	hi, lo := a.abs()
	if hi != 0 {
		return 64 + bits.Len64(hi)
	}
	return bits.Len64(lo)
}

// mulPow10 returns a x 10^n for n in 0..36, and false when that exceeds 127
// bits.
func (a Int128) mulPow10(n uint8) (Int128, bool) {
	for n > MaxScale {
		var ok bool
		if a, ok = a.mulPow10(MaxScale); !ok {
			return Int128{}, false
		}
		n -= MaxScale
	}
	hi, lo := a.abs()
	p := uint64(pow10[n])
	over, mid := bits.Mul64(hi, p)
	up, low := bits.Mul64(lo, p)
	mid, carry := bits.Add64(mid, up, 0)
	if over != 0 || carry != 0 || mid > 1<<63-1 {
		return Int128{}, false
	}
	r := Int128{Hi: int64(mid), Lo: low}
	if a.Hi < 0 {
		r = r.neg()
	}
	return r, true
}

func (a Int128) neg() Int128 {
	lo, borrow := bits.Sub64(0, a.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(a.Hi), borrow)
	return Int128{Hi: int64(hi), Lo: lo}
}

// Sign returns -1, 0 or 1.
func (a Int128) Sign() int {
	switch {
	case a.Hi < 0:
		return -1
	case a.Hi == 0 && a.Lo == 0:
		return 0
	}
	return 1
}

// AppendInt128 appends v x 10^-scale as the shortest exact decimal text: no
// exponent, no trailing zeros.
func AppendInt128(dst []byte, v Int128, scale uint8) []byte {
	if v.Sign() == 0 {
		return append(dst, '0')
	}
	if v.Hi < 0 {
		dst = append(dst, '-')
	}
	hi, lo := v.abs()
	var buf [48]byte
	return appendPlaced(dst, appendUint128(buf[:0], hi, lo), int(scale))
}

// appendUint128 appends all digits of hi x 2^64 + lo.
func appendUint128(dst []byte, hi, lo uint64) []byte {
	const chunk = 1e19
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	top := hi / chunk
	mid, low := bits.Div64(hi%chunk, lo, chunk)
	if top > 0 { // beyond 10^38
		var m uint64
		m, mid = bits.Div64(top, mid, chunk)
		dst = strconv.AppendUint(dst, m, 10)
		dst = appendPadded(dst, mid)
		return appendPadded(dst, low)
	}
	if mid >= chunk {
		dst = strconv.AppendUint(dst, mid/chunk, 10)
		dst = appendPadded(dst, mid%chunk)
	} else {
		dst = strconv.AppendUint(dst, mid, 10)
	}
	return appendPadded(dst, low)
}

// appendPadded appends v as 19 digits.
func appendPadded(dst []byte, v uint64) []byte {
	var buf [20]byte
	d := strconv.AppendUint(buf[:0], v, 10)
	for range 19 - len(d) {
		dst = append(dst, '0')
	}
	return append(dst, d...)
}
