package pipeline

import (
	"fmt"
	"math"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Flags of a value, `fl` on the wire.
const (
	flagStable     = 1
	flagDegenerate = 2
	flagError      = 4
)

// The number of closed bars between two kept states of a series: at least
// markSpacing, and so many that no more than markBytes are copied per bar, up
// to maxSpacing. A restatement replays at most that many bars beyond those it
// changes; copying the states of long windows after every eighth bar would cost
// more than computing them.
const (
	markSpacing = 8
	maxSpacing  = 64
	markBytes   = 512
)

// maxQueued bounds the jobs that wait for one call of the host.
const maxQueued = 16384

// valueSet computes the configured instances over the closed bars of one
// partition, restates them, previews them on forming bars, and is part of the
// partition's checkpoint. The worker owns it.
//
// It keeps, per series, the bars that a late trade may still change and the
// state of each instance before the first of them: a restatement goes back
// there and runs the same bars again through the same code, so restated values
// have the bits that an orderly arrival would have given.
type valueSet struct {
	p         int32
	host      Indicators
	instances []Instance
	intervals []core.Interval
	lateness  int64 // ms
	series    []*series
	fresh     [][][]byte // [interval][instance]: state before the first bar

	queue   []Job
	owners  []owner
	again   []Job        // bars that a restatement or a restore runs again
	rows    []float64    // what they give
	values  []wire.Value // one block of len(instances) per kline of the batch
	numbers []float64    // arena of values[..].V
	// spareValue takes the values of replayed bars that no record carries.
	spareValue wire.Value
}

// owner says whose value a queued job computes.
type owner struct {
	series   *series
	instance int
	value    int // index into values
	open     int64
	end      int64 // of the bar
}

func newValueSet(p int32, host Indicators, intervals []core.Interval, lateness int64) *valueSet {
	v := &valueSet{p: p, host: host, intervals: intervals, lateness: lateness}
	if host != nil {
		v.instances = host.Instances()
	}
	v.fresh = make([][][]byte, len(intervals))
	return v
}

// close gives all slots back to the host.
func (v *valueSet) close() {
	for _, s := range v.series {
		if s == nil {
			continue
		}
		for i := range s.states {
			v.host.Close(v.p, s.states[i].slot)
		}
	}
	v.series = nil
}

// begin starts a batch of n klines and forgets the values of the last one.
func (v *valueSet) begin(n int) {
	need := n * len(v.instances)
	if cap(v.values) < need {
		v.values = make([]wire.Value, need)
	}
	v.values = v.values[:need]
	width := 0
	for i := range v.instances {
		width += len(v.instances[i].Outputs)
	}
	if cap(v.numbers) < n*width {
		v.numbers = make([]float64, n*width)
	}
	free := v.numbers[:n*width]
	for k := range n {
		for i := range v.instances {
			w := len(v.instances[i].Outputs)
			val := &v.values[k*len(v.instances)+i]
			*val = wire.Value{Name: v.instances[i].Name, Ver: v.instances[i].Version, V: free[:w:w]}
			free = free[w:]
		}
	}
}

// of returns the values of the batch's k-th kline, valid until begin.
func (v *valueSet) of(k int) []wire.Value {
	n := len(v.instances)
	return v.values[k*n : (k+1)*n]
}

// add queues the closed bar k, the index-th kline of the batch. Its values are
// there after flush.
func (v *valueSet) add(index int, k *core.Kline) error {
	if len(v.instances) == 0 {
		return nil
	}
	s, err := v.seriesOf(k.SymbolID, int(k.IntervalIdx))
	if err != nil {
		return err
	}
	if len(v.queue) >= maxQueued {
		if err := v.flush(); err != nil {
			return err
		}
	}
	s.push(kept{bar: k.Bar(), end: k.CloseTime + 1})
	v.enqueue(s, len(s.bars)-1, index)
	s.prune(k.Watermark - v.lateness - v.intervals[k.IntervalIdx].Overhang(v.intervals[0]))
	return nil
}

// enqueue queues bar b of the series for every instance.
func (v *valueSet) enqueue(s *series, b, index int) {
	for i := range s.states {
		st := &s.states[i]
		st.n++
		st.seq++
		at := index*len(v.instances) + i
		v.queue = append(v.queue, s.job(st, b, v.values[at].V))
		v.owners = append(v.owners, owner{series: s, instance: i, value: at, open: s.bars[b].bar.OpenTime, end: s.bars[b].end})
		val := &v.values[at]
		val.N, val.Seq = st.n, st.seq
	}
}

// flush runs the queued jobs and keeps the states that were due.
func (v *valueSet) flush() error {
	if len(v.queue) == 0 {
		return nil
	}
	if err := v.host.Apply(v.p, v.queue); err != nil {
		return fmt.Errorf("computing indicators of partition %d: %w", v.p, err)
	}
	for j := range v.queue {
		o, job := &v.owners[j], &v.queue[j]
		st := &o.series.states[o.instance]
		val := &v.values[o.value]
		v.finish(job, st, o.instance, val)
		if job.Keep {
			st.marks = append(st.marks, mark{n: val.N, open: o.open, end: o.end, failed: st.failed, state: job.State})
		}
	}
	v.queue, v.owners = v.queue[:0], v.owners[:0]
	return nil
}

// finish turns the result of a job into a value.
func (v *valueSet) finish(j *Job, st *state, instance int, val *wire.Value) {
	if j.Code < 0 && !j.Preview {
		st.failed = true
	}
	val.Flags = 0
	if st.failed || j.Code < 0 {
		// An error marks the instance on this series until its parameters or
		// its module change: trying again would let a restart change values.
		for i := range val.V {
			val.V[i] = math.NaN()
		}
		val.Flags = flagError
		return
	}
	if w := v.instances[instance].Warmup; w < NeverStable && val.N >= w {
		val.Flags |= flagStable
	}
	if j.Degenerate {
		val.Flags |= flagDegenerate
	}
}

// preview computes the provisional values of the forming bar k into out, one
// per instance. It changes nothing.
func (v *valueSet) preview(k *core.Kline, out []wire.Value) error {
	if len(v.instances) == 0 {
		return nil
	}
	s, err := v.seriesOf(k.SymbolID, int(k.IntervalIdx))
	if err != nil {
		return err
	}
	bar := k.Bar()
	for i := range s.states {
		st := &s.states[i]
		out[i].Name, out[i].Ver = v.instances[i].Name, v.instances[i].Version
		out[i].N, out[i].Seq = st.n+1, st.seq
		if w := len(v.instances[i].Outputs); cap(out[i].V) < w {
			out[i].V = make([]float64, w)
		} else {
			out[i].V = out[i].V[:w]
		}
		v.queue = append(v.queue, Job{Slot: st.slot, Bar: bar, Preview: true, Out: out[i].V})
	}
	if err := v.host.Apply(v.p, v.queue); err != nil {
		return fmt.Errorf("previewing indicators of partition %d: %w", v.p, err)
	}
	for i := range s.states {
		v.finish(&v.queue[i], &s.states[i], i, &out[i])
	}
	v.queue = v.queue[:0]
	return nil
}

// seriesOf returns the series of a symbol and interval, opening it at its
// first bar.
func (v *valueSet) seriesOf(symbol uint32, interval int) (*series, error) {
	at := int(symbol)*len(v.intervals) + interval
	if at >= len(v.series) {
		grown := make([]*series, (int(symbol)+1)*len(v.intervals)*5/4)
		copy(grown, v.series)
		v.series = grown
	}
	if v.series[at] != nil {
		return v.series[at], nil
	}
	s := &series{states: make([]state, len(v.instances))}
	for i := range s.states {
		slot, err := v.host.Open(v.p, i, v.intervals[interval].Millis())
		if err != nil {
			return nil, fmt.Errorf("opening %s on %s bars: %w", v.instances[i].Name, v.intervals[interval].Name(), err)
		}
		s.states[i].slot = slot
	}
	if err := v.keepFresh(interval, s); err != nil {
		return nil, err
	}
	s.spacing = v.spacing(interval)
	v.series[at] = s
	return s, nil
}

// spacing is how many closed bars of the interval lie between two marks.
func (v *valueSet) spacing(interval int) int64 {
	size := 0
	for _, b := range v.fresh[interval] {
		size += len(b)
	}
	n := markSpacing
	for n < maxSpacing && size > n*markBytes {
		n *= 2
	}
	return int64(n)
}

// keepFresh remembers what a new slot of the interval looks like: a
// restatement of a series' first bars goes back to before them.
func (v *valueSet) keepFresh(interval int, s *series) error {
	s.interval = interval
	if v.fresh[interval] != nil {
		return nil
	}
	states := make([][]byte, len(s.states))
	for i := range s.states {
		b, err := v.host.State(v.p, s.states[i].slot, nil)
		if err != nil {
			return fmt.Errorf("reading the first state of %s: %w", v.instances[i].Name, err)
		}
		states[i] = b
	}
	v.fresh[interval] = states
	return nil
}
