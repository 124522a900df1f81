package verify

import "strconv"

// settle lets go of the bars that nothing may change any longer.
func (a *auditor) settle() {
	for _, s := range a.touched {
		s.touched = false
		s.oldPS = s.ps
		wm := max(s.watermark(a.cfg.WatermarkDelay), s.shown)
		if wm <= s.settle {
			continue
		}
		s.settle = 1<<63 - 1
		for _, sr := range s.series {
			for len(sr.windows) > 0 && sr.windows[0].end+a.hold < wm {
				a.close(sr, sr.windows[0], true)
				sr.drop()
			}
			if len(sr.windows) > 0 {
				s.settle = min(s.settle, sr.windows[0].end+a.hold)
			}
		}
	}
	a.touched = a.touched[:0]
}

// drop lets go of the oldest bar, and keeps its memory for the next one.
func (s *series) drop() {
	w := s.windows[0]
	s.gone = max(s.gone, w.end)
	copy(s.windows, s.windows[1:])
	s.windows[len(s.windows)-1] = nil
	s.windows = s.windows[:len(s.windows)-1]
	s.idle = w
}

// close judges a bar for the last time: it had to be published, in a revision
// that has all of its trades, with the values that its predecessors give.
func (a *auditor) close(s *series, w *window, due bool) {
	switch {
	case w.said.rev < 0 && w.unproven != "":
		a.report.unproven(w.unproven, 1, 0)
		return
	case w.said.rev < 0 && !due:
		a.report.Open++
		return
	case w.said.rev < 0:
		if !a.missing(s, w) {
			return
		}
	case w.unproven != "":
		a.report.unproven(w.unproven, 1, 0)
	case w.stale:
		a.differ(&Difference{
			Place: "klines", Symbol: s.symbol.name, Interval: s.interval.Name, Open: w.open, Rev: w.said.rev, Field: "revision missing",
			Expected: "n " + strconv.FormatInt(w.n, 10), Found: "n " + strconv.FormatInt(w.said.n, 10), From: w.o0, To: w.o1, Record: w.said.record,
		})
		a.report.Bars++
	default:
		a.report.Bars++
	}
	a.values(s, w)
	s.bars++
}

// missing is a bar that had to be published and was not found. It reports
// false where that has another reason than a loss.
func (a *auditor) missing(s *series, w *window) bool {
	switch {
	case a.cut && w.o1 <= a.oldest:
		a.report.unproven("klines that retention has removed", 1, 0)
		return false
	case !s.begun:
		// Its interval may have been added later: the first record will tell.
		s.early.add(w.open)
		return false
	case s.full && w.open < s.firstAt && w.o1 < s.firstSo && s.late():
		a.report.unproven(reasonAdded, 1, 0)
		return false
	case s.full && s.wasAway(w):
		a.report.unproven(reasonAway, 1, 0)
		return false
	case s.full && a.changes.between(s.lastSo, a.now):
		s.absent.add(w.open)
		return false
	}
	a.differ(&Difference{
		Place: "klines", Symbol: s.symbol.name, Interval: s.interval.Name, Open: w.open, Field: "missing",
		Expected: "a bar of " + strconv.FormatInt(w.n, 10) + " trades", From: w.o0, To: w.o1, Record: -1,
	})
	a.report.Bars++
	return true
}

// finish judges what is still held at the end of the range.
func (a *auditor) finish() {
	for _, s := range a.ordered() {
		// What a kline shows of the watermark, decisions included, was that of all
		// bars of its symbol.
		wm := max(s.watermark(a.cfg.WatermarkDelay), s.shown)
		for _, sr := range s.series {
			last := -1
			for i, w := range sr.windows {
				if w.said.rev >= 0 {
					last = i
				}
			}
			for i, w := range sr.windows {
				a.close(sr, w, w.end <= wm || i < last)
			}
			sr.windows = nil
			a.lostBars(sr, &sr.early)
			a.lostBars(sr, &sr.absent)
			for i := range a.cfg.Instances {
				if sr.state != nil {
					a.lostValues(sr, &sr.state.one[i], a.cfg.Instances[i].Name)
				}
			}
		}
	}
}
