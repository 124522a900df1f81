package core

import "slices"

// maxRetired is how many intervals are remembered that are configured no longer.
const maxRetired = 64

// retiredBy returns the intervals that e has counted bars of and cfg does not name,
// the latest ones last. How far their series have counted stays in the state: one
// that is configured again goes on from there. From 1 again, its consecutive
// numbers would prove nothing, and who follows the topic would take new bars for
// old ones.
func (e *Engine) retiredBy(cfg *Config) []string {
	names := slices.Clone(e.retired)
	for _, itv := range e.cfg.Intervals {
		names = append(names, itv.name)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(cfg.Intervals, func(itv Interval) bool { return itv.name == name })
	})
	return names[max(0, len(names)-maxRetired):]
}

// counted is the number of the last bar that was published of s with the
// interval called name, 0 if there was none.
func (e *Engine) counted(s *symbol, name string) int64 {
	for i := range e.cfg.Intervals {
		if e.cfg.Intervals[i].name == name {
			return s.series[i].seq
		}
	}
	if i := slices.Index(e.retired, name); i >= 0 && i < len(s.retired) {
		return s.retired[i]
	}
	return 0 // the symbol came after the interval had gone
}

// writeRetired writes the names, and the numbers symbol by symbol.
func (e *Engine) writeRetired(w *writer) {
	w.uint(uint64(len(e.retired)))
	for _, name := range e.retired {
		w.text(name)
	}
	for _, s := range e.symbols {
		for _, name := range e.retired {
			w.int(e.counted(s, name))
		}
	}
}

func (e *Engine) readRetired(r *reader) {
	for range r.count(1) {
		name := r.text(32)
		_, err := ParseInterval(name)
		known := slices.Contains(e.retired, name) ||
			slices.ContainsFunc(e.cfg.Intervals, func(itv Interval) bool { return itv.name == name })
		if err != nil || known || len(e.retired) == maxRetired {
			r.fail()
			return
		}
		e.retired = append(e.retired, name)
	}
	for _, s := range e.symbols {
		s.retired = make([]int64, len(e.retired))
		for i := range s.retired {
			if s.retired[i] = r.int(); s.retired[i] < 0 {
				r.fail()
				return
			}
		}
	}
}
