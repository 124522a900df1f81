package verify

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// replaced fails where there is nothing to replace.
func replaced(t testing.TB, text []byte, old, fresh string) []byte {
	t.Helper()
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%q is not in %s", old, text)
	}
	return bytes.Replace(text, []byte(old), []byte(fresh), 1)
}

func TestNumbersAreWrittenInTheirShortestForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sum{rapid.Int64().Draw(t, "hi") >> rapid.IntRange(0, 63).Draw(t, "shift"), rapid.Uint64().Draw(t, "lo")}
		places := rapid.IntRange(0, 36).Draw(t, "places")
		got := string(appendNumber(nil, s, uint8(places)))
		want := new(big.Rat).SetFrac(s.big(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)).FloatString(places)
		if strings.Contains(want, ".") {
			want = strings.TrimRight(strings.TrimRight(want, "0"), ".")
		}
		if got != want {
			t.Fatalf("%v with %d places is %s, want %s", s, places, got, want)
		}
	})
}

func TestBarsAddUpWhateverTheOrderAndTheScales(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type one struct{ price, size amount }
		draw := func(name string) amount {
			return amount{digits: rapid.Uint64Range(1, 1e9).Draw(t, name), places: uint8(rapid.IntRange(0, 9).Draw(t, name+" places"))}.short()
		}
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) one {
			x := one{draw("price"), draw("size")}
			x.price.negative = rapid.Bool().Draw(t, "below 0")
			return x
		}), 1, 12).Draw(t, "trades")
		s := &symbol{}
		var w window
		w.reset(0, 1000)
		v, qv := new(big.Rat), new(big.Rat)
		for i, x := range all {
			f := fill{offset: int64(i)}
			if !s.scale(&trade{price: x.price, size: x.size}, &f) {
				t.Skip("more than 64 bits")
			}
			f.edge = edge{ns: int64(i), price: f.price}
			if !w.add(&f) {
				t.Skip("more than 128 bits")
			}
			p, q := x.price.rat(), x.size.rat()
			v.Add(v, q)
			qv.Add(qv, new(big.Rat).Mul(p, q))
		}
		if got := new(big.Rat).SetFrac(w.v.big(), ten(int(w.qs))); got.Cmp(v) != 0 {
			t.Fatalf("volume %s, want %s", got, v)
		}
		if got := new(big.Rat).SetFrac(w.qv.big(), ten(int(w.ps)+int(w.qs))); got.Cmp(qv) != 0 {
			t.Fatalf("quote volume %s, want %s", got, qv)
		}
		places := max(s.ps, leastPlaces)
		got, _ := new(big.Rat).SetString(string(w.appendVWAP(nil, places)))
		off := new(big.Rat).Sub(got, new(big.Rat).Quo(qv, v))
		if off.Abs(off).Cmp(new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Mul(big.NewInt(2), ten(int(places))))) > 0 {
			t.Fatalf("vwap %s is off by %s", got, off)
		}
	})
}

func ten(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func (a amount) rat() *big.Rat {
	n := new(big.Int).SetUint64(a.digits)
	if a.negative {
		n.Neg(n)
	}
	return new(big.Rat).SetFrac(n, ten(int(a.places)))
}
