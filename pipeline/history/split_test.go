package history

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSplitFindsExactlyTheRowsThatAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "rows")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 10), rapid.ID[int]).Draw(t, "bad")
		stored, calls := make([]int, n), 0
		refused, err := Split(0, n, func(lo, hi int) error {
			calls++
			for _, i := range bad {
				if lo <= i && i < hi {
					return errBad
				}
			}
			for i := lo; i < hi; i++ {
				stored[i]++
			}
			return nil
		}, func(err error) bool { return errors.Is(err, errBad) })
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, r := range refused {
			got = append(got, r.Row)
		}
		slices.Sort(bad)
		if !slices.Equal(got, bad) {
			t.Fatalf("refused %v, want %v", got, bad)
		}
		for i, times := range stored {
			if want := 1; times != want && !slices.Contains(bad, i) {
				t.Fatalf("row %d was stored %d times", i, times)
			}
		}
		if most := 1 + 2*len(bad)*10; calls > most {
			t.Fatalf("%d calls for %d bad rows of %d", calls, len(bad), n)
		}
	})
}

func TestSplitStopsAtOtherFailures(t *testing.T) {
	calls := 0
	_, err := Split(0, 100, func(lo, hi int) error {
		calls++
		if hi-lo > 50 {
			return errBad
		}
		return errDown
	}, func(err error) bool { return errors.Is(err, errBad) })
	if !errors.Is(err, errDown) || calls != 2 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}
