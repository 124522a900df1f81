package schedule

import (
	"encoding/binary"
	"math"
	"sort"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	valueName    = "ema(3)"
	valueVersion = "00000001"
)

// values is an indicator in plain Go: an average that never forgets, over all
// closed bars of each series, run again from a bar that is restated. It keeps
// every bar, so it has the state that a real one has and none of its limits.
type values struct {
	intervals int
	series    []seriesValues // by symbol id x intervals + interval
}

type seriesValues struct {
	seq  int64
	bars []valueBar // in order of open time
}

type valueBar struct {
	open         int64
	close, value float64
}

// restated are the values from a restated bar on.
type restated struct {
	seq int64
	t   []int64
	v   []float64
}

func newValues(intervals int) *values { return &values{intervals: intervals} }

// bar takes a closed or restated bar and returns its value and, if it was
// restated, all that follow.
func (v *values) bar(k *core.Kline) ([]wire.Value, restated) {
	at := int(k.SymbolID)*v.intervals + int(k.IntervalIdx)
	for len(v.series) <= at {
		v.series = append(v.series, seriesValues{})
	}
	s := &v.series[at]
	bar := k.Bar()
	i := sort.Search(len(s.bars), func(i int) bool { return s.bars[i].open >= k.OpenTime })
	if i == len(s.bars) || s.bars[i].open != k.OpenTime {
		s.bars = append(s.bars, valueBar{})
		copy(s.bars[i+1:], s.bars[i:])
	}
	s.bars[i].open, s.bars[i].close = k.OpenTime, bar.Close
	s.seq++
	again := restated{seq: s.seq}
	for j := i; j < len(s.bars); j++ {
		b := &s.bars[j]
		b.value = b.close
		if j > 0 {
			b.value = s.bars[j-1].value + 0.5*(b.close-s.bars[j-1].value)
		}
		again.t, again.v = append(again.t, b.open), append(again.v, b.value)
	}
	return []wire.Value{{Name: valueName, V: []float64{s.bars[i].value}, N: int64(i) + 1, Flags: wire.FlagStable, Seq: s.seq, Ver: valueVersion}}, again
}

func (v *values) snapshot(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v.series)))
	for i := range v.series {
		s := &v.series[i]
		b = binary.LittleEndian.AppendUint64(b, uint64(s.seq))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s.bars)))
		for _, x := range s.bars {
			b = binary.LittleEndian.AppendUint64(b, uint64(x.open))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x.close))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x.value))
		}
	}
	return b
}

func (v *values) restore(b []byte) error {
	u32 := func() int {
		if len(b) < 4 {
			b = nil
			return 0
		}
		n := binary.LittleEndian.Uint32(b)
		b = b[4:]
		return int(n)
	}
	u64 := func() uint64 {
		if len(b) < 8 {
			b = nil
			return 0
		}
		n := binary.LittleEndian.Uint64(b)
		b = b[8:]
		return n
	}
	v.series = make([]seriesValues, u32())
	for i := range v.series {
		s := &v.series[i]
		s.seq = int64(u64())
		n := u32()
		if n*24 > len(b) {
			return errShort
		}
		s.bars = make([]valueBar, n)
		for j := range s.bars {
			s.bars[j] = valueBar{int64(u64()), math.Float64frombits(u64()), math.Float64frombits(u64())}
		}
	}
	if b == nil && len(v.series) > 0 || len(b) > 0 {
		return errShort
	}
	return nil
}
