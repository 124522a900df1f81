package wire

import (
	"encoding/binary"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// eightDigits returns the value of the eight digits at b[i]; false if they are
// not all digits. Three multiplications instead of a chain of eight.
func eightDigits(b []byte, i int) (v uint64, ok bool) {
	if len(b)-i < 8 {
		return 0, false
	}
	const zeros, highs, sixes = 0x3030303030303030, 0xf0f0f0f0f0f0f0f0, 0x0606060606060606
	w := binary.LittleEndian.Uint64(b[i:])
	if w&highs != zeros || (w+sixes)&highs != zeros {
		return 0, false
	}
	w = (w - zeros) * (10<<8 + 1) >> 8
	w = (w & 0x00ff00ff00ff00ff) * (100<<16 + 1) >> 16
	return (w & 0x0000ffff0000ffff) * (10000<<32 + 1) >> 32, true
}

// scanDigits reads the decimal digits at b[i], modulo 2^64.
func scanDigits(b []byte, i int) (v uint64, end int) {
	for {
		w, ok := eightDigits(b, i)
		if !ok {
			break
		}
		v = v*1e8 + w
		i += 8
	}
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		v = v*10 + uint64(b[i]-'0')
	}
	return v, i
}

// maxPlainDigits is how many digits always fit an int64.
const maxPlainDigits = 18

// plainDecimal reads the decimal at b[i] if it has at most 18 digits, no sign,
// no exponent and no leading zero; core.ParseDecimal reads the others, with the
// same result for these.
func plainDecimal(b []byte, i int) (v core.Decimal, end int, ok bool) {
	start := i
	var coef uint64
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		coef = coef*10 + uint64(b[i]-'0')
	}
	digits, scale := i-start, 0
	if digits == 0 || digits > 1 && b[start] == '0' {
		return v, i, false
	}
	if i < len(b) && b[i] == '.' {
		point := i
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			coef = coef*10 + uint64(b[i]-'0')
		}
		if scale = i - point - 1; scale == 0 {
			return v, i, false
		}
	}
	if digits+scale > maxPlainDigits {
		return v, i, false
	}
	for scale > 0 && coef%10 == 0 {
		coef /= 10
		scale--
	}
	return core.Decimal{Coef: int64(coef), Scale: uint8(scale)}, i, true
}
