package core

// dueQueue is a heap of the symbols of one source by a lower bound of the next
// end of their open bars. Bounds are only raised when they come to the top: a
// symbol that closes its own bars costs the heap nothing, and a punctuation
// costs as much as it closes.
type dueQueue []dueEntry

type dueEntry struct {
	end int64
	sym *symbol
}

// schedule makes sure that sym is looked at when end has passed.
func (q *dueQueue) schedule(sym *symbol, end int64) {
	if sym.duePos < 0 {
		sym.duePos = len(*q)
		*q = append(*q, dueEntry{end, sym})
		q.up(sym.duePos)
		return
	}
	if end < (*q)[sym.duePos].end {
		(*q)[sym.duePos].end = end
		q.up(sym.duePos)
	}
}

// top returns the symbol with the earliest end, raising bounds on the way; nil
// if no bar is open.
func (q *dueQueue) top() *symbol {
	for len(*q) > 0 {
		first := &(*q)[0]
		switch {
		case first.sym.due == noDue:
			q.pop()
		case first.sym.due > first.end:
			first.end = first.sym.due
			q.down(0)
		default:
			return first.sym
		}
	}
	return nil
}

func (q *dueQueue) pop() {
	h := *q
	h[0].sym.duePos = -1
	last := len(h) - 1
	if last > 0 {
		h[0] = h[last]
		h[0].sym.duePos = 0
	}
	h[last] = dueEntry{}
	*q = h[:last]
	q.down(0)
}

func (q *dueQueue) up(i int) {
	h := *q
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].end <= h[i].end {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (q *dueQueue) down(i int) {
	h := *q
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].end < h[child].end {
			child++
		}
		if h[i].end <= h[child].end {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (q dueQueue) swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].sym.duePos, q[j].sym.duePos = i, j
}
