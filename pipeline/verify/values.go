package verify

import (
	"encoding/json"
	"strconv"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

// Flags of a value on the wire.
const (
	flagStable     = 1
	flagDegenerate = 2
	flagError      = 4
)

// measured is the length of the bars, in ms, on which the engine measures how
// many bars make a value stable.
const measured = 60_000

// states are the native twins of the instances on one series.
type states struct {
	one  []state
	bar  indicators.Bar
	out  []float64
	text []byte
}

type state struct {
	slot   []byte
	seq    int64 // of the last value
	warmup int64
	failed bool
	began  bool // a value was seen
	// positions of the first and the last one
	firstSo, lastSo int64
	// absent values were missing behind a change of the configuration: the next
	// one tells whether their indicator was configured.
	absent lacking
	// unproven says why the values cannot be known, "" if they can.
	unproven string
}

func (a *auditor) newStates(s *series) *states {
	x := &states{one: make([]state, len(a.cfg.Instances)), out: make([]float64, 16)}
	for i := range x.one {
		in, st := &a.cfg.Instances[i], &x.one[i]
		cfg := indicators.Cfg{Ind: in.ID, NParams: uint32(len(in.Params)), IntervalMS: s.interval.Millis} //nolint:gosec // few
		size := indicators.StateSize(&cfg, in.Params)
		if size < 0 {
			st.unproven = "indicators that have no native twin in this program"
			continue
		}
		st.slot = make([]byte, size)
		if indicators.Init(&cfg, in.Params, st.slot) != 0 {
			st.unproven = "indicators that have no native twin in this program"
		}
		cfg.IntervalMS = measured
		st.warmup = int64(indicators.Warmup(&cfg, in.Params))
		if !s.full {
			st.unproven = "values behind bars that retention has removed"
		}
	}
	return x
}

// instance returns the number of a configured instance.
func (a *auditor) instance(name []byte) (int, bool) {
	for i := range a.cfg.Instances {
		if a.cfg.Instances[i].Name == string(name) {
			return i, true
		}
	}
	return 0, false
}

// valuesOf takes the values that stand beside a bar.
func (a *auditor) valuesOf(k *published, w *window) {
	if len(a.cfg.Instances) == 0 {
		return
	}
	s := k.series
	if s.state == nil {
		s.state = a.newStates(s)
	}
	if w.said.values.one == nil {
		w.said.values.one = make([]shown, len(a.cfg.Instances))
	}
	w.said.values.reset()
	if k.ind == nil {
		return
	}
	c := scanner{b: k.ind}
	if !c.byte('{') {
		a.wrongField(k, "ind", "an object", string(k.ind))
		return
	}
	n := s.ordinal(w)
	for !c.byte('}') {
		name, ok := c.string()
		if !ok || !c.byte(':') || !a.value(k, w, name, &c, n) {
			a.wrongField(k, "ind", "values that can be read", string(k.ind))
			return
		}
		c.byte(',')
	}
}

// ordinal is the number of the bar among those published of the series.
func (s *series) ordinal(w *window) int64 {
	n := s.bars
	for _, other := range s.windows {
		if other == w {
			break
		}
		if other.said.rev >= 0 {
			n++
		}
	}
	return n + 1
}

// value reads one instance's value behind its name.
func (a *auditor) value(k *published, w *window, name []byte, c *scanner, n int64) bool {
	i, known := a.instance(name)
	if !known {
		a.report.unproven("values of indicators that are not configured", 0, 1)
		return c.skip()
	}
	v, st := &w.said.values.one[i], &k.series.state.one[i]
	v.clear()
	var count, seq int64
	ok := c.byte('{')
	for ok && !c.byte('}') {
		key, good := c.string()
		if ok = good && c.byte(':'); !ok {
			break
		}
		switch string(key) {
		case "v":
			ok = v.numbers(c)
		case "n":
			ok = c.integer(&count)
		case "fl":
			ok = c.integer(&v.flags)
		case "seq":
			ok = c.integer(&seq)
		case "ver":
			version, good := c.string()
			if ok = good; string(version) != a.cfg.Instances[i].Version && st.unproven == "" {
				st.unproven = "values of another version of the module"
			}
		default:
			ok = c.skip()
		}
		c.byte(',')
	}
	if ok {
		a.order(k, i, n, count, seq)
	}
	return ok
}

// order checks the two counters of a value.
func (a *auditor) order(k *published, i int, n, count, seq int64) {
	st, name := &k.series.state.one[i], a.cfg.Instances[i].Name
	if !st.began {
		st.began, st.firstSo = true, k.so
		if count != n && st.unproven == "" {
			// It came with a later configuration, and was computed anew from
			// the bars that the node had.
			if st.unproven = "values of indicators that were added later"; n == 1 {
				a.wrongField(k, "ind "+name+".n", "1", strconv.FormatInt(count, 10))
			}
		}
		st.seq = seq - 1
	} else {
		a.anew(k, st, name, seq)
	}
	st.lastSo = k.so
	if seq != st.seq+1 {
		a.wrongField(k, "ind "+name+".seq", strconv.FormatInt(st.seq+1, 10), strconv.FormatInt(seq, 10))
	}
	st.seq = seq
	if st.unproven != "" {
		return
	}
	if count != n {
		a.wrongField(k, "ind "+name+".n", strconv.FormatInt(n, 10), strconv.FormatInt(count, 10))
	}
	stable := st.warmup < int64(indicators.Forever) && count >= st.warmup
	if flags := k.window.said.values.one[i].flags; flags < flagError && stable != (flags&flagStable != 0) {
		a.wrongField(k, "ind "+name+".fl", "stable from bar "+strconv.FormatInt(st.warmup, 10)+" on", strconv.FormatInt(flags, 10))
	}
}

// anew takes a value of an indicator that may have been away: it begins with the
// number 1 again, computed from the bars that the node has kept.
func (a *auditor) anew(k *published, st *state, name string, seq int64) {
	if seq == 1 && a.changes.between(st.lastSo, k.so) {
		a.report.unproven(reasonAnew, 0, st.absent.n)
		if st.absent, st.seq = (lacking{}), 0; st.unproven == "" {
			st.unproven = reasonAnew
		}
	}
	a.lostValues(k.series, st, name)
}

// restated takes a record of values that a restated bar has changed.
func (a *auditor) restated(rec *kafkaRec, so int64) {
	var x struct {
		Sym, Itv, Ind, Ver string
		Seq                int64
		T                  []int64
		V                  [][]json.RawMessage
	}
	if err := json.Unmarshal(rec.Value, &x); err != nil {
		a.differ(&Difference{Place: "klines", Field: "unreadable", Found: "restated values", From: so, To: so, Record: rec.Offset})
		return
	}
	s := a.seriesOf([]byte(x.Sym), []byte(x.Itv))
	i, known := a.instance([]byte(x.Ind))
	if s == nil || !known || s.state == nil || so >= a.r.To {
		return
	}
	differ := func(open int64, field, want, got string) {
		a.differ(&Difference{Place: "klines", Symbol: x.Sym, Interval: x.Itv, Open: open, Field: "ind " + x.Ind + field,
			Expected: want, Found: got, From: so, To: so, Record: rec.Offset})
	}
	if st := &s.state.one[i]; x.Seq != st.seq {
		differ(0, ".seq", strconv.FormatInt(st.seq, 10), strconv.FormatInt(x.Seq, 10))
	}
	for n, open := range x.T {
		at, ok := s.find(open)
		if !ok || s.windows[at].said.rev < 0 || len(s.windows[at].said.values.one) == 0 {
			if a.cut || a.r.From > 0 || s.beyond {
				continue // the bar itself is gone, or behind the range
			}
			differ(open, " restated", "no value: there is no such bar", "one")
			continue
		}
		v := &s.windows[at].said.values.one[i]
		v.clear()
		v.restated = true
		for _, column := range x.V {
			if n < len(column) {
				v.add(column[n])
			}
		}
	}
}
