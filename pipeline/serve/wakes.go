package serve

import "sync"

// wakes tells the goroutines of Previews and Tend what to do.
type wakes struct {
	mu      sync.Mutex
	changed map[*group]struct{} // forming bars that changed
	shown   chan struct{}       // one slot each
	lapsed  chan struct{}
}

func newWakes() wakes {
	return wakes{changed: map[*group]struct{}{}, shown: make(chan struct{}, 1), lapsed: make(chan struct{}, 1)}
}

// preview asks for the provisional values of g; of many bars in short time the
// last one counts.
func (w *wakes) preview(g *group) {
	w.mu.Lock()
	w.changed[g] = struct{}{}
	w.mu.Unlock()
	signal(w.shown)
}

func (w *wakes) take() map[*group]struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.changed
	w.changed = map[*group]struct{}{}
	return out
}

// tend asks for what has lapsed to be computed anew.
func (w *wakes) tend() { signal(w.lapsed) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
