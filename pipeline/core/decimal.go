package core

import (
	"errors"
	"math/bits"
	"strconv"
)

// MaxDecimalText is the longest decimal text that is read, in bytes.
const MaxDecimalText = 40

// MaxScale is the largest number of decimal places a price or size may have.
const MaxScale = 18

// Errors of ParseDecimal; callers decide a reject reason by them.
var (
	// ErrSyntax means the text is not a decimal number, however long it is.
	ErrSyntax = errors.New("reading decimal: not a decimal number")
	// ErrOverflow means the number needs more than 63 bits of digits, more than
	// 255 places, or is written in more than 40 bytes.
	ErrOverflow = errors.New("reading decimal: too many digits")
)

// Decimal is the exact number Coef x 10^-Scale. ParseDecimal cuts trailing
// zeros, so equal numbers have equal fields. Scale may exceed MaxScale; the
// engine rejects such a value with ReasonPrecision.
type Decimal struct {
	Coef  int64
	Scale uint8
}

// ParseDecimal reads decimal text with an optional sign and exponent, such as
// "60123.45", ".5" or "1e-07". It never rounds: what does not fit is
// ErrOverflow, what is no number ErrSyntax.
func ParseDecimal(b []byte) (Decimal, error) {
	if len(b) == 0 {
		return Decimal{}, ErrSyntax
	}
	i, neg := 0, false
	if b[0] == '-' || b[0] == '+' {
		neg, i = b[0] == '-', 1
	}
	var coef uint64
	// Zeros wait in zeros until a digit follows, so that trailing ones cost no
	// bits of the coefficient and "1.50" equals "1.5".
	zeros, places, digits := 0, 0, 0
	point, full := false, false
	for ; i < len(b); i++ {
		c := b[i]
		if c == '.' && !point {
			point = true
			continue
		}
		d := c - '0'
		if d > 9 {
			break
		}
		digits++
		if point {
			places++
		}
		if d == 0 {
			zeros++
			continue
		}
		var ok bool
		coef, ok = shiftIn(coef, zeros+1, uint64(d))
		full = full || !ok
		zeros = 0
	}
	if digits == 0 {
		return Decimal{}, ErrSyntax
	}
	exp, err := parseExponent(b[i:])
	if err != nil {
		return Decimal{}, err
	}
	if full || len(b) > MaxDecimalText {
		return Decimal{}, ErrOverflow
	}
	return newDecimal(coef, zeros-places+exp, neg)
}

// shiftIn returns coef x 10^n + d, and false when that exceeds int64.
func shiftIn(coef uint64, n int, d uint64) (uint64, bool) {
	if coef == 0 {
		return d, true
	}
	if n > MaxScale {
		return 0, false
	}
	hi, lo := bits.Mul64(coef, uint64(pow10[n]))
	if hi != 0 || lo > 1<<63-1-d {
		return 0, false
	}
	return lo + d, true
}

// parseExponent reads the rest of a number, "" or "e[+-]digits".
func parseExponent(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] != 'e' && b[0] != 'E' {
		return 0, ErrSyntax
	}
	b = b[1:]
	neg := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, ErrSyntax
	}
	exp := 0
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return 0, ErrSyntax
		}
		exp = min(exp*10+int(d), 100_000)
	}
	if neg {
		exp = -exp
	}
	return exp, nil
}

// newDecimal builds coef x 10^exp; coef carries no trailing zero.
func newDecimal(coef uint64, exp int, neg bool) (Decimal, error) {
	if coef == 0 {
		return Decimal{}, nil
	}
	scale := 0
	switch {
	case exp > MaxScale || exp < -255:
		return Decimal{}, ErrOverflow
	case exp > 0:
		hi, lo := bits.Mul64(coef, uint64(pow10[exp]))
		if hi != 0 || lo > 1<<63-1 {
			return Decimal{}, ErrOverflow
		}
		coef = lo
	default:
		scale = -exp
	}
	v := int64(coef)
	if neg {
		v = -v
	}
	return Decimal{Coef: v, Scale: uint8(scale)}, nil
}

// trimmed returns d without trailing zeros, the form ParseDecimal yields. A
// caller that builds decimals by hand must not be able to make one trade look
// like two.
func (d Decimal) trimmed() Decimal {
	if d.Coef == 0 {
		return Decimal{}
	}
	for d.Scale > 0 && d.Coef%10 == 0 {
		d.Coef /= 10
		d.Scale--
	}
	return d
}

// AppendDecimal appends coef x 10^-scale as the shortest exact decimal text:
// no exponent, no trailing zeros.
func AppendDecimal(dst []byte, coef int64, scale uint8) []byte {
	if scale == 0 || coef == 0 {
		return strconv.AppendInt(dst, coef, 10)
	}
	mag := uint64(coef)
	if coef < 0 {
		dst = append(dst, '-')
		mag = -mag
	}
	var buf [20]byte
	return appendPlaced(dst, strconv.AppendUint(buf[:0], mag, 10), int(scale))
}

// appendPlaced appends digits with the point set scale places from the right
// and the zeros behind the last place cut.
func appendPlaced(dst, digits []byte, scale int) []byte {
	for scale > 0 && digits[len(digits)-1] == '0' {
		if len(digits) == 1 {
			return append(dst, '0')
		}
		digits = digits[:len(digits)-1]
		scale--
	}
	if scale == 0 {
		return append(dst, digits...)
	}
	whole := len(digits) - scale
	if whole > 0 {
		dst = append(dst, digits[:whole]...)
		dst = append(dst, '.')
		return append(dst, digits[whole:]...)
	}
	dst = append(dst, '0', '.')
	for ; whole < 0; whole++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// pow10 holds the powers of ten that fit an int64.
var pow10 = [19]int64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}
