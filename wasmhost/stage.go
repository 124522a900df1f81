package wasmhost

// stage holds the jobs of one guest that wait for the next call of it. Their
// bars, job records and preview copies are in the I/O slab already. Previews
// and closed bars never share a call: which previews a node is asked for is
// chance, and a trap in one of them must not reach a state.
type stage struct {
	jobs    []uint32 // indices into Shard.jobs; pointers would cost a write barrier each
	preview bool
	listed  bool   // in Shard.staged
	pass    uint32 // counts calls; a wrap only makes one batch shorter
	scratch uint32 // next free byte for copies
	out     uint32 // next output row
	next    uint32 // next bar
	bar     *Bar   // staged last, nil after a flush
	source  Price  // as which it was read
}

// has tells whether the bar staged last is b, with the same source.
func (st *stage) has(b *Bar, source Price) bool { return st.bar == b && st.source == source }

// mustFlush tells whether the staged jobs must be done before this one can be
// staged: no state occurs twice in one call, and a copy for a preview has to
// see the closed bars before it.
func (g *guest) mustFlush(r *record, job *Job) bool {
	st := &g.stage
	switch n := len(st.jobs); {
	case n == 0:
		return false
	case n >= g.module.budget.jobs || st.preview != job.Preview:
		return true
	case job.Preview:
		return st.scratch+r.kind.room > g.io.end
	default:
		return r.pass == st.pass
	}
}

// put stages job number i: its bar, unless the job before had the same, its
// row and its record go into the I/O slab.
func (g *guest) put(i uint32, r *record, job *Job, src float64) {
	st, k := &g.stage, r.kind
	if len(st.jobs) == 0 {
		st.preview, st.scratch, st.out, st.next = job.Preview, g.io.scratch, g.io.outs, g.io.bars
	}
	if !st.has(job.Bar, k.source) {
		putBar(g.view[st.next:], job.Bar, src, !job.Preview)
		st.bar, st.source = job.Bar, k.source
		st.next += barSize
	}
	state := r.slab.base + r.off
	if job.Preview {
		copy(g.view[st.scratch:st.scratch+k.size], g.view[state:state+k.size])
		state = st.scratch
		st.scratch += k.room
	} else {
		r.pass = st.pass
	}
	prefill(g.view[st.out:], k.outputs)
	putJob(g.view[g.io.jobs+uint32(len(st.jobs))*jobSize:], k.id, state, st.next-barSize, 1, st.out, 0)
	st.out += uint32(k.outputs) * 8
	st.jobs = append(st.jobs, i)
}
