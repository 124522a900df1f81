package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// snapshot appends the state of all instances on all series. What lies after
// the oldest mark is not stored: it is the bars, and restore runs them again.
func (v *valueSet) snapshot(dst []byte, symbols func(id uint32) string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v.instances)))
	for i := range v.instances {
		dst = appendText(dst, v.instances[i].Name)
	}
	for at, s := range v.series {
		if s == nil {
			continue
		}
		dst = append(dst, 1)
		dst = appendText(dst, symbols(uint32(at/len(v.intervals))))
		dst = appendText(dst, v.intervals[s.interval].Name())
		dst = v.appendSeries(dst, s)
	}
	return append(dst, 0)
}

func (v *valueSet) appendSeries(dst []byte, s *series) []byte {
	dst = appendI64(dst, s.count)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.bars)))
	for i := range s.bars {
		dst = appendBar(dst, &s.bars[i])
	}
	ms := v.intervals[s.interval].Millis()
	for i := range s.states {
		st := &s.states[i]
		dst = appendI64(dst, st.seq)
		m := mark{state: v.fresh[s.interval][i]}
		if len(st.marks) > 0 {
			m = st.marks[0]
		}
		dst = appendI64(dst, m.end)
		dst = append(dst, flagByte(m.failed))
		dst = v.host.EncodeState(dst, i, ms, m.open, m.n, m.state)
	}
	return dst
}

func flagByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

const barBytes = 8 * 10

func appendBar(dst []byte, k *kept) []byte {
	b := &k.bar
	dst = appendI64(dst, b.OpenTime)
	dst = appendI64(dst, k.end)
	for _, f := range [...]float64{b.Open, b.High, b.Low, b.Close, b.Volume, b.QuoteVolume, b.TakerBuyVolume} {
		dst = appendI64(dst, int64(math.Float64bits(f)))
	}
	return appendI64(dst, b.N)
}

func (r *reader) bar() kept {
	var k kept
	b := &k.bar
	b.OpenTime, k.end = r.i64(), r.i64()
	for _, f := range [...]*float64{&b.Open, &b.High, &b.Low, &b.Close, &b.Volume, &b.QuoteVolume, &b.TakerBuyVolume} {
		*f = math.Float64frombits(uint64(r.i64()))
	}
	b.N = r.i64()
	b.CloseTime = k.end - 1
	return k
}

// restore reads what snapshot wrote. Instances and intervals that are no longer
// configured are skipped; an instance that was not there before starts with the
// bars that are kept.
func (v *valueSet) restore(b []byte, symbols func(name string) (uint32, bool)) error {
	r := &reader{b: b}
	n := int(r.u32())
	if n > len(b) {
		return errShort
	}
	stored := make([]int, n) // stored position -> configured instance, or -1
	for i := range stored {
		stored[i] = v.indexOf(r.text())
	}
	for r.u8() == 1 {
		symbol, interval := r.text(), r.text()
		id, ok := symbols(symbol)
		if !ok {
			return fmt.Errorf("values of symbol %.40q are stored, the symbol is not", symbol)
		}
		if err := v.restoreSeries(r, id, interval, stored); err != nil {
			return fmt.Errorf("restoring values of %.40q on %.16q bars: %w", symbol, interval, err)
		}
	}
	return r.err
}

func (v *valueSet) indexOf(name string) int {
	for i := range v.instances {
		if v.instances[i].Name == name {
			return i
		}
	}
	return -1
}

func (v *valueSet) restoreSeries(r *reader, id uint32, interval string, stored []int) error {
	itv := -1
	for i := range v.intervals {
		if v.intervals[i].Name() == interval {
			itv = i
		}
	}
	count, n := r.i64(), int(r.u32())
	if n < 0 || n > len(r.b)/barBytes {
		return errShort
	}
	bars := make([]kept, n)
	for i := range bars {
		bars[i] = r.bar()
	}
	if itv < 0 || len(v.instances) == 0 {
		return v.skipStates(r, len(stored))
	}
	s, err := v.seriesOf(id, itv)
	if err != nil {
		return err
	}
	s.count, s.bars = count, bars
	for _, i := range stored {
		if err := v.restoreState(r, s, itv, i); err != nil {
			return err
		}
	}
	for i := range s.states {
		if err := v.runKept(s, i); err != nil {
			return err
		}
	}
	return r.err
}

// skipStates passes over the states of a series that is no longer configured.
// Their records name their length, whoever reads them.
func (v *valueSet) skipStates(r *reader, n int) error {
	for range n {
		if err := v.restoreState(r, nil, 0, -1); err != nil {
			return err
		}
	}
	return r.err
}

func (v *valueSet) restoreState(r *reader, s *series, itv, i int) error {
	seq, end, failed := r.i64(), r.i64(), r.u8() == 1
	if r.err != nil {
		return r.err
	}
	ms := int64(0)
	if s != nil {
		ms = v.intervals[itv].Millis()
	}
	state, open, n, rest, err := v.host.DecodeState(r.b, i, ms)
	if err != nil && !errors.Is(err, ErrIncompatibleState) {
		return err
	}
	r.b = rest
	if s == nil || i < 0 {
		return nil
	}
	st := &s.states[i]
	st.seq = seq
	if err != nil || n == 0 {
		return nil //nolint:nilerr // another version's state: the values are computed anew from the bars
	}
	st.marks = append(st.marks[:0], mark{n: n, open: open, end: end, failed: failed, state: append([]byte(nil), state...)})
	return nil
}

// runKept brings instance i from its oldest mark to the newest bar.
func (v *valueSet) runKept(s *series, i int) error {
	from, err := v.rewind(s, i, math.MaxInt64)
	if err != nil {
		return err
	}
	st := &s.states[i]
	jobs, err := v.rerun(s, i, from)
	if err != nil {
		return err
	}
	for k := range jobs {
		st.n++
		st.failed = st.failed || jobs[k].Code < 0
		s.keep(st, from+k, &jobs[k])
	}
	return nil
}
