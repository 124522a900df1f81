package core

import "fmt"

// Begin sets the offset of the first record of a partition that was never read:
// where its log starts. Once a record was read it is an error, because it would
// hide a hole.
func (e *Engine) Begin(offset int64) error {
	if e.begun {
		return fmt.Errorf("beginning at offset %d: records up to %d were read already", offset, e.next)
	}
	e.next = max(offset, 0)
	return nil
}

// LowOffset returns the lowest input offset that feeds an open bar: from there
// on a lost state could be computed anew. Without an open bar it is Next.
func (e *Engine) LowOffset() int64 {
	low := e.next
	for _, s := range e.symbols {
		for i := range s.series {
			for _, open := range [...]openBars{s.series[i].open, s.series[i].carried} {
				for b := range open {
					low = min(low, open[b].o0)
				}
			}
		}
	}
	return low
}
