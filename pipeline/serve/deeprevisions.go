package serve

import "slices"

// refresh reads from the log what restated bars up to the one that opens at newest
// became behind the place that the store has come to, where more of them have left
// memory than are remembered. A bar is final once one that closed a lateness later
// is in the store.
func (d *deepRead) refresh(newest int64) error {
	l, late := &d.left, d.h.cfg.AllowedLateness
	if !l.forgets || l.forgot < newest-late || d.sealed() && newest+late < l.sealed {
		return nil
	}
	d.meet()
	low := max(d.reach, newest) - late
	if newest < low || l.forgot < low {
		return nil
	}
	fresh, known := d.revisions(low, max(d.reach, newest))
	if !known {
		d.missAlso(Gap{low, newest + max(d.g.ms, 1)})
	}
	l.bars = append(fresh, l.bars...)
	return d.parent.Err()
}

// revisions reads the restated bars from low to high from the log, from where the
// last of them was published. known is false where the log does not go back that
// far.
func (d *deepRead) revisions(low, high int64) (fresh []departedBar, known bool) {
	span, mark, ok := d.logSpan(high, high, 0)
	if !ok || mark > high {
		return nil, false
	}
	old, whole, err := d.readLog(span, &Range{})
	if err != nil {
		return nil, false
	}
	for i := old.bars.search(low); i < old.bars.len() && old.bars.at(i) <= high; i++ {
		if rev, _ := rowRevision(old.bars.row(i)); rev > 0 {
			fresh = append(fresh, departedBar{old.bars.at(i), old.bars.row(i), old.sourceOf(old.bars.at(i))})
		}
	}
	return fresh, whole
}

// revise puts in what left memory restated and the store may not hold yet.
func (d *deepRead) revise(bars []storeBar, q *BarQuery, full bool) []storeBar {
	low, high := q.From, q.To
	if full && q.Newest {
		low = bars[0].t
	} else if full {
		high = bars[len(bars)-1].t + 1
	}
	for _, b := range d.left.bars {
		if b.t < low || b.t >= high {
			continue
		}
		fresh := storeBar{t: b.t, row: b.row, source: b.source, bar: readBar(b.row)}
		i, found := slices.BinarySearchFunc(bars, b.t, func(s storeBar, t int64) int { return order(s.t, t) })
		switch {
		case !found:
			bars = slices.Insert(bars, i, fresh)
		case bars[i].row == nil || newer(b.row, bars[i].row):
			bars[i] = fresh
		}
	}
	return bars
}

// newer tells whether a is the revision b of a bar, or a later one.
func newer(a, b []byte) bool {
	_, x := rowRevision(a)
	_, y := rowRevision(b)
	return x >= y
}
