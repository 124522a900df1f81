package pipeline

import (
	"fmt"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// restated is what a restated bar does to one instance: the values from that
// bar on, as columns.
type restated struct {
	Instance int
	Seq      int64
	T        []int64     // open times, ms
	V        [][]float64 // one column per output; NaN = none
}

// restate runs the instances again from the bar k, whose record is the
// index-th kline of the batch. The values of k itself also go into that record.
func (v *valueSet) restate(index int, k *core.Kline) ([]restated, error) {
	if len(v.instances) == 0 {
		return nil, nil
	}
	if err := v.flush(); err != nil {
		return nil, err
	}
	s, err := v.seriesOf(k.SymbolID, int(k.IntervalIdx))
	if err != nil {
		return nil, err
	}
	at := s.put(kept{bar: k.Bar(), end: k.CloseTime + 1})
	out := make([]restated, len(s.states))
	for i := range s.states {
		if out[i], err = v.replay(s, i, at, index); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// replay takes instance i back to its newest mark before bar at and runs the
// bars from there on, keeping the values from at on.
func (v *valueSet) replay(s *series, i, at, index int) (restated, error) {
	st := &s.states[i]
	from, err := v.rewind(s, i, s.bars[at].bar.OpenTime)
	if err != nil {
		return restated{}, err
	}
	st.seq++
	r := restated{Instance: i, Seq: st.seq, V: make([][]float64, len(v.instances[i].Outputs))}
	jobs, err := v.rerun(s, i, from)
	if err != nil {
		return restated{}, fmt.Errorf("restating %s: %w", v.instances[i].Name, err)
	}
	for k := range jobs {
		b := from + k
		st.n++
		val := &v.values[index*len(v.instances)+i]
		if b != at {
			val = &v.spareValue
		}
		val.N, val.Seq = st.n, st.seq
		val.V = append(val.V[:0], jobs[k].Out...)
		v.finish(&jobs[k], st, i, val)
		if b >= at {
			r.T = append(r.T, s.bars[b].bar.OpenTime)
			for c := range r.V {
				r.V[c] = append(r.V[c], val.V[c])
			}
		}
		s.keep(st, b, &jobs[k])
	}
	return r, nil
}

// rewind restores the newest state before the bar that opens at open, drops
// the later ones and returns the index of the first bar to run again.
func (v *valueSet) rewind(s *series, i int, open int64) (int, error) {
	st := &s.states[i]
	m := st.before(open)
	state, from := v.fresh[s.interval][i], 0
	st.n, st.failed = 0, false
	if m >= 0 {
		state, st.n, st.failed = st.marks[m].state, st.marks[m].n, st.marks[m].failed
		for from < len(s.bars) && s.bars[from].bar.OpenTime <= st.marks[m].open {
			from++
		}
	}
	st.marks = st.marks[:m+1]
	if err := v.host.SetState(v.p, st.slot, state); err != nil {
		return 0, fmt.Errorf("going back to an earlier state of %s: %w", v.instances[i].Name, err)
	}
	return from, nil
}

// rerun runs instance i over the bars from index from on, in one call: a
// restore has thousands of series. The result is valid until the next rerun.
func (v *valueSet) rerun(s *series, i, from int) ([]Job, error) {
	width, n := len(v.instances[i].Outputs), len(s.bars)-from
	v.rows = slices.Grow(v.rows[:0], n*width)[:n*width]
	v.again = v.again[:0]
	for k := range n {
		v.again = append(v.again, s.job(&s.states[i], from+k, v.rows[k*width:(k+1)*width]))
	}
	if n == 0 {
		return nil, nil
	}
	return v.again, v.host.Apply(v.p, v.again)
}
