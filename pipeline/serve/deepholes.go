package serve

import "slices"

// publication is what a bar says of its place among all that its series ever
// published. seq goes up by one with each of them, so that what a database lacks in
// its middle can be counted, whatever is the reason: rows that somebody deleted, a
// partition that was dropped, records that retention took before they were written.
type publication struct {
	t   int64
	seq int64
	rev int32
	// imported bars came from a file, beside the sequence.
	imported bool
}

const (
	// contextRows bounds the bars before a page that are read to know what was
	// published in between.
	contextRows = 512
	// afterRows is how many are read behind it: one of them closed in its time, as a
	// rule.
	afterRows = 8
	// qualityImported marks bars that came from a file.
	qualityImported = "imported"
)

// holes lists the ranges of open times in which a series published bars that are
// not among rows, which are all that anybody holds between the first and the last of
// them, ascending. With first nobody holds a bar before them either.
//
// A bar in its revision 0 was published when it closed, behind those before it and
// ahead of those after it. What stands in the sequence between two of them is a bar
// between them or a later revision of one before: more than these can account for
// is missing. Where a revision that is not known could have taken a place nothing
// is said, so a hole of few bars among restated ones can go unseen, and bars that are
// there are never called missing. A sequence that begins anew (topics made again
// under the same database) proves nothing across its beginning.
func holes(rows []publication, ms, lateness int64, first bool) (out []Gap) {
	anchor, known := -1, first // seq 0 stands before the first bar of a series
	between, mixed := int64(0), false
	var restated []publication // rows up to the anchor that may have been published again behind it
	for i, p := range rows {
		switch {
		case p.imported:
			mixed = true
			continue
		case p.rev > 0:
			between += int64(p.rev) + 1
			continue
		}
		from := int64(0)
		if anchor >= 0 {
			from = rows[anchor].seq
		}
		again := int64(0)
		for _, r := range restated {
			again += int64(r.rev)
		}
		if known && !mixed && p.seq > from && p.seq-from-1 > between+again {
			out = append(out, rooms(rows, anchor, i, ms)...)
		}
		restated = append(restated, rows[anchor+1:i]...)
		restated = slices.DeleteFunc(restated, func(r publication) bool { return r.seq < p.seq })
		anchor, between, mixed = i, 0, false
		known = first || p.t+ms-rows[0].t > lateness
	}
	return out
}

// rooms are the places for bars between rows a and b, before all rows with a -1.
func rooms(rows []publication, a, b int, ms int64) (out []Gap) {
	if a < 0 {
		out, a = append(out, Gap{firstOpen, rows[0].t}), 0
	}
	for ; a < b; a++ {
		if low := rows[a].t + max(ms, 1); low < rows[a+1].t {
			out = append(out, Gap{low, rows[a+1].t})
		}
	}
	return out
}

// tellHoles notes what is missing inside the store in the range that was asked for.
// bars are what it answered to q, before anything else is put among them: what one
// database holds is what stood on the log up to one place, so its sequence is of one
// piece.
func (d *deepRead) tellHoles(q BarQuery, bars []storeBar, full bool) error {
	rows := places(bars)
	after, err := d.after(&q, rows, full)
	if err != nil {
		return err
	}
	found, err := d.findHoles(&q, rows, after, full)
	if err != nil || len(found) == 0 {
		return err
	}
	// A bar may have been restated between two questions: those that account for
	// what was published have to be read after those that count it.
	if bars, err = d.ask(q, false); err == nil {
		found, err = d.findHoles(&q, places(bars), after, full)
	}
	if err != nil {
		return d.parent.Err() // what is not known is not said
	}
	for _, hole := range found {
		for i := d.page.bars.search(hole.From); i < d.page.bars.len() && d.page.bars.at(i) < hole.To; i++ {
			d.missAlso(Gap{hole.From, d.page.bars.at(i)}) // this one was remembered when it left memory
			hole.From = d.page.bars.at(i) + max(d.g.ms, 1)
		}
		d.missAlso(hole)
	}
	return nil
}

// findHoles looks at the bars of a page and at those beside it.
func (d *deepRead) findHoles(q *BarQuery, rows, after []publication, full bool) ([]Gap, error) {
	low, begins := q.From, q.To
	if len(rows) > 0 {
		begins = rows[0].t
	}
	first := q.From <= 0 // no trade is older than 1970
	if q.Newest {
		first = !full
	}
	if q.Newest && full {
		low = begins
	}
	rows = append(rows, after...)
	if !first && (begins >= low+max(d.g.ms, 1) || len(holes(rows, d.g.ms, -1, false)) > 0) {
		limit := int(min(d.h.cfg.AllowedLateness/max(d.g.ms, 1)+2, contextRows))
		before, err := d.ask(BarQuery{From: firstOpen, To: begins, Limit: limit, Newest: true}, false)
		if err != nil {
			return nil, d.parent.Err() // what is not known is not said
		}
		rows, first = append(places(before), rows...), len(before) < limit
	}
	out := holes(rows, d.g.ms, d.h.cfg.AllowedLateness, first)
	for i := range out {
		out[i] = Gap{max(out[i].From, low), min(out[i].To, q.To)}
	}
	return out, nil
}

// after reads some bars behind the page where it does not end next to what was asked
// for.
func (d *deepRead) after(q *BarQuery, rows []publication, full bool) ([]publication, error) {
	n := len(rows)
	if full && !q.Newest || q.To > d.reach || n > 0 && rows[n-1].t+max(d.g.ms, 1) >= q.To {
		return nil, nil
	}
	if q.To == d.kept { // the store holds it, and all that was published before
		return []publication{d.oldest}, nil
	}
	found, err := d.ask(BarQuery{From: q.To, To: d.reach + 1, Limit: afterRows}, false)
	if err != nil {
		return nil, d.parent.Err() // what is not known is not said
	}
	return places(found), nil
}

func places(bars []storeBar) []publication {
	out := make([]publication, len(bars))
	for i := range bars {
		out[i] = bars[i].place
	}
	return out
}

// neighbours are the last of bars before a page that nothing is missing between, up
// to the first bars of the page: a value over bars that are none is none.
func (d *deepRead) neighbours(bars []storeBar) []storeBar {
	rows := append(places(bars), d.store[:min(len(d.store), afterRows)]...)
	gaps := holes(rows, d.g.ms, d.h.cfg.AllowedLateness, false)
	if len(gaps) == 0 {
		return bars
	}
	i, _ := slices.BinarySearchFunc(bars, gaps[len(gaps)-1].To, func(b storeBar, t int64) int { return order(b.t, t) })
	return bars[i:]
}

// missAlso notes a gap, unless another one tells of it already.
func (d *deepRead) missAlso(g Gap) {
	m := &d.page.origin.missing
	if g.From >= g.To || slices.ContainsFunc(*m, func(o Gap) bool { return g.From < o.To && o.From < g.To }) {
		return
	}
	*m = append(*m, g)
	slices.SortFunc(*m, func(a, b Gap) int { return order(a.From, b.From) })
}
