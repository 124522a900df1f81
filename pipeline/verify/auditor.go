package verify

import (
	"encoding/json"

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
	// changed: the configuration was, so another lateness may have counted.
	changed bool
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
		symbols: map[string]*symbol{}, sources: map[string]*source{}, table: newIDTable(),
		// A trade's smallest bar decides its lateness; a larger one that it does
		// not divide may have ended that much earlier.
		hold: cfg.AllowedLateness + cfg.WatermarkDelay + cfg.Intervals[0].Millis + 1000,
	}, nil
}

// refusal is an entry of late or dlq about one input record.
type refusal struct {
	index        int64
	reason       string
	late         bool
	recordOffset int64
	ordinal      int64
	used         bool
}

// input takes one record of the topic of trades.
func (a *auditor) input(rec *kafka.Rec, refused []refusal) {
	a.report.Records++
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
				name = string(h.Value)
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

func place(r *refusal) string {
	if r.late {
		return "late"
	}
	return "dlq"
}

// undecodable is a record without a trade: it must stand in dlq.
func (a *auditor) undecodable(rec *kafka.Rec, refused []refusal) {
	a.report.Undecodable++
	if len(refused) == 0 {
		if rec.Offset <= a.refusedFrom && a.refusedFrom > 0 {
			return
		}
		a.differ(&Difference{Place: "dlq", Field: "missing", Expected: "the record, which no trade can be read from", From: rec.Offset, To: rec.Offset, Record: -1})
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
	for i := range refused {
		if r := &refused[i]; r.index == int64(index) && !r.used {
			r.used = true
			a.refused(rec, t, r)
			return
		}
	}
	if t.fault != "" && rec.Offset <= a.refusedFrom && a.refusedFrom > 0 {
		a.report.Rejected++
		return
	}
	if t.fault != "" {
		a.report.Unaccounted++
		a.differ(&Difference{Place: "dlq", Symbol: string(t.symbol), Field: "missing", Expected: "the trade, whose " + t.fault + " is unusable", From: rec.Offset, To: rec.Offset, Record: -1})
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

// refused holds a trade in late or dlq against what can be told of the reason.
func (a *auditor) refused(rec *kafka.Rec, t *trade, r *refusal) {
	if r.late {
		a.report.Late++
	} else {
		a.report.Rejected++
	}
	why := ""
	switch r.reason {
	case "price", "size", "ts", "decode", "ref":
		if t.fault == "" {
			why = "the trade is usable"
		}
	case "future":
		if t.fault == "" && t.ms <= rec.Timestamp+a.cfg.MaxFuture {
			why = "its time is not ahead of the record by more than max_future"
		}
	case "past":
		if t.fault == "" && (a.cfg.MaxAge == 0 || t.ms+a.cfg.MaxAge >= rec.Timestamp) {
			why = "it is not older than max_age"
		}
	case "conflict":
		if s := a.symbols[string(t.symbol)]; t.fault == "" && a.r.From == 0 {
			if s == nil {
				why = "its id is new"
			} else if known, _ := s.ids.known(t, a.table, s.number); !known {
				why = "its id is new"
			}
		}
	case "too_late":
		why = a.tooLate(t)
	}
	if why != "" {
		a.differ(&Difference{Place: place(r), Symbol: string(t.symbol), Field: "refused as " + r.reason, Expected: "accepted: " + why,
			From: rec.Offset, To: rec.Offset, Record: r.recordOffset})
	}
}

// tooLate says why a trade cannot have been too late, "" if it can: some kline
// of its source must show a watermark that far.
func (a *auditor) tooLate(t *trade) string {
	s := a.symbols[string(t.symbol)]
	if t.fault != "" || s == nil {
		return ""
	}
	wm := max(s.watermark(a.cfg.WatermarkDelay), s.shown)
	if s.src != nil {
		wm = max(wm, s.src.shown)
	}
	itv, lateness := &a.cfg.Intervals[0], a.cfg.AllowedLateness
	if a.changed {
		lateness = -1 // of whatever length it was, the bar had ended
	}
	if wm-(itv.open(t.ms)+itv.Millis) > lateness || a.r.From > 0 || a.cut {
		return ""
	}
	return "nothing shows a watermark that is beyond its lateness"
}

// accept adds a trade to the bars of all intervals.
func (a *auditor) accept(rec *kafka.Rec, t *trade, index int, s *symbol, from string) {
	f := fill{ms: t.ms, offset: rec.Offset, buy: t.buy}
	ok := s.scale(t, &f)
	if !ok {
		a.report.Unaccounted++
		a.differ(&Difference{Place: "dlq", Symbol: s.name, Field: "missing", Expected: "the trade, whose numbers exceed 63 bits", From: rec.Offset, To: rec.Offset, Record: -1})
		return
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
			if a.r.From == 0 && (rec.Offset > a.refusedFrom || a.refusedFrom == 0) {
				a.report.Unaccounted++
				a.differ(&Difference{Place: "klines", Symbol: s.name, Interval: sr.interval.Name, Open: sr.interval.open(t.ms), Field: "trade lost",
					Expected: "a restated bar, or the trade in late", From: rec.Offset, To: rec.Offset, Record: -1})
				return
			}
			// Its first sight may have been before what retention has left.
			a.report.Duplicate++
			return
		}
		if a.r.From > 0 && w.unproven == "" && w.open < s.first+horizonMS {
			w.unproven = reasonGone
		}
		if rec.Offset <= a.refusedFrom && a.refusedFrom > 0 && w.unproven == "" {
			w.unproven = "trades that may have been in late or dlq, which retention has cut"
		}
		if !w.add(&f) && w.unproven == "" {
			w.unproven = "a sum beyond 128 bits"
		}
	}
	a.report.InBars++
	s.newest = max(s.newest, t.ms)
	s.ids.note(t, a.table, s.number, s.newest, a.hold)
	a.touch(s)
}

const reasonGone = "trades that retention has removed"

// scale brings a trade to the places of its symbol, which it may raise.
func (s *symbol) scale(t *trade, f *fill) bool {
	f.ps, f.qs = max(s.ps, t.price.places), max(s.qs, t.size.places)
	var ok, ok2 bool
	f.price, ok = t.price.at(f.ps)
	f.size, ok2 = t.size.at(f.qs)
	if !ok || !ok2 {
		return false
	}
	s.ps, s.qs = f.ps, f.qs
	f.notional = product(f.price, f.size)
	return true
}

// doubt marks the bars around ms as not provable.
func (s *symbol) doubt(ms int64, why string) {
	for _, sr := range s.series {
		if w := sr.window(ms); w != nil && w.unproven == "" {
			w.unproven = why
		}
	}
}

func (a *auditor) touch(s *symbol) {
	if !s.touched {
		s.touched = true
		a.touched = append(a.touched, s)
	}
}

// differ counts a difference and reports the first ones.
func (a *auditor) differ(d *Difference) {
	d.Partition = a.r.Partition
	a.report.note(a.cfg, d)
}

func (r *Report) note(cfg *Config, d *Difference) {
	if r.ByField == nil {
		r.ByField = map[string]int64{}
	}
	r.Differences++
	r.ByField[d.Place+" "+d.Field]++
	if r.Differences <= int64(cfg.MaxDifferences) {
		cfg.Found(*d)
	}
}
