package core

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text string
		want Decimal
		err  error
	}{
		{"60123.45", Decimal{6012345, 2}, nil},
		{"0", Decimal{}, nil},
		{"-0.000", Decimal{}, nil},
		{"1.500", Decimal{15, 1}, nil},
		{".5", Decimal{5, 1}, nil},
		{"5.", Decimal{5, 0}, nil},
		{"+7", Decimal{7, 0}, nil},
		{"-12.5", Decimal{-125, 1}, nil},
		{"007", Decimal{7, 0}, nil},
		{"1e-07", Decimal{1, 7}, nil},
		{"1E+2", Decimal{100, 0}, nil},
		{"12.5e1", Decimal{125, 0}, nil},
		{"100e-2", Decimal{1, 0}, nil},
		{"0.000000000000000001", Decimal{1, 18}, nil},
		{"0.0000000000000000001", Decimal{1, 19}, nil},
		{"9223372036854775807", Decimal{math.MaxInt64, 0}, nil},
		{"-9223372036854775807", Decimal{-math.MaxInt64, 0}, nil},
		{"9223372036854775806", Decimal{math.MaxInt64 - 1, 0}, nil},
		{"92233720368.54775807", Decimal{math.MaxInt64, 8}, nil},
		{"92233720368547758070e-1", Decimal{math.MaxInt64, 0}, nil},
		{"9223372036854775807.00000000000000000000", Decimal{math.MaxInt64, 0}, nil},
		{"9223372036854775808", Decimal{}, ErrOverflow},
		{"-9223372036854775808", Decimal{}, ErrOverflow},
		{"1e19", Decimal{}, ErrOverflow},
		{"0e999999999999", Decimal{}, nil},
		{"1e-256", Decimal{}, ErrOverflow},
		{"1e999999999999", Decimal{}, ErrOverflow},
		{"1.00000000000000000001", Decimal{}, ErrOverflow},
		{"", Decimal{}, ErrSyntax},
		{"-", Decimal{}, ErrSyntax},
		{".", Decimal{}, ErrSyntax},
		{"1e", Decimal{}, ErrSyntax},
		{"1e+", Decimal{}, ErrSyntax},
		{"1..2", Decimal{}, ErrSyntax},
		{"1,5", Decimal{}, ErrSyntax},
		{"0x10", Decimal{}, ErrSyntax},
		{"NaN", Decimal{}, ErrSyntax},
		{"Infinity", Decimal{}, ErrSyntax},
		{" 1", Decimal{}, ErrSyntax},
		{"1 ", Decimal{}, ErrSyntax},
		{"99999999999999999999999999x", Decimal{}, ErrSyntax},
		{strings.Repeat("0", 39) + "1", Decimal{1, 0}, nil},
		{strings.Repeat("0", 40) + "1", Decimal{}, ErrOverflow},
		{strings.Repeat("9", 40), Decimal{}, ErrOverflow},
		{strings.Repeat("9", 41), Decimal{}, ErrOverflow},
		{"1." + strings.Repeat("0", 70_000), Decimal{}, ErrOverflow},
		{strings.Repeat("9", 41) + "x", Decimal{}, ErrSyntax},
		{strings.Repeat("9", 41) + "e", Decimal{}, ErrSyntax},
	} {
		got, err := ParseDecimal([]byte(c.text))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("ParseDecimal(%q) = %v, %v; want %v, %v", c.text, got, err, c.want, c.err)
		}
	}
}

func TestDecimalTextIsShortestAndExact(t *testing.T) {
	for _, c := range []struct {
		coef  int64
		scale uint8
		want  string
	}{
		{0, 0, "0"}, {0, 8, "0"}, {15, 1, "1.5"}, {1500, 3, "1.5"}, {-5, 1, "-0.5"}, {100, 2, "1"}, {100, 0, "100"},
		{1, 18, "0.000000000000000001"}, {math.MaxInt64, 18, "9.223372036854775807"}, {math.MinInt64, 0, "-9223372036854775808"},
		{10, 5, "0.0001"},
	} {
		if got := string(AppendDecimal(nil, c.coef, c.scale)); got != c.want {
			t.Errorf("AppendDecimal(%d, %d) = %s, want %s", c.coef, c.scale, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := Int128{rapid.Int64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}
		scale := uint8(rapid.IntRange(0, 36).Draw(t, "scale"))
		want := new(big.Rat).SetFrac(v.big(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
		if got := string(AppendInt128(nil, v, scale)); got != ratText(want) && (v != Int128{math.MinInt64, 0}) {
			t.Fatalf("%v at %d is written %s, want %s", v, scale, got, ratText(want))
		}
	})
}

func TestInt128EqualsBig(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		if got, want := mul64(a, b).big(), new(big.Int).Mul(big.NewInt(a), big.NewInt(b)); got.Cmp(want) != 0 {
			t.Fatalf("%d x %d = %s, want %s", a, b, got, want)
		}
		x := Int128{rapid.Int64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}
		if x.Hi == math.MinInt64 {
			return
		}
		sum, ok := x.addChecked(mul64(a, b))
		want := new(big.Int).Add(x.big(), mul64(a, b).big())
		fits := want.Cmp(limit) < 0 && want.Cmp(new(big.Int).Neg(limit)) >= 0
		if ok != fits || (ok && sum.big().Cmp(want) != 0) {
			t.Fatalf("%v + %d x %d = %v %v, want %s", x, a, b, sum, ok, want)
		}
		n := uint8(rapid.IntRange(0, 36).Draw(t, "n"))
		p, ok := x.mulPow10(n)
		want = new(big.Int).Mul(x.big(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
		if fits := new(big.Int).Abs(want).Cmp(limit) < 0; ok != fits || (ok && p.big().Cmp(want) != 0) {
			t.Fatalf("%v x 10^%d = %v %v, want %s", x, n, p, ok, want)
		}
	})
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1", "-1.5", "1e-07", "9223372036854775807", "00.10", "1e", "..", "0e5", "1.e3"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDecimal(b)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(string(b))
		if !ok && d == (Decimal{}) && bytes.ContainsAny(b, "eE") {
			return // big.Rat refuses the exponent of a zero
		}
		if !ok {
			t.Fatalf("%q was read as %v", b, d)
		}
		text := AppendDecimal(nil, d.Coef, d.Scale)
		if got, _ := new(big.Rat).SetString(string(text)); got.Cmp(want) != 0 {
			t.Fatalf("%q became %s", b, text)
		}
		if d.trimmed() != d {
			t.Fatalf("%q kept trailing zeros: %v", b, d)
		}
	})
}
