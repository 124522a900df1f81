package wasmhost

// alone runs one job in a call of its own and answers it at once. What has no
// company has no use for a record of it in the I/O slab: jobs of guests that
// take one a call, uploads and modules without kl_update_batch, and those of a
// series with several bars.
func (s *Shard) alone(g *guest, r *record, job *Job, src float64) {
	k, state := r.kind, r.slab.base+r.off
	putBar(g.view[g.io.bars:], job.Bar, src, !job.Preview)
	if job.Preview {
		copy(g.view[g.io.scratch:g.io.scratch+k.size], g.view[state:state+k.size])
		state = g.io.scratch
		g.count.previews++
	} else {
		g.count.bars++
	}
	prefill(g.view[g.io.outs:], k.outputs)
	rc, err := g.callUpdate(k.id, state, g.io.bars, g.io.outs)
	s.answer(g, result{rc: rc, row: g.io.outs, err: err}, r, job)
	if g.broken != nil {
		s.mend(g)
	}
}
