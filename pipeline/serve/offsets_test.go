package serve

import (
	"testing"

	"pgregory.net/rapid"
)

// tenfold is an index of the bars low to high, each of which stands at ten times its
// open time.
func tenfold(low, high int64) *offsets {
	var x offsets
	for t := low; t <= high; t++ {
		x.add(t, 10*t)
	}
	return &x
}

// wantNear checks that a read begins with the bar first or before, and not much
// before.
func wantNear(t rapid.TB, x *offsets, from int64, bars int) {
	t.Helper()
	first := max(from-int64(bars), 1)
	offset, ok := x.before(from, bars)
	if got := offset / 10; !ok || got > first || got < first-3*int64(x.every) {
		t.Fatalf("%d bars before %d are read from bar %d on (%t), want %d or at most %d before", bars, from, got, ok, first, 3*x.every)
	}
}

func TestBarsAreFoundThoughTheirPiecesWereSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.Int64Range(1, 2000).Draw(t, "bars")
		largest := rapid.SampledFrom([]int64{3, 30, 300}).Draw(t, "largest piece")
		low := max(last-rapid.Int64Range(0, largest).Draw(t, "tail"), 1)
		x := tenfold(low, last)
		for low > 1 {
			high := low - 1
			low = max(low-rapid.Int64Range(1, largest).Draw(t, "piece"), 1)
			x.prepend(tenfold(low, high), high)
			if rapid.Bool().Draw(t, "goes on") {
				last++
				x.add(last, 10*last)
			}
		}
		if n, most := len(x.entries), 2*int(last)/indexEvery+2; n > most {
			t.Fatalf("%d marks for %d bars, want at most %d", n, last, most)
		}
		wantNear(t, x, rapid.Int64Range(1, last).Draw(t, "from"), rapid.IntRange(0, 1000).Draw(t, "bars"))
	})
}

func TestALongIndexStaysWithinItsBound(t *testing.T) {
	const last = 3 * indexEvery * indexMax
	x := tenfold(1, last)
	if n := len(x.entries); n >= indexMax || n < indexMax/2 || x.every != 4*indexEvery {
		t.Errorf("%d marks, %d bars apart", n, x.every)
	}
	for _, from := range []int64{1, 100, last / 2, last} {
		for _, bars := range []int{0, 1, 1000} {
			wantNear(t, x, from, bars)
		}
	}
	x.prepend(tenfold(0, 0), 0)
	if n := len(x.entries); n >= indexMax {
		t.Errorf("%d marks with an older piece", n)
	}
}

// A later piece that begins with the restatement of a bar holds none of those
// between that bar and its own.
func TestARestatementIsNoPlaceToBegin(t *testing.T) {
	var x offsets
	x.add(50, 645)
	x.add(65, 650)
	x.prepend(tenfold(1, 64), 64)
	if offset, _ := x.before(55, 0); offset > 550 {
		t.Errorf("bar 55 is looked for from bar %d on", offset/10)
	}
}
