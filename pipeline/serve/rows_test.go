package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRowsEqualAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r rows
		model := map[int64]string{}
		for i := range rapid.IntRange(1, 80).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "op") == 0 {
				n := rapid.IntRange(0, 5).Draw(t, "cut")
				ts := sorted(model)
				for _, at := range ts[:min(n, len(ts))] {
					delete(model, at)
				}
				r.cut(n)
			} else {
				at := rapid.Int64Range(0, 60).Draw(t, "t")
				row := fmt.Sprintf("[%d,%q]", at, strings.Repeat("x", i%7))
				r.put(at, []byte(row))
				model[at] = row
			}
			ts := sorted(model)
			var want []string
			for _, at := range ts {
				want = append(want, model[at])
			}
			if r.len() != len(ts) || string(r.span(0, r.len())) != strings.Join(want, ",") {
				t.Fatalf("rows %q, want %q", r.span(0, r.len()), want)
			}
			for j, at := range ts {
				if r.at(j) != at || string(r.row(j)) != model[at] || r.search(at) != j {
					t.Fatalf("row %d is %d %q, want %d %q", j, r.at(j), r.row(j), at, model[at])
				}
			}
		}
	})
}

func sorted(m map[int64]string) []int64 {
	var ts []int64
	for t := range m {
		ts = append(ts, t)
	}
	slices.Sort(ts)
	return ts
}
