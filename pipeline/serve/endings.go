package serve

// endings are cursors that nobody uses any more. They are collected while locks
// are held and closed after those were given back: closing one waits for the
// guest, which may be busy with the bars of somebody else.
type endings struct {
	cursors []Cursor
}

// add takes what a state holds. States may be nil.
func (e *endings) add(states ...*running) {
	for _, r := range states {
		if r == nil {
			continue
		}
		for _, c := range []Cursor{r.cursor, r.failed} {
			if c != nil {
				e.cursors = append(e.cursors, c)
			}
		}
		r.cursor, r.failed = nil, nil
	}
}

// close ends what was collected. The caller holds no lock.
func (e *endings) close() {
	for _, c := range e.cursors {
		c.Close()
	}
	e.cursors = nil
}
