package verify

import (
	"fmt"
	"strings"
	"time"
)

// Difference is one thing that was published and should not have been, or the
// other way round.
type Difference struct {
	// Place is where it was found: klines, late, dlq, redis or rest.
	Place string
	// Symbol, Interval and Open (ms) name the bar; empty where it is about a
	// trade or a record.
	Symbol, Interval string
	Open             int64
	Rev              int32
	// Field is the key that differs, or what is wrong in one word.
	Field string
	// Expected and Found are texts as they stand, or would, in the record.
	Expected, Found string
	// Partition and the input offsets From to To that the expected bar, or the
	// trade, comes from; negative if unknown.
	Partition int32
	From, To  int64
	// Record is the offset of what was found on its topic, negative for none.
	Record int64
}

// String is one line for people.
func (d Difference) String() string {
	var b strings.Builder
	if d.Symbol != "" && d.Interval != "" {
		fmt.Fprintf(&b, "%s %s %s (%d)", d.Symbol, d.Interval, time.UnixMilli(d.Open).UTC().Format("2006-01-02T15:04:05.999Z"), d.Open)
		if d.Rev > 0 {
			fmt.Fprintf(&b, " rev %d", d.Rev)
		}
	} else {
		b.WriteString("partition " + fmt.Sprint(d.Partition))
		if d.Symbol != "" {
			b.WriteString(" " + d.Symbol)
		}
	}
	fmt.Fprintf(&b, ": %s in %s", d.Field, d.Place)
	if d.Expected != "" {
		b.WriteString(": expected " + quoted(d.Expected))
	}
	if d.Found != "" {
		b.WriteString(", found " + quoted(d.Found))
	}
	if d.From >= 0 {
		fmt.Fprintf(&b, "; input %d:%d", d.Partition, d.From)
		if d.To > d.From {
			fmt.Fprintf(&b, "..%d", d.To)
		}
	}
	if d.Record >= 0 {
		fmt.Fprintf(&b, "; %s %d:%d", d.Place, d.Partition, d.Record)
	}
	return b.String()
}

// quoted cuts foreign text and makes control characters visible.
func quoted(s string) string {
	q := fmt.Sprintf("%q", cut(s))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
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
