package serve

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of reads.
const (
	defaultLimit = 500
	// MaxLimit is the largest number of rows per answer.
	MaxLimit = 5000
)

// Range is which bars of a series an answer holds; zero values as the query
// leaves them out.
type Range struct {
	// From and To bound the open times, ms: From <= t < To.
	From, To       int64
	HasFrom, HasTo bool
	// Limit is the largest number of rows.
	Limit int
	// Closed leaves out the forming bar.
	Closed bool
	// warmup is how many bars before From are read from the log, for values that
	// are computed over them.
	warmup int
}

// KlinesQuery is a read of one series.
type KlinesQuery struct {
	Symbol, Interval string
	Range
	// Format is native, lwc, columns or csv.
	Format string
	// Exact makes prices and sizes strings; native only.
	Exact bool
	// Source adds partition and offsets of each bar; native only.
	Source bool
	// IfNoneMatch is the client's ETag, "" = none.
	IfNoneMatch string
	// Reserve is asked for the memory of the answer.
	Reserve Reserve

	itv int
}

// ValuesQuery is a read of one indicator.
type ValuesQuery struct {
	Symbol, Interval string
	// Indicator is the canonical name.
	Indicator string
	Range
	IfNoneMatch string
	// Client is whom a series on demand counts for, "" = nobody in particular.
	Client string
	// Reserve is asked for the memory of the answer.
	Reserve Reserve

	itv, ind int
}

// BundleQuery is a read of several series.
type BundleQuery struct {
	Selection Selection
	Range
	// Format is native or columns.
	Format string
}

// SymbolsQuery is a page of the list of symbols.
type SymbolsQuery struct {
	// Text is looked for in the names, without regard to case.
	Text  string
	After string
	Limit int
}

// Formats of klines.
const (
	FormatNative  = "native"
	FormatLWC     = "lwc"
	FormatColumns = "columns"
	FormatCSV     = "csv"
)

// reader takes parameters out of a query and keeps the first problem.
type reader struct {
	values  url.Values
	problem *Problem
}

// known refuses parameters that the route does not have, and those given twice.
func (r *reader) known(names ...string) {
	for name, vs := range r.values {
		switch {
		case !slices.Contains(names, name):
			p := badParam(echo(name), "", "the parameter "+quote(name)+" is unknown here")
			p.Allowed = names
			r.fail(p)
		case len(vs) > 1 && name != "s":
			r.fail(badParam(name, vs[1], "the parameter "+name+" is given twice"))
		}
	}
}

func (r *reader) fail(p *Problem) {
	if r.problem == nil {
		r.problem = p
	}
}

// flag reads a 0 or 1.
func (r *reader) flag(name string, def bool) bool {
	switch v := r.values.Get(name); v {
	case "":
		return def
	case "0":
		return false
	case "1":
		return true
	default:
		p := badParam(name, v, name+" is 0 or 1")
		p.Allowed = []string{"0", "1"}
		r.fail(p)
		return def
	}
}

// word reads one of the allowed words; the first is the default.
func (r *reader) word(name string, allowed ...string) string {
	v := r.values.Get(name)
	if v == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, v) {
		p := badParam(name, v, name+"="+quote(v)+" is not available here; "+strings.Join(allowed, ", ")+" can be asked for")
		p.Allowed = allowed
		r.fail(p)
	}
	return v
}

// count reads a whole number from low to high.
func (r *reader) count(name string, def, low, high int) int {
	v := r.values.Get(name)
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || len(v) > 9 || n < low || n > high || v[0] == '+' {
		p := badParam(name, v, name+" is a whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high))
		p.Limit = int64(high)
		r.fail(p)
		return def
	}
	return n
}

// time reads a time in ms.
func (r *reader) time(name string) (ms int64, given bool) {
	v := r.values.Get(name)
	if v == "" {
		return 0, false
	}
	ms, detail := parseTime(v)
	if detail != "" {
		r.fail(badParam(name, v, name+" "+detail))
	}
	return ms, true
}

// parseTime reads integer milliseconds, 16 digits of microseconds or RFC 3339.
func parseTime(v string) (ms int64, detail string) {
	digits := strings.IndexFunc(v, func(c rune) bool { return c < '0' || c > '9' }) < 0
	if !digits {
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil && plusLost(v) {
			return 0, "has a space where a plus was: in a query a plus stands for a space, write %2B (or end the time with Z)"
		}
		if err != nil || len(v) > 40 {
			return 0, "is neither integer milliseconds nor an RFC 3339 time such as 2026-11-21T11:00:00Z"
		}
		return t.UnixMilli(), ""
	}
	switch {
	case len(v) == 10:
		return 0, "has 10 digits, which are seconds: times are milliseconds, write " + v + "000"
	case len(v) > 16:
		return 0, "has more than 16 digits: times are milliseconds, or microseconds with 16 digits"
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, "is not a number"
	}
	if len(v) == 16 {
		n /= 1000
	}
	return n, ""
}

// plusLost tells whether v is a time whose offset has lost its plus: that is
// what a query makes of one that was not escaped.
func plusLost(v string) bool {
	i := strings.LastIndexByte(v, ' ')
	if i < 0 {
		return false
	}
	_, err := time.Parse(time.RFC3339Nano, v[:i]+"+"+v[i+1:])
	return err == nil
}

// span reads from, to, limit and closed.
func (r *reader) span(maxLimit int) Range {
	if maxLimit <= 0 || maxLimit > MaxLimit {
		maxLimit = MaxLimit
	}
	var q Range
	q.From, q.HasFrom = r.time("from")
	q.To, q.HasTo = r.time("to")
	if q.HasFrom && q.HasTo && q.To < q.From {
		r.fail(badParam("to", r.values.Get("to"), "to lies before from"))
	}
	q.Limit = r.count("limit", min(defaultLimit, maxLimit), 1, maxLimit)
	q.Closed = r.flag("closed", false)
	return q
}

// series reads sym and itv.
func (r *reader) series(h *Hub) (sym, name string, itv int) {
	sym = r.values.Get("sym")
	if !ValidSymbol(sym) {
		r.fail(badParam("sym", sym, "sym is a symbol: 1 to 32 letters, digits and . _ : / -, beginning with a letter or digit"))
	}
	name = r.values.Get("itv")
	if name == "" {
		p := badParam("itv", "", "itv is missing")
		p.Allowed = h.cfg.Intervals
		r.fail(p)
		return sym, name, 0
	}
	itv, p := h.parseInterval("itv", name)
	if p != nil {
		r.fail(p)
	}
	return sym, name, itv
}

// ParseKlines reads the query of /v1/klines; rows per answer are at most
// maxLimit (0 = MaxLimit).
func (h *Hub) ParseKlines(v url.Values, maxLimit int) (KlinesQuery, *Problem) {
	r := reader{values: v}
	r.known("sym", "itv", "from", "to", "limit", "closed", "fill", "format", "exact", "src")
	var q KlinesQuery
	q.Symbol, q.Interval, q.itv = r.series(h)
	q.Range = r.span(maxLimit)
	r.word("fill", "none")
	q.Format = r.word("format", FormatNative, FormatLWC, FormatColumns, FormatCSV)
	q.Exact = r.flag("exact", false)
	if q.Exact && q.Format != FormatNative {
		r.fail(badParam("exact", "1", "exact=1 goes with format=native alone"))
	}
	if q.Source = r.flag("src", false); q.Source && q.Format != FormatNative {
		r.fail(badParam("src", "1", "src=1 goes with format=native alone"))
	}
	if q.Format == FormatLWC && h.lengths[q.itv] > 0 && h.lengths[q.itv] < 1000 {
		r.fail(badParam("format", FormatLWC, "format=lwc counts seconds and cannot hold bars shorter than one"))
	}
	return q, r.problem
}

// ParseValues reads the query of /v1/values.
func (h *Hub) ParseValues(ctx context.Context, v url.Values, maxLimit int) (ValuesQuery, *Problem) {
	r := reader{values: v}
	r.known("sym", "itv", "ind", "from", "to", "limit", "closed", "format")
	var q ValuesQuery
	q.Symbol, q.Interval, q.itv = r.series(h)
	q.Range = r.span(maxLimit)
	r.word("format", FormatNative)
	text := v.Get("ind")
	if text == "" {
		p := badParam("ind", "", "ind is missing")
		p.Allowed = h.instanceNames()
		r.fail(p)
	}
	if r.problem != nil {
		return q, r.problem
	}
	x, p := h.parseIndicator(ctx, "ind", text)
	if p == nil {
		q.ind, q.Indicator = h.standIn(q.Symbol, q.itv, x.n), x.name
	}
	return q, p
}

// OnDemandValues is the indicator of a read, if it is not a configured one.
func (h *Hub) OnDemandValues(q *ValuesQuery) []string {
	if _, known := h.configured(q.ind); !known && h.isDynamic(q.ind) {
		return []string{q.Indicator}
	}
	return nil
}

// ParseLatest reads the query of /v1/latest.
func (h *Hub) ParseLatest(ctx context.Context, v url.Values) (Selection, *Problem) {
	r := reader{values: v}
	r.known("s")
	if r.problem != nil {
		return Selection{}, r.problem
	}
	return h.ParseSelection(ctx, v["s"])
}

// ParseBundle reads the query of /v1/bundle.
func (h *Hub) ParseBundle(ctx context.Context, v url.Values, maxLimit int) (BundleQuery, *Problem) {
	r := reader{values: v}
	r.known("s", "from", "to", "limit", "closed", "format")
	q := BundleQuery{Range: r.span(maxLimit)}
	q.Format = r.word("format", FormatNative, FormatColumns)
	if r.problem != nil {
		return q, r.problem
	}
	var p *Problem
	q.Selection, p = h.ParseSelection(ctx, v["s"])
	return q, p
}

// ParseSymbols reads the query of /v1/symbols.
func (*Hub) ParseSymbols(v url.Values) (SymbolsQuery, *Problem) {
	r := reader{values: v}
	r.known("q", "limit", "after")
	q := SymbolsQuery{Text: v.Get("q"), After: v.Get("after"), Limit: r.count("limit", defaultLimit, 1, MaxLimit)}
	if len(q.Text) > maxSymbolLen {
		r.fail(badParam("q", q.Text, "q is longer than a symbol"))
	}
	if q.After != "" && !ValidSymbol(q.After) {
		r.fail(badParam("after", q.After, "after is the last symbol of the page before"))
	}
	return q, r.problem
}

// ParseStream reads the query of /v1/stream. lastEventID is the header, which
// wins over the parameter.
func (h *Hub) ParseStream(ctx context.Context, v url.Values, lastEventID string) (SubOptions, *Problem) {
	r := reader{values: v}
	r.known("s", "last_event_id", "snapshot", "every", "forming", "provisional")
	o := SubOptions{LastEventID: v.Get("last_event_id"), Snapshot: r.count("snapshot", 1, 0, MaxSnapshotBars),
		SnapshotToo: v.Get("snapshot") != "" && v.Get("snapshot") != "0",
		NoForming:   !r.flag("forming", true), NoProvisional: !r.flag("provisional", true), Every: r.every()}
	if lastEventID != "" {
		o.LastEventID = lastEventID
	}
	if !CheckID(o.LastEventID) {
		r.fail(badID(o.LastEventID))
	}
	if r.problem != nil {
		return o, r.problem
	}
	var p *Problem
	o.Selection, p = h.ParseSelection(ctx, v["s"])
	return o, p
}

// every reads a time of 0 to 5 s: milliseconds, or with a unit (250ms, 1s).
func (r *reader) every() time.Duration {
	v := r.values.Get("every")
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil && len(v) <= 4 {
		var ms uint64
		ms, err = strconv.ParseUint(v, 10, 16)
		d = time.Duration(ms) * time.Millisecond
	}
	if err != nil || d < 0 || d > 5*time.Second {
		p := badParam("every", v, "every is a time of 0 to 5s, such as 250ms, 1s, or plain milliseconds")
		p.Limit = 5000
		r.fail(p)
	}
	return d
}
