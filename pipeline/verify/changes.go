package verify

import "slices"

// Reasons of what a changed configuration leaves out.
const (
	reasonAway = "bars of an interval that was not configured meanwhile"
	reasonAnew = "values of indicators or intervals that were not configured meanwhile"
)

// changes are the places at which the configuration of a partition was changed,
// by its journal. What was configured between them nobody says: an interval
// without a single bar between two of them, before which and behind which it has
// some, may have been taken away and be back.
type changes struct {
	at []int64 // positions, ascending
	// heard tells by interval and by number of changes before whether a bar was
	// published there.
	heard [][]bool
}

func newChanges(at []int64, intervals int) changes {
	slices.Sort(at)
	c := changes{at: at, heard: make([][]bool, intervals)}
	for i := range c.heard {
		c.heard[i] = make([]bool, len(at)+1)
	}
	return c
}

// hear takes note of a record of interval i. One at the place of a change itself
// may be of before or of behind, and tells nothing.
func (c *changes) hear(i int, so int64) {
	n, here := slices.BinarySearch(c.at, so)
	if !here {
		c.heard[i][n] = true
	}
}

// between tells whether there was a change from a position to another, both
// included.
func (c *changes) between(from, to int64) bool {
	n, _ := slices.BinarySearch(c.at, from)
	return n < len(c.at) && c.at[n] <= to
}

// away tells whether interval i may have been taken away behind position from, and
// have been configured again up to position to.
func (c *changes) away(i int, from, to int64) bool {
	n, _ := slices.BinarySearch(c.at, from)
	for ; n+1 < len(c.at) && c.at[n+1] <= to; n++ {
		if !c.heard[i][n+1] {
			return true
		}
	}
	return false
}

// span is the time between two bars of a series, by their open times.
type span struct{ from, to int64 }

// back takes the first record behind a change of the configuration. Bars that are
// missing in front of it were judged before it came, or will be later: those of a
// long lateness.
func (a *auditor) back(k *published) {
	s := k.series
	if a.changes.away(s.number, s.lastSo, k.so) {
		a.report.unproven(reasonAway, s.absent.n, 0)
		s.absent = lacking{}
		s.away = slices.DeleteFunc(s.away, func(x span) bool { return x.to <= s.gone })
		s.away = append(s.away, span{s.lastAt, k.t})
		if string(k.q) == "partial" {
			s.partial = k.end + 1
		}
	}
	a.lostBars(s, &s.absent)
}

// wasAway tells whether bar w falls into a time in which its interval may not have been
// configured.
func (s *series) wasAway(w *window) bool {
	return slices.ContainsFunc(s.away, func(x span) bool { return w.open > x.from && w.open < x.to })
}
