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

// Tally counts what was read and compared.
type Tally struct {
	// Records of the input, of which Heartbeats and Undecodable hold no trade.
	Records, Heartbeats, Undecodable int64
	// Trades = InBars + Duplicate + Late + Rejected + Unaccounted.
	Trades, InBars, Duplicate, Late, Rejected, Unaccounted int64

	// Klines are records of bars, Restated those of them with rev above 0,
	// RestatedValues records of values alone; Repeats were dropped by the reader
	// rule.
	Klines, Restated, RestatedValues, Repeats int64
	// Bars are different bars that were compared, Open those that need not have
	// been closed; Values are indicator values compared.
	Bars, Open, Values int64
	// Beyond are records behind the range.
	Beyond int64
	// Not provable: bars and values, and why.
	UnprovenBars, UnprovenValues int64
	Reasons                      map[string]int64
	// Views are bars compared in Redis and over REST.
	Views int64

	Differences int64
	ByField     map[string]int64
}

// Balanced tells whether every trade of the range is accounted for.
func (t *Tally) Balanced() bool {
	return t.Trades == t.InBars+t.Duplicate+t.Late+t.Rejected && t.Unaccounted == 0
}

// Equal tells whether nothing differs.
func (t *Tally) Equal() bool { return t.Differences == 0 && t.Balanced() }

func (t *Tally) unproven(why string, bars, values int64) {
	t.UnprovenBars += bars
	t.UnprovenValues += values
	if t.Reasons == nil {
		t.Reasons = map[string]int64{}
	}
	t.Reasons[why] += bars + values
}

// Range is the part of one partition that was compared.
type Range struct {
	Partition int32
	// From and To are input offsets: [From, To); End is where the input ended.
	From, To, End int64
}

// Report is the result.
type Report struct {
	Tally
	Ranges []Range
	// Notes say in sentences what could not be compared and why.
	Notes []string
}
