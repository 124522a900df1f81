package serve

import "sort"

// offsets is a sparse index of a series: for every 64th bar the offset on
// klines where it stands. It finds bars that memory no longer holds. When it
// grows beyond its bound every second entry goes and the distance doubles.
type offsets struct {
	entries []mark
	every   int
	skipped int
}

type mark struct{ t, offset int64 }

const (
	indexEvery = 64
	indexMax   = 4096
)

// add notes that the bar t stands at offset. Bars come in ascending t.
func (x *offsets) add(t, offset int64) {
	if x.every == 0 {
		x.every = indexEvery
	}
	if len(x.entries) > 0 && x.skipped < x.every-1 {
		x.skipped++
		return
	}
	x.skipped = 0
	x.entries = append(x.entries, mark{t, offset})
	if len(x.entries) < indexMax {
		return
	}
	x.halve()
}

// halve drops every second entry.
func (x *offsets) halve() {
	kept := x.entries[:0]
	for i := 0; i < len(x.entries); i += 2 {
		kept = append(kept, x.entries[i])
	}
	x.entries = kept
	x.every *= 2
}

// before is the offset from which the bar t and everything after it can be
// found, going back that many bars further at least. It is false without an entry.
func (x *offsets) before(t int64, bars int) (int64, bool) {
	if len(x.entries) == 0 {
		return 0, false
	}
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].t > t }) - 1
	if bars > 0 {
		i -= (bars + x.every - 1) / x.every
	}
	return x.entries[max(i, 0)].offset, true
}

// after is an offset at or behind the record of the first bar at or after t;
// end if the index does not reach that far.
func (x *offsets) after(t, end int64) int64 {
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].t >= t })
	if i == len(x.entries) {
		return end
	}
	return x.entries[i].offset + 1
}

// timeOf is the open time of the bar that stands at an offset of the index, lastOpen
// if none does.
func (x *offsets) timeOf(offset int64) int64 {
	for _, m := range x.entries {
		if m.offset == offset {
			return m.t
		}
	}
	return lastOpen
}
