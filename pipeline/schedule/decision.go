package schedule

import "sort"

// decision is a journal record.
type decision struct {
	offset int64 // in the journal, once it is known
	at, n  int64
	lo     int64
	lc     uint32
	body   string
	time   int64
}

// counter applies the rule of the numbers: a record counts iff its number is one
// above that of the last that counted; a lower one is void, a jump means that
// records were lost.
type counter struct {
	last int64
	recs []decision
	void int
	jump bool
}

func (c *counter) take(r *record) {
	switch {
	case r.decision.n == c.last+1:
		d := *r.decision
		d.offset = r.offset
		c.last, c.recs = d.n, append(c.recs, d)
	case r.decision.n <= c.last:
		c.void++
	default:
		c.jump = true
	}
}

// pending are decisions in the order in which they act.
type pending []decision

func (q *pending) insert(d decision) {
	i := sort.Search(len(*q), func(i int) bool { return (*q)[i].at > d.at })
	*q = append(*q, decision{})
	copy((*q)[i+1:], (*q)[i:])
	(*q)[i] = d
}

// due returns the first decision if it acts before the record at offset.
func (q *pending) due(offset int64) (decision, bool) {
	if len(*q) == 0 || (*q)[0].at > offset {
		return decision{}, false
	}
	d := (*q)[0]
	*q = (*q)[1:]
	return d, true
}
