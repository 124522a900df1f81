package core

// lateness says whether a trade finds its bars open.
type lateness uint8

const (
	inTime  lateness = iota // its bar of the base is open
	late                    // closed, and still kept: restatement
	tooLate                 // forgotten
)

// lateness classifies a trade at ms. The smallest interval decides for all of
// them, so that a trade is in every interval or in none.
func (e *Engine) lateness(s *symbol, ms, wm int64) lateness {
	end := e.cas.open(0, ms) + e.cas.lens[0]
	if end > wm {
		return inTime
	}
	if wm-end > e.cfg.AllowedLateness {
		return tooLate
	}
	for i := range s.series {
		// Only after a change of the configuration: a bar that was forgotten
		// under a shorter lateness cannot be restated, and what would be
		// published in its place lacks its trades.
		if end := e.cas.open(i, ms) + e.cas.lens[i]; end <= wm && end <= s.series[i].evicted {
			return tooLate
		}
	}
	return late
}

// spread merges a trade into the bars it belongs to: the roots, and from there
// whatever is closed already.
func (e *Engine) spread(s *symbol, f *fill, wm int64, l lateness, out *Outputs) {
	if l == inTime {
		e.addOpen(s, 0, f)
	} else {
		e.restate(s, 0, f, wm, out)
	}
	for _, i := range e.cas.roots[1:] {
		if e.cas.open(i, f.ms)+e.cas.lens[i] > wm {
			e.addOpen(s, i, f)
		} else {
			e.restate(s, i, f, wm, out)
		}
	}
}

// addOpen merges a trade into the open bar of series i.
func (e *Engine) addOpen(s *symbol, i int, f *fill) {
	sr := &s.series[i]
	// The newest bar is where nearly every trade goes: no division then.
	if n := len(sr.open); n > 0 {
		if a := &sr.open[n-1]; f.ms >= a.start && f.ms < a.start+e.cas.lens[i] {
			a.add(f)
			return
		}
	}
	start := e.cas.open(i, f.ms)
	j, ok := sr.open.locate(start)
	if ok {
		sr.open[j].add(f)
		return
	}
	sr.open.insert(j).begin(start, f)
	e.opened(s, i)
}

// opened sets the due times after a bar was inserted.
func (e *Engine) opened(s *symbol, i int) {
	sr := &s.series[i]
	sr.nextDue(e.cas.lens[i])
	if sr.due < s.due {
		s.due = sr.due
		s.src.due.schedule(s, s.due)
	}
}

// restate merges a late trade into the closed bar of series i and into the bars
// made of it: an open one takes the trade, a closed one is restated in turn.
func (e *Engine) restate(s *symbol, i int, f *fill, wm int64, out *Outputs) {
	start := e.cas.open(i, f.ms)
	if start+e.cas.lens[i] > wm {
		e.addOpen(s, i, f)
		return
	}
	if start >= s.series[i].from {
		e.restateKept(s, i, start, f, wm, out)
	}
	for _, j := range e.cas.feeds[i] {
		e.restate(s, j, f, wm, out)
	}
}

func (e *Engine) restateKept(s *symbol, i int, start int64, f *fill, wm int64, out *Outputs) {
	k := &s.series[i].kept
	j, ok := k.search(start)
	var a *accumulator
	if ok {
		a = k.at(j)
		a.add(f)
	} else {
		e.fresh.begin(start, f)
		a = k.insert(j, &e.fresh)
	}
	a.rev++
	e.publish(s, i, a, wm, WhyLate, out)
}
