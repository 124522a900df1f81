package schedule

import "maps"

// view is a store in the manner of Redis: per partition a position and versioned
// fields, moved by a script that answers where it really stands.
type view struct {
	parts []viewPart
	saves [][]viewPart // older states that it may fall back to
}

type viewPart struct {
	next   int64 // -1: nothing there
	fields map[string]field
}

type field struct {
	so, sk int64
	value  string
}

type answer int

const (
	answerOK answer = iota
	answerDup
	answerGap
	answerMissing
)

func newView(partitions int) *view {
	v := &view{}
	for range partitions {
		v.parts = append(v.parts, viewPart{next: -1})
	}
	return v
}

// script is the rule of the Lua script: continuity first, then every field by
// its version.
func (v *view) script(p int, expect, next int64, create bool, recs []*record, byOffset bool) (answer, int64) {
	x := &v.parts[p]
	if x.next < 0 {
		if !create {
			return answerMissing, -1
		}
		x.next, x.fields = expect, map[string]field{}
	}
	if expect < x.next {
		return answerDup, x.next
	}
	if expect > x.next {
		return answerGap, x.next
	}
	for _, r := range recs {
		f := field{r.so, r.sk, r.value}
		if byOffset {
			f.so, f.sk = r.offset, 0
		}
		if old, ok := x.fields[r.key]; !ok || f.so > old.so || f.so == old.so && f.sk > old.sk {
			x.fields[r.key] = f
		}
	}
	x.next = next
	return answerOK, next
}

func (v *view) flush() {
	for p := range v.parts {
		v.parts[p] = viewPart{next: -1}
	}
}

func (v *view) save() {
	parts := make([]viewPart, len(v.parts))
	for p := range v.parts {
		parts[p] = viewPart{v.parts[p].next, maps.Clone(v.parts[p].fields)}
	}
	v.saves = append(v.saves, parts)
}

// regress puts an older state back, as a fail-over to a lagging replica does.
func (v *view) regress(i int) {
	for p, x := range v.saves[i] {
		v.parts[p] = viewPart{x.next, maps.Clone(x.fields)}
	}
}
