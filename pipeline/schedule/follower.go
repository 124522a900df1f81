package schedule

// follow moves the view of partition p by up to most records of klines, the way
// each node's follower does: it believes in a position, and the view says where
// it really stands.
func (n *node) follow(p, most int) bool {
	if !n.alive() {
		return false
	}
	w := n.w
	log := w.logs[klines][p]
	from, to := n.have[p], log.stable()
	var recs []*record
	log.committed(from, to, func(r *record) {
		if r.head != "" {
			return // restated values are not bars
		}
		if len(recs) == most {
			to = min(to, r.offset)
		}
		if len(recs) < most {
			recs = append(recs, r)
		}
	})
	to = max(from, to)
	a, have := w.view.call(w, p, from, to, recs)
	switch a {
	case answerMissing:
		_, n.have[p] = w.view.script(p, 0, 0, true, nil, false)
	default:
		n.have[p] = have
	}
	w.trace.note(w.events, "view", int64(p), from, n.have[p])
	w.checkView(p)
	return true
}

// call runs the script. An answer that is lost says nothing: an empty range at
// the old position tells whether it ran.
func (v *view) call(w *world, p int, from, to int64, recs []*record) (answer, int64) {
	byOffset := w.opt.Mutant.VersionByOffset
	if w.fails(ViewReplyVoid, 4) {
		return v.script(p, from, from, false, nil, byOffset)
	}
	a, have := v.script(p, from, to, false, recs, byOffset)
	if w.fails(ViewReplyApplied, 4) {
		return v.script(p, from, from, false, nil, byOffset)
	}
	return a, have
}
