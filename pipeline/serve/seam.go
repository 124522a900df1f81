package serve

// meet finds out whether the store goes on where memory begins: it was written in
// the order of the log, so it does if it holds the oldest bar of memory. A store that
// does not answer now is believed to hold what it said before, and no more.
func (d *deepRead) meet() {
	if d.met {
		return
	}
	d.met = true
	switch {
	case d.kept == lastOpen:
		d.whole, d.reach = true, d.kept
		return
	case d.sealed() && d.upto <= d.left.sealed:
		d.whole, d.reach = true, min(d.left.sealed, d.kept)
		return
	}
	found, err := d.ask(BarQuery{From: firstOpen, To: d.kept + 1, Limit: 1, Newest: true}, false)
	switch {
	case err != nil && len(d.store) > 0:
		d.reach = d.store[len(d.store)-1].t
	case err == nil && len(found) > 0:
		d.reach = found[0].t
	}
	if err == nil && d.reach == d.kept {
		d.whole = true
		d.g.seal(d.gates[0].id, d.kept)
	}
}

// sealed tells whether the store that answers is the one of which is known how far it
// goes: another configuration may have another database under the same name.
func (d *deepRead) sealed() bool { return d.name != "" && d.left.sealedBy == d.gates[0].id }

// seal notes that a store, by its gate, holds the bar that opens at t.
func (g *group) seal(store, t int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left.sealedBy != store || t > g.left.sealed {
		g.left.sealed, g.left.sealedBy = t, store
	}
}

// bridge reads what lies between the store, which lags, and memory from the log,
// and says what may be missing if the log does not hold it.
func (d *deepRead) bridge() {
	low := d.reach + 1
	if d.reach == never {
		low = firstOpen
	}
	if d.q.HasFrom {
		low = max(low, d.q.From)
	}
	if low >= d.upto || d.begins(d.upto) { // nothing of what is asked for lies between
		d.whole = true
		return
	}
	known := d.fromLog(low)
	if d.whole = known == never || d.begins(known); !d.whole {
		d.miss(low, known)
	}
}

// begins tells that what is known from that open time on goes back to the first
// bar of the series that the log ever showed, and the store holds none at all: one
// that was just configured. While the log before is being absorbed nobody knows it.
func (d *deepRead) begins(known int64) bool {
	return !d.partial && d.reach == never && known <= d.page.first
}

// miss notes that bars from low to high may be missing. There may be some that
// were remembered when they left memory, which says nothing about their neighbours.
func (d *deepRead) miss(low, high int64) {
	if d.reach != never && low == d.reach+1 {
		low = d.reach + max(d.g.ms, 1)
	}
	if low < high {
		d.page.origin.missing = append(d.page.origin.missing, Gap{low, high})
	}
}
