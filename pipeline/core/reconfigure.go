package core

// reconfigured returns n under the rules of cfg.
func (e *Engine) reconfigured(cfg Config) *Engine {
	n, err := New(cfg)
	if err != nil {
		panic(err) // cfg comes from an engine that New has built
	}
	n.next, n.begun, n.epoch, n.counters = e.next, e.begun, e.epoch, e.counters
	n.sources, n.sourceByName, n.symbols, n.index = e.sources, e.sourceByName, e.symbols, e.index
	n.retired = e.retiredBy(&cfg)
	p := e.prints
	p.limit, p.window = n.prints.limit, n.prints.window
	n.prints = p
	for _, s := range n.symbols {
		if cfg.WatermarkDelay > e.cfg.WatermarkDelay {
			s.floor = max(s.floor, e.watermark(s, s.src))
		}
		n.applyDeclared(s)
		if !sameIntervals(cfg.Intervals, e.cfg.Intervals) {
			n.moveSeries(e, s)
		}
		s.due = noDue
		for i := range s.series {
			s.due = min(s.due, s.series[i].due)
		}
		if s.due != noDue {
			s.src.due.schedule(s, s.due)
		}
	}
	return n
}

func sameIntervals(a, b []Interval) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].name != b[i].name {
			return false
		}
	}
	return true
}

// moveSeries gives s the series of the new intervals. What the open bars hold
// so far, their parts included, is carried: under the new cascade those parts
// may reach a larger bar on another way, twice, or never.
func (e *Engine) moveSeries(old *Engine, s *symbol) {
	series := make([]series, len(e.cfg.Intervals))
	now := max(s.event, s.src.watermark)
	for i, itv := range e.cfg.Intervals {
		j := 0
		for j < len(old.cfg.Intervals) && old.cfg.Intervals[j].name != itv.name {
			j++
		}
		series[i] = newSeries()
		if j == len(old.cfg.Intervals) {
			series[i].from, series[i].seq = itv.CloseTime(now), old.counted(s, itv.name)
			continue
		}
		was := &s.series[j]
		series[i] = *was
		series[i].open, series[i].carried = nil, old.carry(s, j)
		series[i].nextDue(itv.millis)
	}
	var retired []int64
	for _, name := range e.retired {
		retired = append(retired, old.counted(s, name))
	}
	s.series, s.retired = series, retired
}

// carry returns the whole open bars of series i.
func (e *Engine) carry(s *symbol, i int) openBars {
	var out openBars
	add := func(bars openBars) {
		for b := range bars {
			start := e.cas.open(i, bars[b].start)
			if j, ok := out.locate(start); !ok && start >= s.series[i].from {
				*out.insert(j) = e.joined(s, i, start)
			}
		}
	}
	for j := range s.series {
		if e.cas.inside[i]&(1<<j) != 0 {
			add(s.series[j].open)
		}
	}
	add(s.series[i].carried)
	return out
}

// applyDeclared widens s to a scale declared since the snapshot, and gives it the
// order. Where its integers do not fit, the symbol keeps a scale that follows its
// trades.
func (e *Engine) applyDeclared(s *symbol) {
	r := RuleOf(e.cfg.Symbols, s.name)
	if r == nil {
		return
	}
	if r.Order != OrderAuto {
		s.order = r.Order
	}
	dp := max(r.PriceScale, int8(s.priceScale)) - int8(s.priceScale)
	dq := max(r.SizeScale, int8(s.sizeScale)) - int8(s.sizeScale)
	if dp == 0 && dq == 0 {
		return
	}
	if f := (fill{}); s.widenable(uint8(dp), uint8(dq)) && s.bounded(&f, uint8(dp), uint8(dq)) {
		s.widen(uint8(dp), uint8(dq))
	} else {
		s.fixedPrice, s.fixedSize = false, false
	}
}
