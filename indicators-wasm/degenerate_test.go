package indicators

import (
	"bytes"
	"math"
	"testing"
)

// feed runs values through a src indicator, as price and as source.
func feed(t *testing.T, ind uint32, params, values []float64) [][]float64 {
	t.Helper()
	var bars []Bar
	for i, v := range values {
		bars = append(bars, Bar{OpenTimeMS: int64(i) * 60_000, Open: v, High: v, Low: v, Close: v, Src: v, Volume: 1})
	}
	return newInstance(t, ind, params).rows(t, bars)
}

// scattered are values of very different size and sign.
func scattered() []float64 {
	d := dice(61)
	var v []float64
	for range 300 {
		v = append(v, (d.next()-0.5)*math.Pow(10, math.Round(d.next()*20)-2))
	}
	return v
}

func TestPeriodOneCopies(t *testing.T) {
	values := scattered()
	for _, ind := range []uint32{SMA, EMA, WMA} {
		for i, row := range feed(t, ind, []float64{1}, values) {
			if row[0] != values[i] {
				t.Fatalf("indicator %d at bar %d is %v, want %v", ind, i, row[0], values[i])
			}
		}
	}
	for i, row := range feed(t, ATR, []float64{1, 0}, values) {
		if i > 0 && row[0] != math.Abs(values[i]-values[i-1]) {
			t.Fatalf("ATR(1) at bar %d is %v", i, row[0])
		}
	}
	for i, row := range feed(t, MACD, []float64{2, 5, 1, 0}, values) {
		if i >= 4 && (row[0] != row[1] || row[2] != 0) {
			t.Fatalf("MACD with signal 1 at bar %d is %v", i, row)
		}
	}
}

func TestWindowOfZerosIsExactlyZero(t *testing.T) {
	for _, n := range []float64{2, 3, 7} {
		values := append(scattered(), make([]float64, 8)...)
		for _, ind := range []uint32{SMA, WMA} {
			rows := feed(t, ind, []float64{n}, values)
			for i := len(values) - 8 + int(n) - 1; i < len(values); i++ {
				if rows[i][0] != 0 {
					t.Errorf("indicator %d of %v zeros is %v", ind, n, rows[i][0])
				}
			}
		}
	}
}

// TestWMAForgetsSpikes passes a tick of 1e15 through the window.
func TestWMAForgetsSpikes(t *testing.T) {
	d := dice(62)
	var values []float64
	for range 60 {
		values = append(values, 100+d.next())
	}
	clean := feed(t, WMA, []float64{10}, values)
	values[20] = 1e15 + 0.125
	for i, row := range feed(t, WMA, []float64{10}, values) {
		if i >= 30 && math.Abs(row[0]-clean[i][0]) > 1e-12 {
			t.Fatalf("bar %d after the spike is %v, want %v", i, row[0], clean[i][0])
		}
	}
}

func TestBandsAroundZeroAndWithoutWidth(t *testing.T) {
	rows := feed(t, BBANDS, []float64{2, 2, 0}, []float64{1, -1, 1, 1})
	// Mean 0, deviation 1: a width, but no ratio to the middle.
	if want := []float64{2, 0, -2, 0.25, 0, 1}; !sameBits(rows[1], want) {
		t.Errorf("bands of 1 and -1 are %v, want %v", rows[1], want)
	}
	if want := []float64{1, 1, 1, 0.5, 0, 1}; !sameBits(rows[3], want) {
		t.Errorf("bands of 1 and 1 are %v, want %v", rows[3], want)
	}
}

// TestStochasticIgnoresNoise moves the price by one unit in the last place.
func TestStochasticIgnoresNoise(t *testing.T) {
	var values []float64
	for i := range 40 {
		v := 100.1
		if i%3 == 0 {
			v = math.Nextafter(v, 101)
		}
		values = append(values, v)
	}
	for i, row := range feed(t, STOCH, []float64{14, 3, 3, 0}, values) {
		if i >= 17 && !sameBits(row, []float64{0, 0, 1}) {
			t.Fatalf("bar %d is %v, want 0, 0 and degenerate", i, row)
		}
	}
	// KDJ compares exactly: the same noise is a range there.
	rows := feed(t, KDJ, []float64{9, 3, 3, 0}, values)
	if rows[30][3] != 0 {
		t.Error("KDJ calls a range of one unit in the last place flat")
	}
}

// TestSumsAreRenewedEvery32Windows looks into the states of two series that
// give no other reason to add the window anew.
func TestSumsAreRenewedEvery32Windows(t *testing.T) {
	const n = 10
	bands := newInstance(t, BBANDS, []float64{n, 2, 0})
	weighted := newInstance(t, WMA, []float64{n})
	dev := &(*bbandsState)(addressOf(bands.state)).dev
	wma := (*wmaState)(addressOf(weighted.state))
	var oldestDev, oldestWMA uint32
	for i := range 1000 {
		b := Bar{Src: 100 + float64(i%2)}
		bands.update(t, &b)
		weighted.update(t, &b)
		oldestDev = max(oldestDev, dev.age)
		oldestWMA = max(oldestWMA, wma.age)
	}
	if oldestDev != anchorAge*n-1 || oldestWMA != wmaResum*n-1 {
		t.Errorf("an anchor lived for %d bars, a weighted sum for %d", oldestDev, oldestWMA)
	}
}

// TestFlatRunDoesNotRebuildEveryBar holds the second anchor: the mean of equal
// prices may be rounded, and measured from it a flat window looks stale for
// ever.
func TestFlatRunDoesNotRebuildEveryBar(t *testing.T) {
	for n := 2; n < 60; n++ {
		s := newInstance(t, BBANDS, []float64{float64(n), 2, 0})
		dev := &(*bbandsState)(addressOf(s.state)).dev
		for k := range 20 {
			b := Bar{Src: 0.1 + 0.7*float64(k)}
			for range 4 * n {
				s.update(t, &b)
			}
			if dev.age == 0 {
				t.Fatalf("a window of %d still rebuilds after a flat run of four windows at %v", n, b.Src)
			}
		}
	}
}

func TestInitWritesEveryByte(t *testing.T) {
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		clean := newInstance(t, spec.ID, params)
		dirty := newInstance(t, spec.ID, params)
		for _, b := range walk(64, 100) {
			dirty.update(t, &b)
		}
		if rc := Init(&dirty.cfg, params, dirty.state); rc != 0 || !bytes.Equal(clean.state, dirty.state) {
			t.Errorf("Init = %d, and the old state shows through: %v", rc, !bytes.Equal(clean.state, dirty.state))
		}
	})
}
