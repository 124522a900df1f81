package verify

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// auditor follows one partition.
type auditor struct {
	cfg     *Config
	r       *Range
	report  *Report
	dec     *decoder // of the configured format
	generic *decoder // of records that say that they are generic
	symbols map[string]*symbol
	sources map[string]*source
	table   *idTable
	last    *symbol
	touched []*symbol
	group   []published
	wrong   []*window // of the group, to be compared once it is complete
	scratch []byte
	// hold is how long after its end a bar may change, ms of event time.
	hold int64
	// cut: some outputs are gone.
	cut bool
	// oldest is the position of the first kline that retention has left, 0 if
	// it has left all.
	oldest int64
	// changes of the configuration: another lateness may have counted, and what is
	// configured now may not have been then.
	changes changes
	// now is the position of the record being read.
	now int64
	// refusedFrom is the position from which on late and dlq are complete.
	refusedFrom int64
}

func newAuditor(cfg *Config, r *Range, report *Report) (*auditor, error) {
	dec, err := newDecoder(cfg.Format)
	if err != nil {
		return nil, err
	}
	generic, err := newDecoder(Format{})
	if err != nil {
		return nil, err
	}
	return &auditor{
		cfg: cfg, r: r, report: report, dec: dec, generic: generic,
		symbols: map[string]*symbol{}, sources: map[string]*source{}, table: newIDTable(), changes: newChanges(nil, len(cfg.Intervals)),
		// A trade's smallest bar decides its lateness; a larger one that it does
		// not divide may have ended that much earlier.
		hold: cfg.AllowedLateness + cfg.WatermarkDelay + cfg.Intervals[0].Millis + 1000,
	}, nil
}

// input takes one record of the topic of trades.
func (a *auditor) input(rec *kafka.Rec, refused []refusal) {
	a.report.Records++
	a.now = rec.Offset
	name, kind, dec := a.cfg.Input, "", a.dec
	for i := range rec.Headers {
		h := &rec.Headers[i]
		switch h.Key {
		case "k":
			kind = "?"
			if string(h.Value) == "hb" {
				kind = "hb"
			}
		case "ct":
			if string(h.Value) == "trade/json;1" {
				dec = a.generic
			}
		case "src":
			if len(h.Value) > 0 && len(h.Value) <= 64 {
				name = strings.ToValidUTF8(string(h.Value), "\ufffd")
			}
		}
	}
	switch kind {
	case "hb":
		a.report.Heartbeats++
		a.heartbeat(rec, name, refused)
	case "?":
		a.undecodable(rec, refused)
	default:
		trades, ok := dec.decode(rec.Value)
		if !ok {
			a.undecodable(rec, refused)
			break
		}
		for i := range trades {
			a.trade(rec, &trades[i], i, name, refused)
		}
	}
	for i := range refused {
		if !refused[i].used {
			a.differ(&Difference{Place: place(&refused[i]), Field: "refused a trade that is not there", Found: refused[i].reason,
				From: rec.Offset, To: rec.Offset, Record: refused[i].recordOffset})
		}
	}
}

// undecodable is a record without a trade: it must stand in dlq.
func (a *auditor) undecodable(rec *kafka.Rec, refused []refusal) {
	a.report.Undecodable++
	if len(refused) == 0 {
		if !a.refusalGone(rec) {
			a.notRefused(rec, "", "the record, which no trade can be read from")
		}
		return
	}
	refused[0].used = true
}

// heartbeat raises the watermark of a source, unless dlq has it.
func (a *auditor) heartbeat(rec *kafka.Rec, name string, refused []refusal) {
	if len(refused) > 0 {
		refused[0].used = true
		return
	}
	var hb struct {
		Src *string `json:"src"`
		TS  *int64  `json:"ts"`
	}
	if json.Unmarshal(rec.Value, &hb) != nil || hb.TS == nil {
		a.undecodable(rec, refused)
		return
	}
	if hb.Src != nil {
		name = *hb.Src
	}
	src := a.sourceOf(name)
	src.beat = max(src.beat, *hb.TS)
}

// trade accounts for one trade of a record.
func (a *auditor) trade(rec *kafka.Rec, t *trade, index int, from string, refused []refusal) {
	a.report.Trades++
	if t.fault == "" && !a.cfg.takes(t.symbol, t.price) {
		t.fault = "price"
	}
	for i := range refused {
		if r := &refused[i]; r.index == int64(index) && !r.used {
			r.used = true
			a.refused(rec, t, r)
			return
		}
	}
	if t.fault != "" && a.refusalGone(rec) {
		a.report.Rejected++
		return
	}
	if t.fault != "" {
		a.report.Unaccounted++
		a.notRefused(rec, string(t.symbol), "the trade, whose "+t.fault+" is unusable")
		return
	}
	s := a.symbolOf(t.symbol)
	known, shifted := s.ids.known(t, a.table, s.number)
	if known {
		a.report.Duplicate++
		if shifted {
			s.doubt(t.ms, "a reused id that is not dense, behind the horizon of the duplicate test")
		}
		return
	}
	a.accept(rec, t, index, s, from)
}

// accept adds a trade to the bars of all intervals.
func (a *auditor) accept(rec *kafka.Rec, t *trade, index int, s *symbol, from string) {
	f := fill{ms: t.ms, offset: rec.Offset, buy: t.buy}
	if !s.scale(t, &f) {
		a.report.Unaccounted++
		a.notRefused(rec, s.name, "the trade, whose numbers exceed 63 bits")
		return
	}
	if !a.refusalGone(rec) {
		s.sure = max(s.sure, t.price.places)
	}
	if s.src == nil {
		s.src, s.first = a.sourceOf(from), t.ms
	}
	f.edge = edge{ns: t.ns, tie: s.tie(t, rec.Offset, index), price: f.price, kind: t.kind, num: t.num}
	if t.kind == idText {
		f.edge.text = string(t.text)
	}
	for _, sr := range s.series {
		w := sr.window(t.ms)
		if w == nil {
			a.lose(rec, t, s, sr)
			return
		}
		if a.r.From > 0 && w.open < s.first+horizonMS {
			w.doubt(reasonGone)
		}
		if a.refusalGone(rec) {
			w.doubt("trades that may have been in late or dlq, which retention has cut")
		}
		if !w.add(&f) {
			w.doubt("a sum beyond 128 bits")
		}
	}
	a.report.InBars++
	s.newest = max(s.newest, t.ms)
	s.ids.note(t, a.table, s.number, s.newest, a.hold)
	a.touch(s)
}

// lose accounts for a trade whose bar was settled long ago.
func (a *auditor) lose(rec *kafka.Rec, t *trade, s *symbol, sr *series) {
	if a.r.From > 0 || a.refusalGone(rec) {
		a.report.Duplicate++ // its first sight may have been before what retention has left
		return
	}
	a.report.Unaccounted++
	a.differ(&Difference{Place: "klines", Symbol: s.name, Interval: sr.interval.Name, Open: sr.interval.open(t.ms), Field: "trade lost",
		Expected: "a restated bar, or the trade in late", From: rec.Offset, To: rec.Offset, Record: -1})
}

func (a *auditor) touch(s *symbol) {
	if !s.touched {
		s.touched = true
		a.touched = append(a.touched, s)
	}
}

// ordered are the symbols by name, so that two runs report in one order.
func (a *auditor) ordered() []*symbol {
	all := make([]*symbol, 0, len(a.symbols))
	for _, s := range a.symbols {
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y *symbol) int { return strings.Compare(x.name, y.name) })
	return all
}
