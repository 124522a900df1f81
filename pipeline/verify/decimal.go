package verify

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// maxPlaces is the largest number of decimals a price or size may have.
const maxPlaces = 18

// maxNumber is the longest text of a number, in bytes.
const maxNumber = 40

// tens are the powers of ten that fit a uint64.
var tens = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// amount is the number digits / 10^places, without zeros at its end.
type amount struct {
	digits   uint64
	places   uint8
	negative bool
}

// parseAmount reads decimal text. It reports false for what is no number, what
// is not above zero, and what does not fit 63 bits or 18 places.
func parseAmount(b []byte) (amount, bool) {
	a, ok := parseUnsigned(b)
	return a, ok && a.digits > 0
}

// parsePrice is parseAmount for what may be 0 or below.
func parsePrice(b []byte) (amount, bool) {
	if len(b) == 0 || b[0] != '-' {
		return parseUnsigned(b)
	}
	if len(b) > maxNumber || len(b) > 1 && b[1] == '+' {
		return amount{}, false
	}
	a, ok := parseUnsigned(b[1:])
	a.negative = a.digits > 0
	return a, ok
}

func parseUnsigned(b []byte) (amount, bool) {
	// The usual form first: digits, perhaps a point, no exponent.
	var d uint64
	point, i := -1, 0
	for ; i < len(b) && i < 19; i++ {
		c := b[i] - '0'
		if c <= 9 {
			d = d*10 + uint64(c)
			continue
		}
		if b[i] != '.' || point >= 0 {
			return parseRareAmount(b)
		}
		point = i
	}
	if i < len(b) || i == 0 || d == 0 || d > math.MaxInt64 {
		return parseRareAmount(b)
	}
	a := amount{digits: d}
	if point >= 0 {
		if len(b) == 1 {
			return amount{}, false
		}
		a.places = uint8(len(b) - 1 - point)
	}
	return a.short(), true
}

// short cuts zeros behind the point.
func (a amount) short() amount {
	for a.places > 0 && a.digits%10 == 0 {
		a.digits /= 10
		a.places--
	}
	return a
}

// parseRareAmount reads what is long, signed or has an exponent: it collects
// the digits and looks where the point is.
func parseRareAmount(b []byte) (amount, bool) {
	if len(b) == 0 || len(b) > maxNumber {
		return amount{}, false
	}
	if b[0] == '+' {
		b = b[1:]
	}
	var digits []byte
	point, i := -1, 0
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == '.' && point < 0:
			point = len(digits)
		default:
			return withExponent(digits, point, b[i:])
		}
	}
	return placed(digits, point, 0)
}

func withExponent(digits []byte, point int, rest []byte) (amount, bool) {
	if rest[0]|0x20 != 'e' || len(rest) < 2 {
		return amount{}, false
	}
	for i, c := range rest[1:] {
		if (c < '0' || c > '9') && (i > 0 || c != '+' && c != '-' || len(rest) < 3) {
			return amount{}, false
		}
	}
	exp, err := strconv.Atoi(string(rest[1:]))
	if err != nil {
		return amount{}, len(digits) > 0 && strings.Trim(string(digits), "0") == "" // 0 is 0, whatever stands behind it
	}
	return placed(digits, point, exp)
}

// placed builds the number of digits with the point behind point of them and an
// exponent.
func placed(digits []byte, point, exp int) (amount, bool) {
	if len(digits) == 0 {
		return amount{}, false
	}
	if point < 0 {
		point = len(digits)
	}
	places := len(digits) - point - exp
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		places--
	}
	if len(digits) == 0 {
		return amount{}, true
	}
	for places < 0 && len(digits) < maxNumber {
		digits = append(digits, '0')
		places++
	}
	n, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil || places < 0 || places > maxPlaces {
		return amount{}, false
	}
	return amount{digits: n, places: uint8(places)}, true
}

// at returns the number in units of the given places, false if it exceeds 63
// bits. places is not below the amount's own.
func (a amount) at(places uint8) (int64, bool) {
	n, ok := a.digits, true
	if places > a.places {
		var hi uint64
		hi, n = bits.Mul64(a.digits, tens[places-a.places])
		ok = hi == 0
	}
	if n > math.MaxInt64 {
		return 0, false
	}
	if a.negative {
		return -int64(n), ok
	}
	return int64(n), ok
}

// sum is an integer of 128 bits, in two's complement.
type sum struct {
	hi int64
	lo uint64
}

// wide is n with more bits.
func wide(n int64) sum { return sum{n >> 63, uint64(n)} } //nolint:gosec // bits

func (s sum) plus(t sum) (sum, bool) {
	lo, carry := bits.Add64(s.lo, t.lo, 0)
	hi := s.hi + t.hi + int64(carry) //nolint:gosec // 0 or 1
	return sum{hi, lo}, (s.hi^hi)&(t.hi^hi) >= 0
}

// size is s without its sign, as two words.
func (s sum) size() (hi, lo uint64) {
	hi, lo = uint64(s.hi), s.lo //nolint:gosec // bits
	if s.hi >= 0 {
		return hi, lo
	}
	lo, borrow := bits.Sub64(0, lo, 0)
	hi, _ = bits.Sub64(0, hi, borrow)
	return hi, lo
}

// signed is the number of that size.
func signed(hi, lo uint64, negative bool) (sum, bool) {
	s := sum{int64(hi), lo} //nolint:gosec // tested below
	if negative {
		low, borrow := bits.Sub64(0, lo, 0)
		high, _ := bits.Sub64(0, hi, borrow)
		s = sum{int64(high), low} //nolint:gosec // as above
	}
	return s, hi <= math.MaxInt64
}

// product multiplies without loss.
func product(a, b int64) sum {
	_, x := wide(a).size()
	_, y := wide(b).size()
	hi, lo := bits.Mul64(x, y)
	s, _ := signed(hi, lo, (a < 0) != (b < 0))
	return s
}

// times returns s x 10^n for n up to 19, false if that exceeds 127 bits.
func (s sum) times(n uint8) (sum, bool) {
	high, low := s.size()
	up, lo := bits.Mul64(low, tens[n])
	over, hi := bits.Mul64(high, tens[n])
	hi, carry := bits.Add64(hi, up, 0)
	t, ok := signed(hi, lo, s.hi < 0)
	return t, ok && over == 0 && carry == 0
}

// appendNumber appends s / 10^places in its shortest exact form.
func appendNumber(dst []byte, s sum, places uint8) []byte {
	if s.hi < 0 {
		dst = append(dst, '-')
	}
	var buf [40]byte
	at := len(buf)
	hi, lo := s.size()
	for hi != 0 {
		// 19 digits at a time.
		q1 := hi / tens[19]
		q0, rest := bits.Div64(hi%tens[19], lo, tens[19])
		for range 19 {
			at--
			buf[at] = byte('0' + rest%10)
			rest /= 10
		}
		hi, lo = q1, q0
	}
	for lo != 0 {
		at--
		buf[at] = byte('0' + lo%10)
		lo /= 10
	}
	return appendPoint(dst, buf[at:], int(places))
}

// appendPoint appends digits without leading zeros, with the point before the
// last places of them.
func appendPoint(dst, digits []byte, places int) []byte {
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return append(dst, '0')
	}
	whole := len(digits) - places
	if whole <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, digits[:whole]...)
	}
	fraction := digits[max(whole, 0):]
	for len(fraction) > 0 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if len(fraction) == 0 {
		return dst
	}
	dst = append(dst, '.')
	for ; whole < 0; whole++ {
		dst = append(dst, '0')
	}
	return append(dst, fraction...)
}
