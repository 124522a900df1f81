package core

// advance raises the watermark of a source to ts and closes the bars of its
// symbols that it passes.
func (e *Engine) advance(src *source, ts int64, out *Outputs) {
	if ts <= src.watermark {
		return
	}
	src.watermark = ts
	limit := ts - e.cfg.WatermarkDelay
	for s := src.due.top(); s != nil && s.due <= limit; s = src.due.top() {
		e.closeBars(s, e.watermark(s, src), out)
	}
}

// closeBars closes every open bar of s that ends at wm or before, small ones
// first: each is merged into the larger ones it feeds before those are looked
// at.
func (e *Engine) closeBars(s *symbol, wm int64, out *Outputs) {
	e.touch(s, out)
	for i := range s.series {
		sr := &s.series[i]
		for sr.due <= wm {
			e.closeFirst(s, i, wm, out)
		}
	}
	s.due = noDue
	for i := range s.series {
		s.due = min(s.due, s.series[i].due)
		e.forget(s, i, wm)
	}
	if s.due != noDue {
		s.src.due.schedule(s, s.due)
	}
}

// closeFirst closes the oldest open bar of series i.
func (e *Engine) closeFirst(s *symbol, i int, wm int64, out *Outputs) {
	sr := &s.series[i]
	if len(sr.carried) > 0 && sr.carried[0].start+e.cas.lens[i] == sr.due {
		e.closeCarried(s, i, wm, out)
		return
	}
	a := &sr.open[0]
	e.pass(s, i, a)
	// A bar of an interval added later that began before it is passed on, but
	// neither published nor kept.
	if a.start >= sr.from {
		e.publish(s, i, sr.kept.push(a), wm, WhyNone, out)
	}
	sr.open.shift()
	sr.nextDue(e.cas.lens[i])
}

// closeCarried closes a bar that holds content from before a change of the
// intervals. The larger bars have that content already.
func (e *Engine) closeCarried(s *symbol, i int, wm int64, out *Outputs) {
	sr := &s.series[i]
	k := sr.kept.push(&sr.carried[0])
	if len(sr.open) > 0 && sr.open[0].start == k.start {
		e.pass(s, i, &sr.open[0])
		k.merge(&sr.open[0])
		sr.open.shift()
	}
	sr.carried.shift()
	if len(sr.carried) == 0 {
		sr.carried = nil
	}
	e.publish(s, i, k, wm, WhyNone, out)
	sr.nextDue(e.cas.lens[i])
}

// pass merges a closed bar of series i into the open bars made of it.
func (e *Engine) pass(s *symbol, i int, a *accumulator) {
	for _, j := range e.cas.feeds[i] {
		e.feed(s, j, a)
	}
}

// feed merges a closed bar into the open bar of series i that is made of it.
func (e *Engine) feed(s *symbol, i int, part *accumulator) {
	sr := &s.series[i]
	if n := len(sr.open); n > 0 {
		if a := &sr.open[n-1]; part.start >= a.start && part.start < a.start+e.cas.lens[i] {
			a.merge(part)
			return
		}
	}
	start := e.cas.open(i, part.start)
	j, ok := sr.open.locate(start)
	if ok {
		sr.open[j].merge(part)
		return
	}
	sr.open.insert(j).copyFrom(start, part)
	sr.nextDue(e.cas.lens[i])
}

// forget drops the kept bars of series i that no trade can change any more.
func (e *Engine) forget(s *symbol, i int, wm int64) {
	sr := &s.series[i]
	limit := wm - e.cfg.AllowedLateness - e.cas.overhang[i] - e.cas.lens[i]
	for sr.kept.n > 0 {
		start := sr.kept.oldest
		if start >= limit {
			return
		}
		sr.evicted = max(sr.evicted, start+e.cas.lens[i])
		sr.kept.drop()
	}
}
