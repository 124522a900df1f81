package wasmhost

import "fmt"

// Backfill runs closed bars of one slot, in order. Row i of out, with
// len(Instance.Outputs) numbers, receives the values of bar i, and
// degenerate[i] their flag; degenerate may be nil. It returns how many bars
// were done; the rest of out is [NoValue]. An error from the module is a
// [*SlotError] and stays with the slot.
//
// Long histories are done in chunks, between which other callers of the shard
// get their turn; meanwhile the slot must not be used by anybody else.
func (s *Shard) Backfill(slot Slot, bars []Bar, out []float64, degenerate []bool) (int, error) {
	if len(bars) == 0 {
		return 0, nil
	}
	if len(out)%len(bars) != 0 || (degenerate != nil && len(degenerate) != len(bars)) {
		return 0, fmt.Errorf("backfilling: room for %d values and %d flags for %d bars", len(out), len(degenerate), len(bars))
	}
	values := len(out) / len(bars)
	for from := 0; from < len(bars); from += maxChunk {
		to := min(from+maxChunk, len(bars))
		c := s.take(opBackfill)
		c.slot, c.bars, c.out = slot, bars[from:to], out[from*values:to*values]
		if degenerate != nil {
			c.flags = degenerate[from:to]
		}
		s.submit(c)
		n, err := c.n, c.err
		s.give(c)
		if err != nil {
			fillNoValue(out[to*values:])
			return from + n, fmt.Errorf("backfilling: %w", err)
		}
	}
	return len(bars), nil
}

// backfill does one chunk.
func (s *Shard) backfill(slot Slot, bars []Bar, out []float64, flags []bool) (int, error) {
	r, err := s.slots.get(slot)
	if err != nil {
		return 0, err
	}
	if len(out) != len(bars)*r.kind.values {
		return 0, fmt.Errorf("room for %d values, %d bars of %s have %d", len(out), len(bars), r.kind.inst.Name, len(bars)*r.kind.values)
	}
	fillNoValue(out)
	clear(flags)
	for from := 0; from < len(bars); {
		to := from
		for to < len(bars) && bars[to].finite() && finite(r.kind.source.Of(&bars[to])) {
			to++
		}
		if to == from { // not handed in, as in Apply
			from++
			continue
		}
		n, err := s.runPieces(slot, r, bars[from:to], rows{out, flags, from})
		if err != nil {
			return from + n, err
		}
		from = to
	}
	return len(bars), nil
}

func finite(f float64) bool { return f-f == 0 }

// rows is where the values of a run of bars go: from row number at.
type rows struct {
	out   []float64
	flags []bool
	at    int
}

// runBars runs finite bars in one guest call.
func (s *Shard) runBars(slot Slot, r *record, bars []Bar, dst rows) (int, error) {
	if r.failed {
		return 0, s.failures[slot.index]
	}
	g := s.mend(r.slab.guest)
	if g.broken != nil {
		return 0, slotError(g.gone(), true)
	}
	defer s.mend(g)
	k, stride := r.kind, uint32(r.kind.outputs*8)
	for i := range bars {
		putBar(g.view[g.io.bars+uint32(i)*barSize:], &bars[i], k.source.Of(&bars[i]), true)
	}
	prefill(g.view[g.io.rows:], len(bars)*k.outputs)
	putJob(g.view[g.io.jobs:], k.id, r.slab.base+r.off, g.io.bars, uint32(len(bars)), g.io.rows, stride)
	n, err := g.runSeries(len(bars), stride)
	g.count.bars += uint64(n)
	for i := range n {
		row := g.view[g.io.rows+uint32(i)*stride:]
		readRow(dst.out[(dst.at+i)*k.values:(dst.at+i+1)*k.values], row, &g.count)
		if dst.flags != nil && k.outputs > k.values {
			dst.flags[dst.at+i] = degenerateAt(row, k.outputs-1)
		}
	}
	if err == nil {
		return n, nil
	}
	f := slotError(err, len(bars) > 1 && g.batch != nil)
	if g.broken == nil {
		g.count.errors++
	}
	s.fail(slot, r, f)
	return n, f
}

// runSeries runs the KlJob at the front of the I/O slab over n bars and
// returns how many were done.
func (g *guest) runSeries(n int, stride uint32) (int, error) {
	if g.batch == nil {
		return g.runOneByOne(n, stride)
	}
	g.stack[0], g.stack[1] = uint64(g.io.jobs), 1
	if err := g.runUpdate(g.batch, g.module.budget.of(n)); err != nil {
		return 0, err
	}
	if rc := int32(uint32(g.stack[0])); rc != 0 {
		return 0, fmt.Errorf("kl_update_batch returned %d, which must be 0", rc)
	}
	did, rc := jobResult(g.view[g.io.jobs:])
	if rc == RCReady || rc == RCWarming {
		return n, nil
	}
	// The count comes from the guest.
	return int(min(did, uint32(n-1))), g.resultError(rc, true)
}

func (g *guest) runOneByOne(n int, stride uint32) (int, error) {
	for i := range n {
		if err := g.updateOnce(g.io.jobs, g.io.bars+uint32(i)*barSize, g.io.rows+uint32(i)*stride); err != nil {
			return i, err
		}
		if _, rc := jobResult(g.view[g.io.jobs:]); rc != RCReady && rc != RCWarming {
			return i, g.resultError(rc, true)
		}
	}
	return n, nil
}
