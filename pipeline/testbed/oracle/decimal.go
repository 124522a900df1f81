package oracle

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// decimal is the exact number unscaled x 10^-scale, scale >= 0.
type decimal struct {
	unscaled *big.Int
	scale    int
}

// maxDecimal is the longest decimal text of a trade.
const maxDecimal = 40

// parseDecimal reads decimal text, exponent form allowed. Zeros at the end are cut.
func parseDecimal(text string) (decimal, error) {
	if len(text) > maxDecimal {
		return decimal{}, fmt.Errorf("reading the number %.40q: longer than %d characters", text, maxDecimal)
	}
	digits, exponent := strings.ToLower(text), 0
	if mantissa, power, found := strings.Cut(digits, "e"); found {
		var err error
		if exponent, err = strconv.Atoi(power); err != nil || exponent < -40 || exponent > 40 {
			return decimal{}, fmt.Errorf("reading the number %q: exponent outside of -40..40", text)
		}
		digits = mantissa
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	value, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return decimal{}, fmt.Errorf("reading the number %q: not a decimal", text)
	}
	d := decimal{value, len(fraction) - exponent}
	if d.scale < 0 {
		d = decimal{d.at(0), 0}
	}
	return d.shorten(), nil
}

// shorten cuts zeros behind the point.
func (d decimal) shorten() decimal {
	for d.scale > 0 {
		quotient, rest := new(big.Int).QuoRem(d.unscaled, big.NewInt(10), new(big.Int))
		if rest.Sign() != 0 {
			break
		}
		d = decimal{quotient, d.scale - 1}
	}
	return d
}

// at returns the number times 10^scale. scale is not below the number's own.
func (d decimal) at(scale int) *big.Int {
	return new(big.Int).Mul(d.unscaled, power10(scale-d.scale))
}

// String is the shortest exact text: no exponent, no zeros at the end.
func (d decimal) String() string {
	d = d.shorten()
	digits := new(big.Int).Abs(d.unscaled).String()
	if d.scale > 0 {
		if missing := d.scale + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		point := len(digits) - d.scale
		digits = digits[:point] + "." + digits[point:]
	}
	if d.unscaled.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}

// divide returns a/b rounded half to even at the given number of decimals. b is positive.
func divide(a, b decimal, decimals int) decimal {
	numerator := new(big.Int).Mul(a.unscaled, power10(decimals+b.scale))
	denominator := new(big.Int).Mul(b.unscaled, power10(a.scale))
	quotient, rest := new(big.Int).DivMod(numerator, denominator, new(big.Int)) // floor: 0 <= rest < denominator
	switch rest.Lsh(rest, 1).Cmp(denominator) {
	case 1:
		quotient.Add(quotient, big.NewInt(1))
	case 0:
		quotient.Add(quotient, big.NewInt(int64(quotient.Bit(0))))
	}
	return decimal{quotient, decimals}
}

func power10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
