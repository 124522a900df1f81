package wire

import (
	"math"
	"time"
)

// nanosPer is what one unit is worth, in nanoseconds.
var nanosPer = [...]int64{UnitMillis: 1e6, UnitSeconds: 1e9, UnitMicros: 1e3, UnitNanos: 1}

// eventTime turns the token of FieldTS into nanoseconds since 1970 UTC. A string
// of digits is a number: several venues quote their times.
func eventTime(t token, unit TimeUnit) (ns int64, ok bool) {
	if t.kind != tokenString && t.kind != tokenNumber {
		return 0, false
	}
	if unit == UnitRFC3339 {
		return rfc3339(t)
	}
	whole, n := digits(t.text)
	if n == 0 || whole > math.MaxInt64/nanosPer[unit] {
		return 0, false
	}
	ns = whole * nanosPer[unit]
	if n == len(t.text) {
		return ns, true
	}
	if unit != UnitSeconds || t.text[n] != '.' {
		// A fraction of a millisecond has its own field, and an exponent is
		// how a float prints a time that has lost its last digits.
		return 0, false
	}
	frac, ok := fraction(t.text[n+1:])
	if !ok || ns > math.MaxInt64-frac {
		return 0, false
	}
	return ns + frac, true
}

// digits reads leading decimal digits: their value and how many there are. More
// than 19 of them, or a value beyond int64, count as none.
func digits(b []byte) (v int64, n int) {
	u, n := scanDigits(b, 0)
	if n > 19 || u > math.MaxInt64 { // 19 digits fit a uint64
		return 0, 0
	}
	return int64(u), n
}

// fraction reads the digits behind the point of a number of seconds. Digits
// below the nanosecond must be zero: nothing is rounded.
func fraction(b []byte) (ns int64, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	scale := int64(1e8)
	for _, c := range b {
		d := c - '0'
		if d > 9 || (scale == 0 && d != 0) {
			return 0, false
		}
		ns += int64(d) * scale
		scale /= 10
	}
	return ns, true
}

func rfc3339(t token) (ns int64, ok bool) {
	var at time.Time
	if t.kind != tokenString || at.UnmarshalText(t.text) != nil {
		return 0, false
	}
	// UnixNano is defined up to 2262 only.
	if s := at.Unix(); s < 0 || s >= math.MaxInt64/1_000_000_000 {
		return 0, false
	}
	return at.UnixNano(), true
}
