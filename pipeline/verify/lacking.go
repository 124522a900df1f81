package verify

import "strconv"

// lacking counts what was not there and may have had to be, until it is known.
type lacking struct{ n, open int64 } // open time of the first

func (l *lacking) add(open int64) {
	if l.n == 0 {
		l.open = open
	}
	l.n++
}

// lost reports what is lacking of a series as a difference: it had to be there.
func (a *auditor) lost(s *series, l *lacking, field, of, found string) {
	if l.n == 0 {
		return
	}
	a.differ(&Difference{
		Place: "klines", Symbol: s.symbol.name, Interval: s.interval.Name, Open: l.open, Field: field,
		Expected: strconv.FormatInt(l.n, 10) + " " + of + ", this one first", Found: found, From: -1, To: -1, Record: -1,
	})
	*l = lacking{}
}

func (a *auditor) lostBars(s *series, l *lacking) { a.lost(s, l, "missing", "bars", "") }

func (a *auditor) lostValues(s *series, st *state, name string) {
	a.lost(s, &st.absent, "ind "+name, "values", "none")
}
