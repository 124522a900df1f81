package indicators

import (
	"math"
	"math/big"
	"testing"
)

// soakBars is a long walk with a bad tick of 1e9 every 5,003 bars, the input
// on which plain running sums never recover.
func soakBars(n int) []Bar {
	bars := walk(31, n)
	for i := 5003; i < n; i += 5003 {
		b := &bars[i]
		b.High, b.Close, b.Src = 1e9, 1e9, 1e9
	}
	return bars
}

// exact is a number wide enough that rounding does not matter.
func exact(x float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(x) }

func add(a, b *big.Float) *big.Float { return exact(0).Add(a, b) }
func sub(a, b *big.Float) *big.Float { return exact(0).Sub(a, b) }
func mul(a, b *big.Float) *big.Float { return exact(0).Mul(a, b) }
func quo(a, b *big.Float) *big.Float { return exact(0).Quo(a, b) }

func double(a *big.Float) float64 {
	v, _ := a.Float64()
	return v
}

// worst is the largest relative error seen and its bar.
type worst struct {
	err float64
	bar int
}

func (w *worst) see(bar int, got float64, want *big.Float) {
	x := double(want)
	e := math.Abs(double(sub(exact(got), want)))
	if x != 0 {
		e /= math.Abs(x)
	}
	if math.IsNaN(e) || e > w.err {
		w.err, w.bar = e, bar
	}
}

func (w *worst) require(t *testing.T, what string) {
	t.Helper()
	t.Logf("%-14s worst relative error %.1e at bar %d", what, w.err, w.bar)
	if !(w.err < 1e-9) {
		t.Errorf("%s is off by %.1e at bar %d", what, w.err, w.bar)
	}
}

func soakLength() int {
	if testing.Short() {
		return 20_000
	}
	return 200_000 / soakDivisor
}

// TestSoakWindows compares sliding sums with sums added anew from the window.
func TestSoakWindows(t *testing.T) {
	bars := soakBars(soakLength())
	for _, n := range []int{5, 20, 200} {
		s := newInstance(t, SMA, []float64{float64(n)})
		w := newInstance(t, WMA, []float64{float64(n)})
		b := newInstance(t, BBANDS, []float64{float64(n), 1, 0})
		var sma, wma, dev worst
		for i := range bars {
			mean, weighted, bands := s.update(t, &bars[i])[0], w.update(t, &bars[i])[0], b.update(t, &bars[i])
			near := i%5003 < 3*n // the bars around a bad tick are the hard ones
			if i < n-1 || !near && i%331 != 0 {
				continue
			}
			window := bars[i-n+1 : i+1]
			want := windowMean(window)
			sma.see(i, mean, want)
			wma.see(i, weighted, windowWeighted(window))
			pop := windowPopulation(window, want)
			if v := double(pop); v != 0 {
				// From the width, whose own rounding is that of the bands.
				half := (bands[0] - bands[2]) / 2
				if d := math.Abs(half - math.Sqrt(v)); d > 4e-16*math.Abs(bands[1]) {
					dev.see(i, half, exact(0).Sqrt(pop))
				}
			} else if bands[0] != bands[2] {
				t.Fatalf("bar %d: bands of a flat window of %d have the width %v", i, n, bands[0]-bands[2])
			}
		}
		sma.require(t, "SMA")
		wma.require(t, "WMA")
		dev.require(t, "BBANDS width")
	}
}

func windowMean(window []Bar) *big.Float {
	sum := exact(0)
	for i := range window {
		sum = add(sum, exact(window[i].Src))
	}
	return quo(sum, exact(float64(len(window))))
}

func windowWeighted(window []Bar) *big.Float {
	sum := exact(0)
	for i := range window {
		sum = add(sum, mul(exact(float64(i+1)), exact(window[i].Src)))
	}
	n := float64(len(window))
	return quo(sum, exact(n*(n+1)/2))
}

func windowPopulation(window []Bar, mean *big.Float) *big.Float {
	first, flat := window[0].Src, true
	sum := exact(0)
	for i := range window {
		d := sub(exact(window[i].Src), mean)
		sum = add(sum, mul(d, d))
		flat = flat && window[i].Src == first
	}
	if flat {
		return exact(0) // the mean of equal values was rounded at 200 bits
	}
	return quo(sum, exact(float64(len(window))))
}

// TestSoakSums compares the sums that never forget.
func TestSoakSums(t *testing.T) {
	bars := soakBars(soakLength())
	o := newInstance(t, OBV, []float64{0})
	v := newInstance(t, VWAP, []float64{0, 1, 1})
	balance, vol, turnover := exact(0), exact(0), exact(0)
	var obv, vwap worst
	for i := range bars {
		b := &bars[i]
		x := exact(b.Volume)
		switch {
		case i == 0 || b.Src > bars[i-1].Src:
			balance = add(balance, x)
		case b.Src < bars[i-1].Src:
			balance = sub(balance, x)
		}
		vol = add(vol, x)
		turnover = add(turnover, mul(x, exact(b.Close)))
		gotOBV, gotVWAP := o.update(t, b)[0], v.update(t, b)[0]
		if double(vol) == 0 {
			continue
		}
		obv.see(i, gotOBV, balance)
		vwap.see(i, gotVWAP, quo(turnover, vol))
	}
	obv.require(t, "OBV")
	vwap.require(t, "VWAP")
}

// TestSoakRecursions compares the averages that decay with the same recursion
// at 200 bits.
func TestSoakRecursions(t *testing.T) {
	bars := soakBars(soakLength())
	e := newInstance(t, EMA, []float64{20})
	a := newInstance(t, ATR, []float64{14, 1})
	var ema, atr worst
	emaRef := reference{n: 20, weight: quo(exact(2), exact(21))}
	atrRef := reference{n: 14, weight: quo(exact(1), exact(14))}
	for i := range bars {
		b := &bars[i]
		tr := sub(exact(b.High), exact(b.Low))
		if i > 0 {
			for _, end := range []float64{b.High, b.Low} {
				if d := exact(0).Abs(sub(exact(end), exact(bars[i-1].Close))); d.Cmp(tr) > 0 {
					tr = d
				}
			}
		}
		emaRef.push(exact(b.Src))
		atrRef.push(tr)
		gotEMA, gotATR := e.update(t, b)[0], a.update(t, b)[0]
		if emaRef.seen >= 20 {
			ema.see(i, gotEMA, emaRef.y)
		}
		if atrRef.seen >= 14 {
			atr.see(i, gotATR, atrRef.y)
		}
	}
	ema.require(t, "EMA")
	atr.require(t, "ATR")
}

// reference is a seeded recursion at 200 bits.
type reference struct {
	n, seen int
	weight  *big.Float
	y       *big.Float
}

func (r *reference) push(x *big.Float) {
	r.seen++
	switch {
	case r.seen == 1:
		r.y = x
	case r.seen <= r.n:
		r.y = add(r.y, x)
	default:
		r.y = add(r.y, mul(r.weight, sub(x, r.y)))
	}
	if r.seen == r.n {
		r.y = quo(r.y, exact(float64(r.n)))
	}
}
