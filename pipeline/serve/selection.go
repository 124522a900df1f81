package serve

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// Limits of one selection. MaxPairs bounds symbol x interval, MaxSeries what
// comes out of them times the items.
const (
	MaxPairs  = 50
	MaxSeries = 256
)

// Selection is a set of series, in the order they were asked for.
type Selection struct {
	Pairs []Pair
	// Client is whom series on demand count for, "" = nobody in particular.
	Client string
	// Reserve is asked for the memory of the answer.
	Reserve Reserve
}

// Pair is one symbol and interval with the items wanted of it.
type Pair struct {
	Symbol, Interval string
	// Kline tells that the bars are wanted, Indicators which values, by
	// canonical name.
	Kline      bool
	Indicators []string

	itv   int
	kline bool
	inds  []int
}

// Symbols lists the symbols once each, for the check whether a user may see
// them.
func (s Selection) Symbols() []string {
	var out []string
	for _, p := range s.Pairs {
		if !slices.Contains(out, p.Symbol) {
			out = append(out, p.Symbol)
		}
	}
	return out
}

// ParseSelection reads the values of the parameter s:
//
//	<symbol>[,<symbol>..]@<interval>[,<interval>..][:<item>[,<item>..]]
//
// item = "kline" (the default) or an indicator expression. Colons may stand in
// symbols, but no @: the first one ends the symbols.
func (h *Hub) ParseSelection(ctx context.Context, values []string) (Selection, *Problem) {
	var sel Selection
	for _, v := range values {
		if p := h.parsePart(ctx, &sel, v); p != nil {
			return Selection{}, p
		}
		if len(sel.Pairs) > MaxPairs {
			return Selection{}, tooMany(v, "symbol and interval pairs", MaxPairs)
		}
		series := 0
		for i := range sel.Pairs {
			series += len(sel.Pairs[i].inds)
			if sel.Pairs[i].kline {
				series++
			}
		}
		if series > MaxSeries {
			return Selection{}, tooMany(v, "series", MaxSeries)
		}
	}
	if len(sel.Pairs) == 0 {
		return Selection{}, badSelection("", "s is missing: name at least one series, for example s=BTCUSDT@1m")
	}
	return sel, nil
}

func tooMany(v, what string, limit int64) *Problem {
	p := badSelection(v, "the selection has more than "+strconv.FormatInt(limit, 10)+" "+what)
	p.Limit = limit
	return p
}

func badSelection(value, detail string) *Problem {
	return &Problem{Status: 400, Code: CodeBadSelection, Param: "s", Value: echo(value), Detail: detail}
}

// maxPart bounds one value of s before it is cut into pieces, bytes.
const maxPart = 8192

func (h *Hub) parsePart(ctx context.Context, sel *Selection, v string) *Problem {
	if len(v) > maxPart {
		return badSelection(v, "the selection is longer than 8 KiB")
	}
	symbols, rest, ok := strings.Cut(v, "@")
	if !ok {
		return badSelection(v, quote(v)+" has no @: write <symbol>@<interval>, for example BTCUSDT@1m")
	}
	intervals, items, _ := strings.Cut(rest, ":")
	if items == "" && strings.HasSuffix(rest, ":") {
		return badSelection(v, "no item follows the colon of "+quote(v))
	}
	kline, inds, p := h.parseItems(ctx, v, items)
	if p != nil {
		return p
	}
	syms, itvs := distinct(strings.Split(symbols, ",")), distinct(strings.Split(intervals, ","))
	if len(syms)*len(itvs) > MaxPairs {
		return tooMany(v, "symbol and interval pairs", MaxPairs)
	}
	for _, itv := range itvs {
		n, p := h.parseInterval("s", itv)
		if p != nil {
			return p
		}
		for _, sym := range syms {
			if !ValidSymbol(sym) {
				return badSelection(sym, quote(sym)+" is not a symbol: 1 to 32 letters, digits and . _ : / - are, beginning with a letter or digit")
			}
			sel.add(h, sym, n, kline, inds)
		}
	}
	return nil
}

// distinct leaves out what is named again, so that it does not count against the
// limits.
func distinct(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(name string) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}

// parseItems reads the list behind the colon.
func (h *Hub) parseItems(ctx context.Context, v, items string) (kline bool, inds []chosen, p *Problem) {
	if items == "" {
		return true, nil, nil
	}
	parts, ok := splitTop(items)
	if !ok {
		return false, nil, badSelection(v, "the parentheses of "+quote(v)+" do not match")
	}
	// What is named again does not count, and what is too much is not even looked at.
	if parts = distinct(parts); len(parts) > MaxSeries {
		return false, nil, tooMany(v, "series", MaxSeries)
	}
	for _, item := range parts {
		if item == eventKline {
			kline = true
			continue
		}
		x, p := h.parseIndicator(ctx, "s", item)
		if p != nil {
			return false, nil, p
		}
		if !slices.ContainsFunc(inds, func(o chosen) bool { return o.name == x.name }) {
			inds = append(inds, x)
		}
	}
	return kline, inds, nil
}

// chosen is an instance that a request names: its canonical name, and its number or
// pending.
type chosen struct {
	n    int
	name string
}

// parseIndicator resolves one indicator expression: to a configured instance, or
// to one that is computed on demand.
func (h *Hub) parseIndicator(ctx context.Context, param, text string) (chosen, *Problem) {
	e, reason := parseExpression(text)
	if reason != "" {
		p := badSelection(text, reason)
		p.Param = param
		return chosen{}, p
	}
	if n, ok := h.resolve(&e); ok {
		return chosen{n, h.cfg.Instances[n].Name}, nil
	}
	n, name, p := h.summon(ctx, param, text)
	return chosen{n, name}, p
}

// add unites a pair with what is selected already.
func (s *Selection) add(h *Hub, sym string, itv int, kline bool, inds []chosen) {
	i := slices.IndexFunc(s.Pairs, func(p Pair) bool { return p.Symbol == sym && p.itv == itv })
	if i < 0 {
		i = len(s.Pairs)
		s.Pairs = append(s.Pairs, Pair{Symbol: sym, Interval: h.cfg.Intervals[itv], itv: itv})
	}
	p := &s.Pairs[i]
	p.kline = p.kline || kline
	p.Kline = p.kline
	for _, x := range inds {
		if !slices.Contains(p.Indicators, x.name) {
			p.inds = append(p.inds, h.standIn(sym, itv, x.n))
			p.Indicators = append(p.Indicators, x.name)
		}
	}
}

// parseInterval looks up an interval name, which is case-sensitive.
func (h *Hub) parseInterval(param, name string) (int, *Problem) {
	if n, ok := h.intervals[name]; ok {
		return n, nil
	}
	p := &Problem{Status: 400, Code: CodeUnknownInterval, Param: param, Value: echo(name), Allowed: h.cfg.Intervals}
	p.Detail = "the interval " + quote(name) + " is not configured"
	if near := h.nearInterval(name); near != "" {
		p.Detail += "; did you mean " + near + "? (m is a minute, M a month)"
	}
	return 0, p
}

// nearInterval finds the configured name that other dialects write differently:
// 1Min, 60, PT1M, 1H.
func (h *Hub) nearInterval(name string) string {
	if len(name) > 16 {
		return ""
	}
	low := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(name), "p"), "t")
	digits := 0
	for digits < len(low) && low[digits] >= '0' && low[digits] <= '9' {
		digits++
	}
	count, unit := low[:digits], low[digits:]
	if digits == 0 && unit != "" { // MetaTrader: M1, H4
		count, unit = unit[1:], unit[:1]
	}
	for _, u := range [...][2]string{{"ms", "ms"}, {"mi", "m"}, {"mo", "M"}, {"m", "m"}, {"s", "s"}, {"h", "h"}, {"d", "d"}, {"w", "w"}} {
		if strings.HasPrefix(unit, u[0]) || unit == "" && u[1] == "m" {
			if _, ok := h.intervals[count+u[1]]; ok {
				return count + u[1]
			}
		}
	}
	return ""
}
