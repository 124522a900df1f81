package serve

import "sort"

// offsets is a sparse index of a series: for every 64th bar the offset on
// klines where it stands. It finds bars that memory no longer holds. When it
// grows beyond its bound neighbours become one and the distance doubles.
type offsets struct {
	entries []mark
	every   int
}

// mark is where the bar t stands. A piece of the log that was absorbed may have
// had fewer bars than the distance of marks, so each counts its own: who goes back
// by a number of bars would not go far enough.
type mark struct {
	t, offset int64
	bars      int // from t on up to the next mark, at least
}

const (
	indexEvery = 64
	indexMax   = 4096
	markSize   = 24 // bytes
)

// add notes that the bar t stands at offset. Bars come in ascending t.
func (x *offsets) add(t, offset int64) {
	x.every = max(x.every, indexEvery)
	if n := len(x.entries); n > 0 && x.entries[n-1].bars < x.every {
		x.entries[n-1].bars++
		return
	}
	x.entries = append(x.entries, mark{t, offset, 1})
	x.bound()
}

// prepend puts the marks of an older piece of the log in front, whose newest bar
// is newest. A later mark of a bar up to that one stands at a restatement, behind
// younger bars of the piece: it goes, and the bars it counts, some of which the piece
// has counted too.
func (x *offsets) prepend(old *offsets, newest int64) {
	if len(old.entries) == 0 {
		return
	}
	later := x.entries
	later = later[sort.Search(len(later), func(i int) bool { return later[i].t > newest }):]
	x.entries, x.every = make([]mark, 0, len(old.entries)+len(later)), max(x.every, old.every)
	x.extend(old.entries)
	x.extend(later)
	x.bound()
}

// extend puts marks behind the others. Neighbours that have no more bars together
// than the distance become one: pieces with a few bars of each of many series would
// leave an index as large as what they index.
func (x *offsets) extend(marks []mark) {
	for _, m := range marks {
		if n := len(x.entries); n > 0 && x.entries[n-1].bars+m.bars <= x.every {
			x.entries[n-1].bars += m.bars
			continue
		}
		x.entries = append(x.entries, m)
	}
}

// bound keeps the index within its bound.
func (x *offsets) bound() {
	for len(x.entries) >= indexMax {
		marks := x.entries
		x.entries, x.every = marks[:0], 2*x.every // each is read before it is overwritten
		x.extend(marks)
	}
}

// before is the offset from which the bar t and everything after it can be
// found, going back that many bars further at least. It is false without an entry.
func (x *offsets) before(t int64, bars int) (int64, bool) {
	if len(x.entries) == 0 {
		return 0, false
	}
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].t > t }) - 1
	for i > 0 && bars > 0 {
		i--
		bars -= x.entries[i].bars
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
