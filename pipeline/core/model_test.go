package core

import (
	"fmt"
	"math/big"
	"sort"
	"strings"
)

// model is the step again, written for clarity alone: it keeps every accepted
// trade as a rational number and recomputes each bar from all of them. It
// shares no arithmetic and no data structure with the engine.
type model struct {
	delay, lateness int64
	itvs            []string // name
	lens            []int64
	symbols         map[string]*modelSymbol
	hb              map[string]int64
	lines           []string
	counts          map[string]int
}

type modelSymbol struct {
	source    string
	event     int64
	trades    []modelTrade
	ids       map[string]string // id -> price and size
	published map[string]*modelBar
	seq       map[string]int
	partial   map[string]int64
}

type modelBar struct{ rev int }

type modelTrade struct {
	price, size *big.Rat
	ns          int64
	order       uint64
	id          string
	buy         bool
}

// event is one input of both: a record with trades, or a heartbeat.
type event struct {
	source string
	ts     int64 // record timestamp
	hb     int64 // heartbeat if trades is nil
	trades []testTrade
}

type testTrade struct {
	symbol, price, size, id string
	ns, seq                 int64
	side                    Side
}

func newModel(delay, lateness int64, names []string, lens []int64) *model {
	return &model{
		delay: delay, lateness: lateness, itvs: names, lens: lens, symbols: map[string]*modelSymbol{},
		hb: map[string]int64{}, counts: map[string]int{},
	}
}

func (m *model) anchor(i int) int64 {
	if strings.HasSuffix(m.itvs[i], "w") {
		return 345_600_000
	}
	return 0
}

func (m *model) bucket(i int, ms int64) int64 {
	n := new(big.Int).Sub(big.NewInt(ms), big.NewInt(m.anchor(i)))
	n.Div(n, big.NewInt(m.lens[i])) // floors for a positive divisor
	n.Mul(n, big.NewInt(m.lens[i]))
	return n.Int64() + m.anchor(i)
}

func (m *model) watermark(source string, s *modelSymbol) int64 {
	wm := s.event
	if hb, ok := m.hb[source]; ok && hb > wm {
		wm = hb
	}
	return wm - m.delay
}

func (m *model) step(ev event) {
	var out []modelLine
	touched := map[string]int64{}
	if ev.trades == nil {
		if old, ok := m.hb[ev.source]; !ok || ev.hb > old {
			m.hb[ev.source] = ev.hb
		}
	}
	for _, t := range ev.trades {
		m.trade(ev.source, t, touched, &out)
	}
	for name, ms := range touched {
		s := m.symbols[name]
		s.event = max(s.event, ms)
	}
	for name, s := range m.symbols {
		m.close(name, s, &out)
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.end != b.end {
			return a.end < b.end
		}
		if a.symbol != b.symbol {
			return a.symbol < b.symbol
		}
		return a.itv < b.itv
	})
	for _, l := range out {
		m.emit(l)
	}
}

type modelLine struct {
	end, start int64
	symbol     string
	itv        int
	rev        int
	body       string
}

func (m *model) trade(source string, t testTrade, touched map[string]int64, out *[]modelLine) {
	s := m.symbols[t.symbol]
	fresh := s == nil
	if fresh {
		s = &modelSymbol{
			source: source, event: never, ids: map[string]string{}, published: map[string]*modelBar{},
			seq: map[string]int{}, partial: map[string]int64{},
		}
	}
	price, _ := new(big.Rat).SetString(t.price)
	size, _ := new(big.Rat).SetString(t.size)
	what := price.String() + "x" + size.String()
	if old, ok := s.ids[t.id]; ok && t.id != "" {
		if old == what {
			m.counts["duplicate"]++
		} else {
			m.counts["conflict"]++
		}
		return
	}
	ms := new(big.Int).Div(big.NewInt(t.ns), big.NewInt(1_000_000)).Int64()
	wm := m.watermark(s.source, s)
	end := m.bucket(0, ms) + m.lens[0]
	if end <= wm && wm-end > m.lateness {
		m.counts["late"]++
		return
	}
	if fresh {
		m.symbols[t.symbol] = s
	}
	s.ids[t.id] = what
	mt := modelTrade{price: price, size: size, ns: t.ns, order: uint64(t.seq), id: t.id, buy: t.side == SideBuy}
	s.trades = append(s.trades, mt)
	if old, ok := touched[t.symbol]; !ok || ms > old {
		touched[t.symbol] = ms
	}
	if end > wm {
		m.counts["applied"]++
		return
	}
	m.counts["restated"]++
	for i := range m.itvs {
		start := m.bucket(i, ms)
		if start+m.lens[i] > wm {
			continue
		}
		key := fmt.Sprint(i, "/", start)
		if s.published[key] == nil {
			s.published[key] = &modelBar{}
		}
		s.published[key].rev++
		*out = append(*out, modelLine{start + m.lens[i], start, t.symbol, i, s.published[key].rev, m.body(s, i, start)})
	}
}

func (m *model) close(name string, s *modelSymbol, out *[]modelLine) {
	wm := m.watermark(s.source, s)
	for i := range m.itvs {
		for _, t := range s.trades {
			start := m.bucket(i, new(big.Int).Div(big.NewInt(t.ns), big.NewInt(1_000_000)).Int64())
			key := fmt.Sprint(i, "/", start)
			if start+m.lens[i] <= wm && s.published[key] == nil {
				s.published[key] = &modelBar{}
				*out = append(*out, modelLine{start + m.lens[i], start, name, i, 0, m.body(s, i, start)})
			}
		}
	}
}

// body recomputes the bar of interval i that opens at start from all trades.
func (m *model) body(s *modelSymbol, i int, start int64) string {
	var in []modelTrade
	for _, t := range s.trades {
		if t.ns >= start*1_000_000 && t.ns < (start+m.lens[i])*1_000_000 {
			in = append(in, t)
		}
	}
	sort.SliceStable(in, func(a, b int) bool {
		if in[a].ns != in[b].ns {
			return in[a].ns < in[b].ns
		}
		return in[a].order < in[b].order
	})
	hi, lo := in[0].price, in[0].price
	v, qv, bv, bqv := new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat)
	for _, t := range in {
		if t.price.Cmp(hi) > 0 {
			hi = t.price
		}
		if t.price.Cmp(lo) < 0 {
			lo = t.price
		}
		q := new(big.Rat).Mul(t.price, t.size)
		v.Add(v, t.size)
		qv.Add(qv, q)
		if t.buy {
			bv.Add(bv, t.size)
			bqv.Add(bqv, q)
		}
	}
	first, last := in[0], in[len(in)-1]
	return fmt.Sprintf("o=%s h=%s l=%s c=%s v=%s qv=%s bv=%s bqv=%s n=%d f=%s L=%s", ratText(first.price), ratText(hi),
		ratText(lo), ratText(last.price), ratText(v), ratText(qv), ratText(bv), ratText(bqv), len(in), first.id, last.id)
}

func (m *model) emit(l modelLine) {
	s := m.symbols[l.symbol]
	name := m.itvs[l.itv]
	if s.seq[name] == 0 {
		s.partial[name] = l.end
	}
	s.seq[name]++
	q := "trades"
	if l.start < s.partial[name] {
		q = "partial"
	}
	m.lines = append(m.lines, fmt.Sprintf("%s %s t=%d %s rev=%d seq=%d q=%s", l.symbol, name, l.start, l.body, l.rev, s.seq[name], q))
}

// ratText is the shortest decimal text of an exact decimal.
func ratText(r *big.Rat) string {
	t := strings.TrimRight(r.FloatString(40), "0")
	return strings.TrimSuffix(t, ".")
}

// klineLine renders what the engine published the way the model does.
func klineLine(k *Kline) string {
	d := func(v int64) string { return string(AppendDecimal(nil, v, k.PriceScale)) }
	s := func(v Int128, scale uint8) string { return string(AppendInt128(nil, v, scale)) }
	notional := k.PriceScale + k.SizeScale
	return fmt.Sprintf("%s %s t=%d o=%s h=%s l=%s c=%s v=%s qv=%s bv=%s bqv=%s n=%d f=%s L=%s rev=%d seq=%d q=%s",
		k.Symbol, k.Interval, k.OpenTime, d(k.O), d(k.H), d(k.L), d(k.C), s(k.V, k.SizeScale), s(k.QV, notional),
		s(k.BV, k.SizeScale), s(k.BQV, notional), k.N, idText2(k.First), idText2(k.Last), k.Rev, k.Seq, k.Q)
}

func idText2(id TradeID) string {
	switch id.Kind {
	case IDInt:
		return fmt.Sprint(id.Num)
	case IDText:
		return string(id.Text)
	}
	return ""
}
