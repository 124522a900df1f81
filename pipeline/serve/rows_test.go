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
		most := rapid.SampledFrom([]int64{60, 1000}).Draw(t, "span")
		for i := range rapid.IntRange(1, 400).Draw(t, "steps") {
			if op := rapid.IntRange(0, 19).Draw(t, "op"); op == 0 {
				r.compact()
			} else if op < 3 {
				n := rapid.IntRange(0, 60).Draw(t, "cut")
				ts := sorted(model)
				for _, at := range ts[:min(n, len(ts))] {
					delete(model, at)
				}
				r.cut(n)
			} else {
				at := rapid.Int64Range(0, most).Draw(t, "t")
				row := fmt.Sprintf("[%d,%q]", at, strings.Repeat("x", i%7))
				r.put(at, []byte(row))
				model[at] = row
			}
			ts := sorted(model)
			var want []string
			for _, at := range ts {
				want = append(want, model[at])
			}
			if r.len() != len(ts) || string(r.appendSpan(nil, 0, r.len())) != strings.Join(want, ",") {
				t.Fatalf("rows %q, want %q", r.appendSpan(nil, 0, r.len()), want)
			}
			if n := r.spanSize(0, r.len()); n != len(strings.Join(want, ",")) {
				t.Fatalf("the span counts as %d bytes", n)
			}
			size := int64(0)
			for j := range r.pages {
				size += r.pages[j].size()
			}
			if r.size() != size {
				t.Fatalf("%d bytes are counted, the pages occupy %d", r.size(), size)
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
