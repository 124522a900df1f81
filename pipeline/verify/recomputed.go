package verify

import (
	"math"
	"strconv"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

// values computes the values of a bar that can no longer change and holds them
// against what was published last.
func (a *auditor) values(s *series, w *window) {
	if s.state == nil {
		return
	}
	x := s.state
	x.take(w)
	for i := range x.one {
		st := &x.one[i]
		var v *shown
		if i < len(w.said.values.one) && w.said.values.one[i].set {
			v = &w.said.values.one[i]
		}
		rc := st.update(&a.cfg.Instances[i], x)
		switch {
		case st.unproven != "":
			if v != nil {
				a.report.unproven(st.unproven, 0, int64(len(v.ends)))
			}
		case v == nil && w.said.rev < 0: // the whole bar is missing, which was said
		case v == nil && (!st.began || w.said.so < st.firstSo && a.changes.between(w.said.so, st.firstSo)):
			// Within a long lateness the first value may be there before this bar is judged.
			a.report.unproven("bars from before an indicator was configured", 0, 1)
		case v == nil && a.changes.between(st.lastSo, a.now):
			st.absent.add(w.open)
		case v == nil:
			a.wrongValue(s, w, i, "", "a value", "none")
		default:
			a.outputs(s, w, i, v, rc)
		}
	}
}

// take makes the bar of the native twins.
func (x *states) take(w *window) {
	b := w.numbers()
	n := w.n
	if w.said.heard {
		n = w.said.n
	}
	x.bar = indicators.Bar{
		OpenTimeMS: w.open, Open: b.o, High: b.h, Low: b.l, Close: b.c, Volume: b.v, QuoteVolume: b.qv,
		Trades:         uint32(min(max(n, 0), math.MaxUint32)), //nolint:gosec // bounded
		Flags:          indicators.FlagClosed | indicators.FlagHasTaker,
		TakerBuyVolume: b.bv,
	}
}

// update runs one instance over the bar.
func (st *state) update(in *Instance, x *states) int32 {
	if st.slot == nil || st.failed {
		return indicators.ErrState
	}
	x.bar.Src = price(in.Source, &x.bar)
	rc := indicators.Update(in.ID, st.slot, &x.bar, x.out)
	st.failed = rc < 0
	return rc
}

// price is the series that an instance reads.
func price(source string, b *indicators.Bar) float64 {
	switch source {
	case "open":
		return b.Open
	case "high":
		return b.High
	case "low":
		return b.Low
	case "hl2":
		return (b.High + b.Low) / 2
	case "hlc3":
		return (b.High + b.Low + b.Close) / 3
	case "ohlc4":
		return (b.Open + b.High + b.Low + b.Close) / 4
	case "hlcc4":
		return (b.High + b.Low + float64(2*b.Close)) / 4
	case "volume":
		return b.Volume
	case "quote_volume":
		return b.QuoteVolume
	}
	return b.Close
}

// outputs compares the outputs of one instance.
func (a *auditor) outputs(s *series, w *window, i int, v *shown, rc int32) {
	in, x := &a.cfg.Instances[i], s.state
	if len(v.ends) != in.Outputs {
		a.wrongValue(s, w, i, ".v", strconv.Itoa(in.Outputs)+" outputs", strconv.Itoa(len(v.ends)))
		return
	}
	for n := range in.Outputs {
		a.report.Values++
		want := math.NaN()
		if rc >= 0 {
			want = x.out[n]
		}
		if want == 0 {
			want = 0 // no minus in front of it
		}
		x.text = appendFloat(x.text[:0], want)
		if got := v.output(n); string(got) != string(x.text) {
			a.wrongValue(s, w, i, ".v["+strconv.Itoa(n)+"]", string(x.text), string(got))
		}
	}
	if v.restated || rc < 0 {
		return
	}
	var degenerate int64
	if d := x.out[in.Outputs]; in.Degenerate && d != 0 && !math.IsNaN(d) {
		degenerate = flagDegenerate
	}
	if v.flags&^flagStable != degenerate {
		a.wrongValue(s, w, i, ".fl", strconv.FormatInt(degenerate|v.flags&flagStable, 10), strconv.FormatInt(v.flags, 10))
	}
}

func (a *auditor) wrongValue(s *series, w *window, i int, field, want, got string) {
	a.differ(&Difference{
		Place: "klines", Symbol: s.symbol.name, Interval: s.interval.Name, Open: w.open, Rev: max(w.said.rev, 0),
		Field: "ind " + a.cfg.Instances[i].Name + field, Expected: want, Found: got, From: w.o0, To: w.o1, Record: w.said.record,
	})
}

// appendFloat writes a value as records have it: the shortest text that reads
// back as the same double, null where there is none.
func appendFloat(dst []byte, v float64) []byte {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(dst, "null"...)
	case a != 0 && (a < 1e-6 || a >= 1e21):
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}
