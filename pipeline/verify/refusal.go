package verify

import (
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// refusal is an entry of late or dlq about one input record.
type refusal struct {
	index        int64
	reason       string
	late         bool
	recordOffset int64
	ordinal      int64
	used         bool
}

func place(r *refusal) string {
	if r.late {
		return "late"
	}
	return "dlq"
}

func (a *auditor) refusalOf(place string, o *output) refusal {
	r := refusal{late: place == "late", recordOffset: o.rec.Offset, ordinal: o.sk}
	r.index, _ = number(&o.rec, "idx")
	reason, _ := o.rec.Header("reason")
	r.reason = string(reason)
	if p, ok := number(&o.rec, "sp"); !ok || p != int64(a.r.Partition) {
		a.differ(&Difference{Place: place, Field: "sp", Expected: fmt.Sprint(a.r.Partition), Found: fmt.Sprint(p), From: o.so, To: o.so, Record: o.rec.Offset})
	}
	return r
}

// refusalGone tells whether late or dlq may have said something about a record that
// retention has removed.
func (a *auditor) refusalGone(rec *kafka.Rec) bool {
	return a.refusedFrom > 0 && rec.Offset <= a.refusedFrom
}

// notRefused notes that dlq lacks what cannot be used.
func (a *auditor) notRefused(rec *kafka.Rec, symbol, expected string) {
	a.differ(&Difference{Place: "dlq", Symbol: symbol, Field: "missing", Expected: expected, From: rec.Offset, To: rec.Offset, Record: -1})
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
	if len(a.changes.at) > 0 {
		lateness = -1 // of whatever length it was, the bar had ended
	}
	if wm-(itv.open(t.ms)+itv.Millis) > lateness || a.r.From > 0 || a.cut {
		return ""
	}
	return "nothing shows a watermark that is beyond its lateness"
}
