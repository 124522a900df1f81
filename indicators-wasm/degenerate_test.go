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

// TestRebuildsAreRareAndRegular looks into the states: sums are added anew
// after 32 windows at the latest, and a flat run does not rebuild every bar.
func TestRebuildsAreRareAndRegular(t *testing.T) {
	const n = 10
	bands := newInstance(t, BBANDS, []float64{n, 2, 0})
	weighted := newInstance(t, WMA, []float64{n})
	dev := &(*bbandsState)(addressOf(bands.state)).dev
	wma := (*wmaState)(addressOf(weighted.state))
	var oldestDev, oldestWMA uint32
	for i, b := range walk(63, 3000) {
		flat := i%500 >= 400
		if flat {
			b.Src = 100.1
		}
		bands.update(t, &b)
		weighted.update(t, &b)
		oldestDev = max(oldestDev, dev.age)
		oldestWMA = max(oldestWMA, wma.age)
		if flat && i%500 == 400+3*n && dev.age == 0 {
			t.Errorf("bar %d rebuilds in the middle of a flat run", i)
		}
	}
	if oldestDev >= anchorAge*n || oldestDev < n {
		t.Errorf("an anchor lived for %d bars", oldestDev)
	}
	if oldestWMA != wmaResum*n-1 {
		t.Errorf("a weighted sum lived for %d bars", oldestWMA)
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
