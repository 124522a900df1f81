package indicators

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestCompensationEqualsTheComparingForm holds the sum to Neumaier's textbook
// form, bit for bit, over values of very different size.
func TestCompensationEqualsTheComparingForm(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(
			rapid.Float64Range(-1e3, 1e3),
			rapid.Float64Range(-1e200, 1e200),
			rapid.SampledFrom([]float64{0, 1e9, -1e9, 0.01, 1e-300, 5e-324}),
		), 1, 60).Draw(r, "values")
		var got neumaier
		var s, comp float64
		for _, x := range values {
			got.add(x)
			sum := s + x
			if math.Abs(s) >= math.Abs(x) {
				comp += (s - sum) + x
			} else {
				comp += (x - sum) + s
			}
			s = sum
			if got.value() != s+comp {
				t.Fatalf("sum %v, want %v", got.value(), s+comp)
			}
		}
	})
}

// TestCompensationForgetsABadTick adds and removes 1e17 between small values.
func TestCompensationForgetsABadTick(t *testing.T) {
	var a neumaier
	for range 10 {
		a.add(0.1)
	}
	before := a.value()
	a.add(1e17)
	a.add(-1e17)
	if a.value() != before {
		t.Errorf("%v after a bad tick, want %v", a.value(), before)
	}
}
